"""Entry point of the trace collector."""

from cli.trace.collector import main

if __name__ == "__main__":
    main()
