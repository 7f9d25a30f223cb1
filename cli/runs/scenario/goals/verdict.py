"""Verdict on one goal, and the interface of the goals' judges."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal in words, whether it was reached, and the measurement by which that was judged."""

    goal: str
    passed: bool
    measured: str


class GoalJudge(Protocol):
    """Measures one goal: takes the payloads of these types, each with its time since the run's start in seconds."""

    TYPES: ClassVar[tuple[str, ...]]

    def take(self, payload: Any, time_s: float) -> None:
        """Take the next event of one of the types."""

    def verdict(self) -> Verdict:
        """Return the verdict after the last event."""
