"""Health that tells the truth: a service is SERVING while its loops advance, not while its process lives."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What a service says of itself: whether it serves, one sentence why, and facts by name."""

    serving: bool
    detail: str
    facts: Mapping[str, object]


class Loop:
    """The pulse of one loop. The loop calls `beat` at least every `stall_s`, also while it waits."""

    def __init__(self, name: str, stall_s: float, now: Callable[[], float]) -> None:
        self.name = name
        self.detail = "starting"
        self.failed = False
        self._stall_s = stall_s
        self._now = now
        self._beat_at = now()

    def beat(self, detail: str | None = None) -> None:
        """Say that the loop advances, and what it is about where that has changed."""
        self._beat_at = self._now()
        if detail is not None:
            self.detail = detail

    def fail(self, detail: str) -> None:
        """Say that the loop cannot do its work, until told otherwise by an operator."""
        self.failed, self.detail = True, detail

    def recover(self, detail: str) -> None:
        """Report that the loop can do its work again."""
        self.failed = False
        self.beat(detail)

    def stalled_for_s(self) -> float | None:
        """Return for how long the loop has been silent, where that is too long."""
        silent = self._now() - self._beat_at
        return silent if silent > self._stall_s else None


class Health:
    """The health of a service, derived from its loops. Read from the metrics thread as well."""

    def __init__(self, service: str, stall_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.service = service
        self._stall_s = stall_s
        self._now = now
        self._lock = Lock()
        self._loops: list[Loop] = []
        self._facts: Callable[[], Mapping[str, object]] = dict
        self._down = "starting"

    def loop(self, name: str) -> Loop:
        """Add a loop."""
        loop = Loop(name, self._stall_s, self._now)
        with self._lock:
            self._loops.append(loop)
        return loop

    def up(self) -> None:
        """Say that the service is reachable."""
        self._down = ""

    def draining(self) -> None:
        """Say that the service is going away."""
        self._down = "draining"

    def facts_from(self, facts: Callable[[], Mapping[str, object]]) -> None:
        """Say where to ask for facts when someone wants to know. It is called from the metrics thread: only reads."""
        self._facts = facts

    def report(self) -> HealthReport:
        """Return the state now."""
        with self._lock:
            loops = list(self._loops)
        facts = self._facts()
        if self._down:
            return HealthReport(False, self._down, facts)
        for loop in loops:
            if loop.failed:
                return HealthReport(False, f"{loop.name}: {loop.detail}", facts)
            if (silent := loop.stalled_for_s()) is not None:
                return HealthReport(False, f"{loop.name}: has not advanced for {silent:.0f} s", facts)
        return HealthReport(True, _summary(loops) or "serving", facts)


def _summary(loops: list[Loop]) -> str:
    """Return what the loops do, those together that do the same."""
    if len(loops) == 1:
        return loops[0].detail
    names: dict[str, list[str]] = {}
    for loop in loops:
        names.setdefault(loop.detail, []).append(loop.name)
    return "; ".join(f"{', '.join(doing)}: {detail}" for detail, doing in names.items())
