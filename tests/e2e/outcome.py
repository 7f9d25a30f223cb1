"""How the smoke test tells what it does and what does not hold."""


class SmokeError(Exception):
    """Something did not hold; the text says what."""


def say(text: str) -> None:
    """Print a line at once: whoever watches a slow step sees where it is."""
    print(f"smoke: {text}", flush=True)
