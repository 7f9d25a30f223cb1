"""Store progress: the time for which the broker has acknowledged no waiting event, and the last write error."""

import time
from collections.abc import Callable

# Longer than a busy broker that syncs every write takes to acknowledge.
STORED_WITHIN_S = 5.0


class StoreProgress:
    """The clock of one channel: it runs while events wait, and restarts with every acknowledgement."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start with no waiting events; `now` is a monotonic clock in seconds."""
        self.error = ""
        self._now = now
        self._since_s: float | None = None

    def waiting(self) -> None:
        """Record that events wait to be stored."""
        if self._since_s is None:
            self._since_s = self._now()

    def stored(self, *, more_waits: bool) -> None:
        """Record an acknowledgement, or another proof that the sent events are stored."""
        self.error = ""
        self._since_s = self._now() if more_waits else None

    def failed(self, error: str) -> None:
        """Record the error of a write; the next acknowledgement clears it."""
        self.error = error

    def unstored_s(self) -> float:
        """Return the seconds since the last acknowledgement while events wait, 0 while none does."""
        since_s = self._since_s
        return 0.0 if since_s is None else self._now() - since_s

    def left_s(self) -> float:
        """Return the seconds until the channel counts as not storing, at the earliest."""
        return max(0.0, STORED_WITHIN_S - self.unstored_s())

    @property
    def storing(self) -> bool:
        """Whether no events wait, or the last acknowledgement is recent."""
        return self.unstored_s() < STORED_WITHIN_S

    @property
    def problem(self) -> str:
        """The reason why nothing is stored, for an operator; empty while there is no error."""
        if self.storing:
            return self.error
        reason = f"JetStream has acknowledged nothing for {self.unstored_s():.0f} s while events wait"
        return f"{reason} (last error: {self.error})" if self.error else reason
