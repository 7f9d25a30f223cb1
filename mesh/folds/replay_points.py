"""Replay points: positions in a fold's input from which it could start again, oldest first. Pure."""

from collections import deque

# Over ten minutes of snapshots at 100 Hz; beyond it the oldest positions are dropped, and then not confirmed.
MAX_PLACES = 100_000


class ReplayPoints:
    """Tokens of the input by tick."""

    def __init__(self) -> None:
        self._replay_points: deque[tuple[int, str]] = deque(maxlen=MAX_PLACES)

    def add(self, tick: int, token: str) -> None:
        """Keep a position; ticks never decrease."""
        self._replay_points.append((tick, token))

    def newest_through(self, tick: int) -> str:
        """Return the token of the newest position at or before the tick, and drop those before it; empty for none."""
        token = ""
        while self._replay_points and self._replay_points[0][0] <= tick:
            token = self._replay_points[0][1]
            if len(self._replay_points) > 1 and self._replay_points[1][0] <= tick:
                self._replay_points.popleft()
            else:
                break
        return token
