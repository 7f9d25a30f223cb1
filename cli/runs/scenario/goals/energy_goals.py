"""Goals of the power: no brown-out, and a battery that stays charged. A run without power events fails both."""

from typing import Any, ClassVar

from cli.runs.scenario.goals.needs import ENERGY
from cli.runs.scenario.goals.verdict import Verdict
from svc_sim.domain.scenario.goals import ChargeAbove

NOT_MEASURED = "not measured: the run has no power events"


class BrownOutJudge:
    """The first brown-out."""

    TYPES: ClassVar[tuple[str, ...]] = (ENERGY,)

    def __init__(self) -> None:
        self._events = 0
        self._first_s: float | None = None

    def take(self, payload: Any, time_s: float) -> None:
        """Take a state of the power."""
        self._events += 1
        if payload.brown_out and self._first_s is None:
            self._first_s = time_s

    def verdict(self) -> Verdict:
        """Return whether there was none."""
        if not self._events:
            return Verdict("no brown-out", False, NOT_MEASURED)
        if self._first_s is None:
            return Verdict("no brown-out", True, "there was none")
        return Verdict("no brown-out", False, f"the first began at {self._first_s:.1f} s")


class ChargeJudge:
    """The smallest charge."""

    TYPES: ClassVar[tuple[str, ...]] = (ENERGY,)

    def __init__(self, goal: ChargeAbove) -> None:
        self._goal = goal
        self._least: tuple[float, float] | None = None

    def take(self, payload: Any, time_s: float) -> None:
        """Take a state of the power."""
        if payload.capacity_j <= 0.0:
            return
        fraction = payload.stored_j / payload.capacity_j
        if self._least is None or fraction < self._least[0]:
            self._least = fraction, time_s

    def verdict(self) -> Verdict:
        """Return whether the charge stayed above the fraction."""
        goal = f"charge never below {self._goal.fraction:.0%}"
        if self._least is None:
            return Verdict(goal, False, NOT_MEASURED)
        fraction, time_s = self._least
        return Verdict(goal, fraction >= self._goal.fraction, f"least: {fraction:.1%} at {time_s:.1f} s")
