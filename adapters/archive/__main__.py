"""Wire the archive and run it."""

from adapters.archive.wiring import main

if __name__ == "__main__":
    main()
