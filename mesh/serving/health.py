"""Health: a service is SERVING while its loops advance, not while its process lives."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The health of a service: whether it serves, one sentence why, and facts by name."""

    serving: bool
    detail: str
    facts: Mapping[str, object]


class Heartbeat:
    """The heartbeat of one loop. The loop calls `beat` at least every `stall_s`, also while it waits."""

    def __init__(self, name: str, stall_s: float, now: Callable[[], float]) -> None:
        self.name = name
        self.detail = "starting"
        self.failed = False
        self._stall_s = stall_s
        self._now = now
        self._beat_at = now()

    def beat(self, detail: str | None = None) -> None:
        """Record that the loop advances, with a new description of its work where that has changed."""
        self._beat_at = self._now()
        if detail is not None:
            self.detail = detail

    def fail(self, detail: str) -> None:
        """Record that the loop cannot work until an operator intervenes."""
        self.failed, self.detail = True, detail

    def recover(self, detail: str) -> None:
        """Record that the loop can work again."""
        self.failed = False
        self.beat(detail)

    def stalled_for_s(self) -> float | None:
        """Return for how long the loop has been silent if that is over its limit, else None."""
        silent = self._now() - self._beat_at
        return silent if silent > self._stall_s else None


class Health:
    """The health of a service, derived from its loops. Read from the metrics thread as well."""

    def __init__(self, service: str, stall_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.service = service
        self._stall_s = stall_s
        self._now = now
        self._lock = Lock()
        self._loops: list[Heartbeat] = []
        self._facts: list[Callable[[], Mapping[str, object]]] = []
        self._down = "starting"

    def loop(self, name: str) -> Heartbeat:
        """Add a loop."""
        loop = Heartbeat(name, self._stall_s, self._now)
        with self._lock:
            self._loops.append(loop)
        return loop

    def up(self) -> None:
        """Mark the service as reachable."""
        self._down = ""

    def draining(self) -> None:
        """Mark the service as draining."""
        self._down = "draining"

    def facts_from(self, facts: Callable[[], Mapping[str, object]]) -> None:
        """Add a function that returns facts. It is called from the metrics thread, so it must only read."""
        self._facts.append(facts)

    def stalled_loops(self) -> Mapping[str, float]:
        """Return for how many seconds each stalled loop has been silent, by the loop's name."""
        with self._lock:
            loops = list(self._loops)
        return {loop.name: silent for loop in loops if (silent := loop.stalled_for_s()) is not None}

    def report(self) -> HealthReport:
        """Return the current state."""
        with self._lock:
            loops = list(self._loops)
        facts = {name: value for source in self._facts for name, value in source().items()}
        if self._down:
            return HealthReport(False, self._down, facts)
        for loop in loops:
            if loop.failed:
                return HealthReport(False, f"{loop.name}: {loop.detail}", facts)
            if (silent := loop.stalled_for_s()) is not None:
                return HealthReport(False, f"{loop.name}: has not advanced for {silent:.0f} s", facts)
        return HealthReport(True, _summary(loops) or "serving", facts)


def _summary(loops: list[Heartbeat]) -> str:
    """Return the work of the loops, those with the same work together."""
    if len(loops) == 1:
        return loops[0].detail
    names: dict[str, list[str]] = {}
    for loop in loops:
        names.setdefault(loop.detail, []).append(loop.name)
    return "; ".join(f"{', '.join(doing)}: {detail}" for detail, doing in names.items())
