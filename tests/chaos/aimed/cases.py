"""The cases of the aimed campaign: struck process, failpoint, processes that die with it, and conditions. Pure."""

from collections.abc import Hashable, Iterator
from enum import StrEnum
from itertools import product
from random import Random
from typing import NamedTuple

from chaos.aimed.pairwise import cover

# Processes that die in "all at once": every one on the way of an event. The archive only reads what is stored.
PROCESSES = ("sim", "radar", "tracker", "registrar", "bridge", "nats")
# The other ends of each process's feeds.
NEIGHBOURS = {
    "sim": ("radar", "bridge"),
    "radar": ("sim", "tracker", "bridge"),
    "tracker": ("radar", "bridge"),
    "bridge": ("sim", "radar", "tracker", "registrar", "nats"),
    "registrar": ("bridge",),
}
# Which process passes which point of `mesh.failpoints`: every one but the archive, which has no durable step.
POINTS = {
    "sim": (
        "reservation.write",
        "file.written",
        "reservation.written",
        "tick.visible",
        "journal.write",
        "journal.appended",
        "command.done",
        "craft.write",
        "craft.written",
    ),
    "radar": ("confirmation.send", "confirmation.answered"),
    "tracker": (
        "checkpoint.write",
        "file.written",
        "checkpoint.kept",
        "checkpoint.record",
        "checkpoint.safe",
        "confirmation.send",
        "confirmation.answered",
    ),
    "bridge": (
        "message.send",
        "message.stored",
        "batch.send",
        "batch.partly_sent",
        "batch.stored",
        "write.acknowledged",
        "token.advanced",
        "confirmation.send",
        "confirmation.answered",
        "answer.send",
        "answer.stored",
        "command.acknowledged",
    ),
    "registrar": ("file.written", "log.write", "log.written", "log.synced", "receipt.given"),
}
# Passed only while commands come in, and so in a run of its own with a history of its own.
STEERED = ("journal.", "command.", "answer.")
# In the tracker, steps of a checkpoint: its first one in a run is not the first that is counted.
CHECKPOINTING = ("checkpoint.", "file.")
# Steps that follow only from the bridge's confirmations: without a bridge they do not happen.
CONFIRMED_BY_BRIDGE = ("confirmation.", "checkpoint.record", "checkpoint.safe")


class Occurrence(StrEnum):
    """The passing of the point, counted once events have flowed; for a checkpoint, counted in a new run."""

    FIRST = "first"
    SECOND = "second"
    LATE = "late"


class Bridge(StrEnum):
    """The condition of the bridge when the point is reached."""

    NORMAL = "normal"
    SLOW = "slow"  # every chunk between it and the broker is late
    STOPPED = "stopped"  # since before; continues afterwards, unless it is among the victims
    AHEAD = "ahead"  # has stored every event that the struck process has ever sent


class Retention(StrEnum):
    """The retention of the producers."""

    NORMAL = "normal"
    SMALL = "small"  # so small that the producers wait for confirmations all the time


class Speed(StrEnum):
    """The speed of simulation time."""

    SLOW = "2"
    MIDDLE = "10"
    MAX = "max"


# Of rows that add equally many combinations the first is taken: shuffle them, so that every value is used.
SHUFFLE = 1
ALL, ALONE = "all", "alone"
LATE_PASSING = {"tick.visible": 37, "message.send": 20, "message.stored": 20}
LATE_PASSING_ELSEWHERE = 4


class Case(NamedTuple):
    """One strike: at this passing of this point of this process, these die."""

    process: str
    point: str
    occurrence: Occurrence
    victims: str  # ALONE, ALL, or the neighbour that dies too
    speed: Speed
    bridge: Bridge
    retention: Retention

    @property
    def killed(self) -> tuple[str, ...]:
        """The processes that die; the struck process first."""
        if self.victims == ALONE:
            return (self.process,)
        others = PROCESSES if self.victims == ALL else (self.victims,)
        return (self.process, *(other for other in others if other != self.process))

    @property
    def passing(self) -> int:
        """The number of the passing, from 1."""
        if self.occurrence is Occurrence.LATE:
            return LATE_PASSING.get(self.point, LATE_PASSING_ELSEWHERE)
        return 1 if self.occurrence is Occurrence.FIRST else 2

    @property
    def is_steered(self) -> bool:
        """Whether commands must come in for the point to be passed."""
        return self.point.startswith(STEERED)

    @property
    def needs_new_run(self) -> bool:
        """Whether the case concerns the first checkpoint of a run."""
        checkpointing = self.process == "tracker" and self.point.startswith(CHECKPOINTING)
        return checkpointing and self.occurrence is Occurrence.FIRST

    def __str__(self) -> str:
        with_whom = {ALONE: "alone", ALL: "with all"}.get(self.victims, f"with {self.victims}")
        return (
            f"{self.process} at {self.point}, {self.occurrence}, {with_whom}; "
            f"speed {self.speed}, bridge {self.bridge}, retention {self.retention}"
        )


def possible() -> Iterator[Case]:
    """Yield every case that can happen, in a fixed order."""
    for process, points in POINTS.items():
        victims = (ALL, ALONE, *NEIGHBOURS[process])
        for values in product(points, Occurrence, victims, Speed, _bridges(process), Retention):
            case = Case(process, *values)
            stopped = case.bridge is Bridge.STOPPED
            if not (stopped and case.point.startswith(CONFIRMED_BY_BRIDGE)):
                yield case


def required() -> list[Case]:
    """Return the required cases, which the reduction must not omit: each combines four columns.

    1. A checkpoint that nobody has confirmed yet is the newest state on the disk, and the bridge is far behind it.
    2. A checkpoint was just found safe, or confirmed, while the bridge holds much that the broker does not have.
    """
    unconfirmed = [
        Case("tracker", point, Occurrence.FIRST, victims, Speed.MIDDLE, Bridge.STOPPED, Retention.NORMAL)
        for point in ("checkpoint.kept", "file.written")
        for victims in (ALL, ALONE, "bridge")
    ]
    confirmed = [
        Case("tracker", point, Occurrence.LATE, victims, Speed.MIDDLE, Bridge.SLOW, Retention.NORMAL)
        for point in ("checkpoint.safe", "confirmation.answered")
        for victims in (ALL, "bridge")
    ]
    return unconfirmed + confirmed


def campaign(strength: int = 2) -> list[Case]:
    """Return cases that together hold every possible combination of any `strength` of the columns' values.

    Process and point are one column: a point is always that of a process. The required cases are the first.
    """
    by_row = {_row(case): case for case in possible()}
    rows = list(by_row)
    Random(SHUFFLE).shuffle(rows)
    return [by_row[row] for row in cover(rows, strength, [_row(case) for case in required()])]


def _row(case: Case) -> tuple[Hashable, ...]:
    return ((case.process, case.point), *case[2:])


def _bridges(process: str) -> tuple[Bridge, ...]:
    """Return the possible conditions of the bridge: a struck bridge is neither stopped nor ahead."""
    return (Bridge.NORMAL, Bridge.SLOW) if process == "bridge" else tuple(Bridge)
