"""Entry point of the trace collector."""

from cli.views.trace.collector.service import main

if __name__ == "__main__":
    main()
