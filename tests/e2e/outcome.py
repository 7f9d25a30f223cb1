"""Output of the smoke test: its progress, and the checks that failed."""


class SmokeError(Exception):
    """A check failed; the text names it."""


def say(text: str) -> None:
    """Print a line without buffering, so that the progress of slow steps is visible."""
    print(f"smoke: {text}", flush=True)
