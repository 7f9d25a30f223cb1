"""Goals of a scenario: conditions on truth, tracks and alarms, by which a run or an agent in it is judged."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from botspec.base import Label, Spec
from botspec.yaml_core import Loc
from svc_sim.domain.contacts.trajectory import MAX_DISTANCE_M
from svc_sim.domain.scenario.types import Instant, Position

MAX_GOALS = 64

Distance = Annotated[float, Field(gt=0, le=MAX_DISTANCE_M)]
Share = Annotated[float, Field(ge=0, le=1)]


class KeepClear(Spec):
    """The own ship is never nearer than `distance_m` to a contact, or to those named in `of`."""

    kind: Literal["keep_clear"]
    distance_m: Distance
    of: tuple[Label, ...] = ()


class Reach(Spec):
    """The own ship comes within `radius_m` of a position at some time up to `by_s`."""

    kind: Literal["reach"]
    position_m: Position
    radius_m: Distance
    by_s: Instant


class NoBrownOut(Spec):
    """The battery carries the load at all times."""

    kind: Literal["no_brown_out"]


class ChargeAbove(Spec):
    """The battery's charge is never below a fraction of its capacity."""

    kind: Literal["charge_above"]
    fraction: Share


class TrackContinuity(Spec):
    """From `from_s` on a contact has a confirmed track within `within_m` in a share of the sets of tracks.

    The track changes to another one at most `max_changes` times.
    """

    kind: Literal["track_continuity"]
    contact: Label
    min_share: Share
    within_m: Distance = 500.0
    max_changes: Annotated[int, Field(ge=0, le=1000)] = 0
    from_s: Instant = 0.0
    until_s: Instant | None = None


class Identified(Spec):
    """At some time up to `by_s` the track nearest to a contact, within `within_m`, is identified so."""

    kind: Literal["identified"]
    contact: Label
    iff: Literal["FRIEND", "FOE", "UNKNOWN"]
    by_s: Instant
    within_m: Distance = 500.0


class Alarm(Spec):
    """A guard rule raises an alarm up to `by_s`; with `raised: false` it never does."""

    kind: Literal["alarm"]
    rule: Label
    raised: bool = True
    by_s: Instant | None = None


Goal = Annotated[
    KeepClear | Reach | NoBrownOut | ChargeAbove | TrackContinuity | Identified | Alarm, Field(discriminator="kind")
]


def goal_problems(goals: Sequence[Goal], contacts: Sequence[str]) -> Iterator[tuple[Loc, str]]:
    """Yield the goals about contacts that do not exist."""
    known = ", ".join(contacts) or "none"
    for number, goal in enumerate(goals):
        if isinstance(goal, TrackContinuity | Identified) and goal.contact not in contacts:
            yield ("goals", number, "contact"), f"there is no contact {goal.contact!r} (there are: {known})"
        if isinstance(goal, KeepClear):
            for place, name in enumerate(goal.of):
                if name not in contacts:
                    yield ("goals", number, "of", place), f"there is no contact {name!r} (there are: {known})"
