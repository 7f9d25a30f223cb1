"""Entry point of the registrar."""

from svc_registrar.wiring import main

if __name__ == "__main__":
    main()
