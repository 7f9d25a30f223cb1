"""Time control: permission for the next tick by the wall clock, by steps, or at once."""

import math
import time
from collections.abc import Callable

from mesh.feeds.notifier import Notifier
from mesh.serving.errors import InvalidFieldError

MIN_SPEED, MAX_SPEED = 0.1, 1_000.0
MAX_STEPS = 1_000_000
AS_FAST_AS_POSSIBLE = 0.0
# Waits are cut into slices, so that the loop's heartbeat continues while time is stopped.
SLICE_S = 0.5
# A pacer later than this resynchronizes with the wall clock: it does not catch up lost time.
MAX_LATE_S = 0.1


class Pacer:
    """Permission of ticks one by one. `speed` is simulation seconds per wall second; 0: as fast as possible."""

    def __init__(self, tick_s: float, speed: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self._tick_s = tick_s
        self._now = now
        self._due = now()
        self.speed = speed
        self.paused = False
        self.steps_left = 0
        self.change = Notifier()

    @property
    def stands_still(self) -> bool:
        """Whether time is stopped: no tick is permitted until a resume or a step."""
        return self.paused and not self.steps_left

    @property
    def control(self) -> tuple[str, float]:
        """Whether time is running, paused or stepped, and its speed, as the last request has set them."""
        return "stepped" if self.steps_left else "paused" if self.paused else "running", self.speed

    def pause(self) -> None:
        """Stop time before the next tick."""
        self.paused = True
        self.change.notify()

    def resume(self) -> None:
        """Resume time."""
        self.paused = False
        self._due = max(self._due, self._now())  # never earlier: repeated resumes do not advance time
        self.change.notify()

    def set_speed(self, speed: float) -> None:
        """Set the speed from now on.

        Raises:
            InvalidFieldError: not finite, or out of [0.1, 1000].
        """
        left_s = max(0.0, self._due - self._now()) * self.speed  # rest of the tick, in simulation time
        self.speed = check_speed(speed)
        self._due = self._now() + left_s / self.speed
        self.change.notify()

    def run_free(self) -> None:
        """Ignore the wall clock from now on."""
        self.speed = AS_FAST_AS_POSSIBLE
        self.change.notify()

    def step(self, ticks: int) -> None:
        """Pause, and permit this many more ticks immediately.

        Raises:
            InvalidFieldError: out of [1, 1000000], including the pending steps.
        """
        if not 1 <= ticks <= MAX_STEPS - self.steps_left:
            raise InvalidFieldError("ticks", f"must be in [1, {MAX_STEPS}], got {ticks} with {self.steps_left} to do")
        self.steps_left += ticks
        self.pause()

    async def permit(self) -> bool:
        """Wait at most one slice for the next tick's permission; return whether it was given."""
        if self.steps_left:
            self.steps_left -= 1
            return True
        if self.paused:
            await self.change.wait(SLICE_S)
            return False
        if self.speed == AS_FAST_AS_POSSIBLE:
            return True
        early = self._due - self._now()
        if early > 0:
            await self.change.wait(min(early, SLICE_S))
            if self._due > self._now() or self.paused:
                return False
        elif early < -MAX_LATE_S:
            self._due = self._now()
        self._due += self._tick_s / self.speed
        return True


def check_speed(speed: float, field: str = "factor") -> float:
    """Return the speed if it is valid.

    Raises:
        InvalidFieldError: not finite, or out of [0.1, 1000]; names `field`.
    """
    if not math.isfinite(speed) or not MIN_SPEED <= speed <= MAX_SPEED:
        raise InvalidFieldError(field, f"must be finite and in [{MIN_SPEED:g}, {MAX_SPEED:g}], got {speed}")
    return speed
