"""Output of the smoke test: its progress, and the checks that failed."""


class SmokeError(Exception):
    """Something did not hold; the text says what."""


def say(text: str) -> None:
    """Print a line at once: whoever watches a slow step sees where it is."""
    print(f"smoke: {text}", flush=True)
