"""Entry point of the `qiki` command."""

import sys

from cli.app import build_app
from cli.errors import CliError


def main() -> None:
    """Run the command; an expected error is a sentence on standard error, not a traceback."""
    try:
        build_app()()
    except CliError as error:
        print(f"qiki: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
