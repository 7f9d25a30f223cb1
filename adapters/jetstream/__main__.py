"""Wires the bridge and runs it."""

from adapters.jetstream.wiring import main

if __name__ == "__main__":
    main()
