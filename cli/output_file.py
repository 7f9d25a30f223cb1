"""Text for a file or the terminal."""

from pathlib import Path

from cli.errors import CliError


def put(text: str, path: Path | None) -> None:
    """Write the text to the file, or print it where there is none. Raises CliError where it cannot be written."""
    if path is None:
        print(text, end="")
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}") from None
