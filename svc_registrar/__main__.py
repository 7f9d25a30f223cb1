"""Wires the registrar and runs it."""

from svc_registrar.wiring import main

if __name__ == "__main__":
    main()
