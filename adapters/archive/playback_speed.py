"""Playback speed: an event is due according to its time in the run and the chosen speed."""

import time
from collections.abc import Callable

from mesh.clock import NS_PER_S

# An event later than this restarts the schedule: lost time is not caught up.
MAX_LATE_S = 0.1


class PlaybackSpeed:
    """Playback speed in simulation seconds per second; 0 is as fast as possible. `now` is a wall clock in seconds."""

    def __init__(self, speed: float, now: Callable[[], float] = time.monotonic) -> None:
        self._speed = speed
        self._now = now
        self._begin: tuple[float, int] | None = None

    def wait_s(self, time_ns: int) -> float:
        """Return the seconds until the next event, which has this time, is due; 0 where it is due now."""
        if self._speed == 0:
            return 0.0
        now_s = self._now()
        if self._begin is None:
            self._begin = now_s, time_ns
        begin_s, begin_ns = self._begin
        early_s = begin_s + (time_ns - begin_ns) / NS_PER_S / self._speed - now_s
        if early_s < -MAX_LATE_S:
            self._begin = now_s, time_ns
        return max(0.0, early_s)
