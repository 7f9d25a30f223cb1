"""Output of a check in containers: its progress, and the checks that failed."""

import sys
from pathlib import Path


class SmokeError(Exception):
    """A check failed; the text names it."""


def say(text: str) -> None:
    """Print a line, after the program's name, without buffering, so that the progress of slow steps is visible."""
    print(f"{Path(sys.argv[0]).stem}: {text}", flush=True)
