"""Wire the bridge and run it."""

from adapters.jetstream.wiring import main

if __name__ == "__main__":
    main()
