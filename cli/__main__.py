"""Entry point of the `qiki` command."""

import sys

from cli.app import build_app
from cli.errors import CliError


def main() -> None:
    """Run the command; report an expected error as a sentence on standard error instead of a traceback."""
    try:
        build_app()()
    except CliError as error:
        print(f"qiki: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
