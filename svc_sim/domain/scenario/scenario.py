"""Scenario in YAML: the objects in the world and their motion."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from botspec.base import Duration, Label, Seed, Spec, refuse
from botspec.yaml_source import Loc
from svc_sim.domain.contacts.motion import ContactMotion, RecordedMotion, Waypoints, point_problem
from svc_sim.domain.contacts.trajectory import MAX_AIRCRAFT, Trajectory
from svc_sim.domain.kinematics import Maneuver, Motion, plan_motion
from svc_sim.domain.scenario.faults import MAX_FAULTS, Fault, fault_problems
from svc_sim.domain.scenario.goals import MAX_GOALS, Goal, goal_problems
from svc_sim.domain.scenario.lock_step import LockStep
from svc_sim.domain.scenario.sensor_faults import MAX_SENSOR_FAULTS, FaultPlan, SensorFault
from svc_sim.domain.scenario.types import (
    MAX_LEGS,
    MAX_TURN_RATE_DPS,
    Climb,
    Course,
    Instant,
    Position,
    RecordingFile,
    Speed,
    TurnRate,
)
from svc_sim.domain.transponder_mode import TransponderMode

__all__ = [
    "MAX_CONTACTS",
    "MAX_LEGS",
    "MAX_TURN_RATE_DPS",
    "START_YEARS",
    "Body",
    "Contact",
    "LegSpec",
    "LoadedScenario",
    "ObjectType",
    "Scenario",
    "Transponder",
    "TransponderMode",
]

MAX_CONTACTS = MAX_AIRCRAFT
START_YEARS = range(1970, 2200)
"""Nanoseconds since 1970 stay within 63 bits, for as long as a run may take."""


class ObjectType(StrEnum):
    """The class of an object in the world."""

    UNSPECIFIED = "unspecified"
    DRONE = "drone"
    SHIP = "ship"
    STATION = "station"
    ASTEROID = "asteroid"
    DEBRIS = "debris"
    AIRCRAFT = "aircraft"


class Scenario(Spec):
    """One scenario; `contacts` and `trajectory` exclude each other.

    Without `duration_s` a scenario has no end, or that of its trajectory. `start_time` is the simulation time of tick
    0. Without `start_time` the run's is used, without `seed` the run's or the BotSpec's.
    """

    schema_version: Literal[1]
    name: Label
    description: Annotated[str, Field(max_length=1000)] = ""
    duration_s: Duration | None = None
    start_time: AwareDatetime | None = None
    seed: Seed | None = None
    own_ship: "Body"
    contacts: Annotated[tuple["Contact", ...], Field(max_length=MAX_CONTACTS)] = ()
    trajectory: RecordingFile | None = None
    sensor_faults: Annotated[tuple[SensorFault, ...], Field(max_length=MAX_SENSOR_FAULTS)] = ()
    faults: Annotated[tuple[Fault, ...], Field(max_length=MAX_FAULTS)] = ()
    goals: Annotated[tuple[Goal, ...], Field(max_length=MAX_GOALS)] = ()
    lock_step: LockStep | None = None

    @field_validator("start_time")
    @classmethod
    def _check_utc(cls, start_time: datetime | None) -> datetime | None:
        if start_time is None:
            return None
        if start_time.utcoffset() != timedelta(0):
            raise ValueError(f"should be UTC (ending in Z), not {start_time.isoformat()}")
        if start_time.year not in START_YEARS:
            raise ValueError(f"should be in the years {START_YEARS[0]} to {START_YEARS[-1]}, not {start_time.year}")
        return start_time.astimezone(UTC)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems: list[tuple[Loc, str]] = []
        if self.contacts and self.trajectory:
            problems.append((("trajectory",), "excludes contacts: give one of them"))
        names: dict[str, int] = {}
        for number, contact in enumerate(self.contacts):
            if names.setdefault(contact.name, number) != number:
                problems.append((("contacts", number, "name"), f"contact {contact.name!r} is given twice"))
        if self.trajectory is None:  # a recording's aircraft are known once it has been read
            problems += self.reference_problems(list(names))
        refuse("Scenario", problems)
        return self

    def reference_problems(self, contacts: list[str]) -> list[tuple[Loc, str]]:
        """Return the location and the reason of each fault and goal that concerns none of these contacts."""
        return [*fault_problems(self.faults, None, contacts), *goal_problems(self.goals, contacts)]


class LegSpec(Spec):
    """One leg of a body's motion; without `climb_mps` the body keeps its own."""

    duration_s: Duration
    turn_rate_dps: TurnRate = 0.0
    climb_mps: Climb | None = None


class Body(Spec):
    """Start position of a body, in metres ENU, and its motion; `speed_mps` is horizontal.

    An own ship with a rigid body has this position, course and speed at the start, and no legs.
    """

    position_m: Position
    course_deg: Course = 0.0
    speed_mps: Speed = 0.0
    climb_mps: Climb = 0.0
    legs: Annotated[tuple[LegSpec, ...], Field(max_length=MAX_LEGS)] = ()

    def planned_motion(self) -> Motion:
        """Return the motion by course, speed and legs; time 0 is the body's appearance."""
        maneuvers = [
            Maneuver(leg.duration_s, leg.turn_rate_dps, self.climb_mps if leg.climb_mps is None else leg.climb_mps)
            for leg in self.legs
        ]
        return plan_motion(self.position_m, self.course_deg, self.speed_mps, self.climb_mps, maneuvers)


class Transponder(Spec):
    """Transponder settings; `id` is the identity in its replies: its own or, when spoofing, a false one."""

    mode: TransponderMode = TransponderMode.OFF
    id: Annotated[str, Field(pattern=r"^([!-~]([ -~]{0,62}[!-~])?)?$")] = ""

    @model_validator(mode="after")
    def _check_id(self) -> Self:
        answers = self.mode in (TransponderMode.ON, TransponderMode.SPOOF)
        if answers and not self.id:
            refuse("Transponder", [(("id",), f"required with mode {self.mode.value!r}: it answers with it")])
        if self.id and not answers:
            refuse("Transponder", [(("id",), f"has no use with mode {self.mode.value!r}: it does not answer")])
        return self


class Contact(Body):
    """An object other than the bot, present from `appears_at_s` until just before `disappears_at_s`.

    Without `motion` it moves as a `Body` does. On way points `speed_mps` and `climb_mps` are not used; with a recording
    neither is the position, and its times are those of the run.
    """

    name: Label
    position_m: Position = (0.0, 0.0, 0.0)
    object_type: ObjectType
    rcs_dbsm: Annotated[float, Field(ge=-200, le=200)]
    transponder: Transponder = Transponder()
    appears_at_s: Instant = 0.0
    disappears_at_s: Instant | None = None
    motion: ContactMotion | None = None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems: list[tuple[Loc, str]] = []
        recorded = isinstance(self.motion, RecordedMotion)
        if not recorded and "position_m" not in self.model_fields_set:
            problems.append((("position_m",), "required, and missing"))
        if self.disappears_at_s is not None and self.disappears_at_s <= self.appears_at_s:
            problems.append((("disappears_at_s",), f"should come after appears_at_s, which is {self.appears_at_s!r}"))
        if self.motion is not None and self.legs:
            problems.append((("legs",), f"excludes motion of kind {self.motion.kind!r}: give one of them"))
        if isinstance(self.motion, Waypoints):
            problem = point_problem(self.position_m, self.course_deg, self.motion)
            problems += [problem] if problem else []
        if recorded and self.appears_at_s:
            problems.append((("appears_at_s",), "has no use with a recording, which has times of its own"))
        refuse("Contact", problems)
        return self


@dataclass(frozen=True, slots=True)
class LoadedScenario:
    """A scenario with its recording, if any, and the SHA-256 of all its files in hexadecimal.

    `faults` are the sensor faults, if the scenario was loaded for a bot with known sensors. `recordings` are those of
    contacts, by the file's name in the scenario.
    """

    scenario: Scenario
    trajectory: Trajectory | None
    digest: str
    path: Path
    faults: tuple[FaultPlan, ...] = ()
    recordings: Mapping[str, Trajectory] = field(default_factory=dict)
