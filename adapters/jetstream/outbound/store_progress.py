"""Store progress: for how long the broker has acknowledged nothing of what waits, and the last error of a write."""

import time
from collections.abc import Callable

# Above what a busy broker that syncs every write takes for an acknowledgement.
STORED_WITHIN_S = 5.0


class StoreProgress:
    """The clock of one channel: it runs while something waits, and starts anew with every acknowledgement."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing waiting; `now` is a monotonic clock in seconds."""
        self.error = ""
        self._now = now
        self._since_s: float | None = None

    def waiting(self) -> None:
        """Note that something waits to be stored."""
        if self._since_s is None:
            self._since_s = self._now()

    def stored(self, *, more_waits: bool) -> None:
        """Note an acknowledgement, or another proof that what was sent is stored."""
        self.error = ""
        self._since_s = self._now() if more_waits else None

    def failed(self, error: str) -> None:
        """Note the error of a write; it is forgotten with the next acknowledgement."""
        self.error = error

    def unstored_s(self) -> float:
        """Return the seconds since the last acknowledgement while something waits, 0 while nothing does."""
        since_s = self._since_s
        return 0.0 if since_s is None else self._now() - since_s

    def left_s(self) -> float:
        """Return in how many seconds, at the earliest, the channel counts as not storing."""
        return max(0.0, STORED_WITHIN_S - self.unstored_s())

    @property
    def storing(self) -> bool:
        """Whether nothing waits, or the last acknowledgement is recent."""
        return self.unstored_s() < STORED_WITHIN_S

    @property
    def problem(self) -> str:
        """The reason why nothing is stored, for an operator; empty while all is well."""
        if self.storing:
            return self.error
        said = f"JetStream has acknowledged nothing for {self.unstored_s():.0f} s while events wait"
        return f"{said} (last error: {self.error})" if self.error else said
