"""Replay points: positions in a fold's input from which it could start again, oldest first. Pure."""

from collections import deque

# Over ten minutes of snapshots at 100 Hz; beyond it the oldest positions are dropped, and then not confirmed.
MAX_PLACES = 100_000


class Places:
    """Tokens of the input by tick."""

    def __init__(self) -> None:
        self._places: deque[tuple[int, str]] = deque(maxlen=MAX_PLACES)

    def add(self, tick: int, token: str) -> None:
        """Keep a position; ticks never decrease."""
        self._places.append((tick, token))

    def newest_through(self, tick: int) -> str:
        """Return the token of the newest position at or before the tick, and drop those before it; empty for none."""
        token = ""
        while self._places and self._places[0][0] <= tick:
            token = self._places[0][1]
            if len(self._places) > 1 and self._places[1][0] <= tick:
                self._places.popleft()
            else:
                break
        return token
