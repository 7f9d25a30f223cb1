"""The world at any tick: a pure function of scenario, run, helm commands and tick."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID, uuid5

from botspec.base import nanoseconds
from svc_sim.domain.contacts.motion import RandomManeuvers, RecordedMotion, Waypoints, waypoint_motion
from svc_sim.domain.contacts.random_maneuvers import random_maneuvers
from svc_sim.domain.contacts.trajectory import Aircraft
from svc_sim.domain.helm import Helm, steer
from svc_sim.domain.kinematics import Kinematics, Vector, plan_motion
from svc_sim.domain.scenario.faults import Fault, TransponderFault
from svc_sim.domain.scenario.scenario import Contact, LoadedScenario, ObjectType, TransponderMode
from svc_sim.domain.scenario.sensor_faults import FaultState

NS_PER_S = 1_000_000_000
AIRCRAFT_RCS_DBSM = 20.0
"""For recordings, which do not tell: a large airliner's 100 square metres (Skolnik, Introduction to Radar Systems)."""


@dataclass(frozen=True, slots=True)
class ContactState:
    """One contact at one tick; position in metres and velocity in metres per second, ENU."""

    contact_id: str
    name: str
    object_type: ObjectType
    position_m: Vector
    velocity_mps: Vector
    rcs_dbsm: float
    transponder_mode: TransponderMode
    transponder_id: str


@dataclass(frozen=True, slots=True)
class WorldState:
    """The world at one tick: the bot, the contacts present, and the active sensor faults, in the scenario's order."""

    tick: int
    own_ship: Kinematics
    contacts: tuple[ContactState, ...]
    sensor_faults: tuple[FaultState, ...] = ()


class World:
    """The ground truth of one run."""

    def __init__(self, scenario: LoadedScenario, run_id: str, tick_ns: int, seed: int = 0) -> None:
        """Prepare a run; raise ValueError for a run id that is not a UUID, and for a scenario shorter than one tick.

        `seed` is the key of the random manoeuvres.
        """
        if tick_ns < 1:
            raise ValueError(f"tick_ns should be positive, not {tick_ns}")
        self.tick_ns = tick_ns
        self.last_tick = last_tick_of(scenario, tick_ns)
        self._own_ship = scenario.scenario.own_ship.planned_motion()
        self._faults = scenario.faults
        self._helms: list[tuple[int, Helm]] = []  # in the order of ticks, and within a tick in the order of the calls
        run = UUID(run_id)
        if scenario.trajectory is None:
            plan = _Plan(scenario, seed, self.last_tick * tick_ns / NS_PER_S)
            self._actors = tuple(_scripted(run, contact, plan) for contact in scenario.scenario.contacts)
        else:
            faults = scenario.scenario.faults
            self._actors = tuple(_recorded(run, aircraft, faults) for aircraft in scenario.trajectory.aircraft)

    def at(self, tick: int, own_ship: Kinematics | None = None) -> WorldState:
        """Return the world at a tick, with the own ship's motion of its rigid body, if it has one.

        Raises ValueError for a tick below 0 or after the last.
        """
        if tick < 0 or (self.last_tick and tick > self.last_tick):
            raise ValueError(f"tick {tick} is not in this run")
        t_s = self.time_s(tick)
        contacts = []
        for actor in self._actors:
            point = actor.path.point_at(t_s)
            if point is not None:
                mode, identity = actor.transponder_at(t_s)
                contacts.append(
                    ContactState(
                        actor.contact_id,
                        actor.name,
                        actor.object_type,
                        point[0],
                        point[1],
                        actor.rcs_dbsm,
                        mode,
                        identity,
                    )
                )
        return WorldState(tick, own_ship or self.own_ship_at(tick), tuple(contacts), self.faults_at(tick))

    def own_ship_at(self, tick: int) -> Kinematics:
        """Return the own ship's motion on its planned path, as steered by helm."""
        return self._own_ship.kinematics_at(self.time_s(tick))

    def faults_at(self, tick: int) -> tuple[FaultState, ...]:
        """Return the sensor faults that are active at a tick, in the scenario's order."""
        t_s = self.time_s(tick)
        return tuple([fault.state for fault in self._faults if fault.holds_at(t_s)])

    def contacts_m(self, tick: int) -> tuple[Vector, ...]:
        """Return the positions of the contacts present at a tick, in metres ENU."""
        t_s = self.time_s(tick)
        points = [actor.path.point_at(t_s) for actor in self._actors]
        return tuple([point[0] for point in points if point is not None])

    def set_helms(self, helms: Iterable[tuple[int, Helm]]) -> None:
        """Steer the own ship from the given ticks on; within a tick, later helms follow earlier ones.

        Setting helms together or one by one gives the same world. Raises ValueError for tick 0, and for a tick that is
        not in this run.
        """
        added = list(helms)
        for tick, _helm in added:
            if tick < 1 or (self.last_tick and tick > self.last_tick):
                raise ValueError(f"tick {tick} is none that can be steered in this run")
        if not added:
            return
        first = min(tick for tick, _helm in added)
        unchanged = bisect_right(self._helms, first, key=_tick_of)
        self._helms = sorted([*self._helms, *added], key=_tick_of)
        self._own_ship = steer(self._own_ship, [(self.time_s(tick), helm) for tick, helm in self._helms[unchanged:]])

    def time_s(self, tick: int) -> float:
        """Return the seconds from tick 0 to a tick: the float nearest to the exact value."""
        return tick * self.tick_ns / NS_PER_S


def _tick_of(order: tuple[int, Helm]) -> int:
    return order[0]


class _Path(Protocol):
    def point_at(self, t_s: float) -> tuple[Vector, Vector] | None: ...


@dataclass(frozen=True, slots=True)
class _Presence:
    """A path from appears_at_s until disappears_at_s, whose time 0 is the appearance."""

    path: _Path
    appears_at_s: float
    disappears_at_s: float

    def point_at(self, t_s: float) -> tuple[Vector, Vector] | None:
        if not self.appears_at_s <= t_s < self.disappears_at_s:
            return None
        return self.path.point_at(t_s - self.appears_at_s)


@dataclass(frozen=True, slots=True)
class _Actor:
    """The constant attributes of a contact, its path, and the faults of its transponder."""

    contact_id: str
    name: str
    object_type: ObjectType
    rcs_dbsm: float
    transponder_mode: TransponderMode
    transponder_id: str
    path: _Path
    faults: tuple[TransponderFault, ...] = ()

    def transponder_at(self, t_s: float) -> tuple[TransponderMode, str]:
        """Return mode and identity: those of the last active fault, else its own."""
        for fault in reversed(self.faults):
            if fault.holds_at(t_s):
                return fault.mode, fault.identity
        return self.transponder_mode, self.transponder_id


@dataclass(frozen=True, slots=True)
class _Plan:
    """The scenario that a contact is part of, with the seed and the end of the run, 0 for a run without an end."""

    scenario: LoadedScenario
    seed: int
    end_s: float

    def path_of(self, contact: Contact) -> _Path:
        """Return a contact's path, which starts at its appearance."""
        match contact.motion:
            case Waypoints() as way:
                return waypoint_motion(contact.position_m, contact.course_deg, way)
            case RandomManeuvers() as motion:
                until_s = self.end_s - contact.appears_at_s if self.end_s else float("inf")
                maneuvers = random_maneuvers(motion, contact.name, self.seed, until_s)
                start = (contact.position_m, contact.course_deg, contact.speed_mps, contact.climb_mps)
                return plan_motion(*start, maneuvers)
            case RecordedMotion() as recorded:
                return self.scenario.recordings[recorded.file].of(recorded.icao24)
            case None:
                return contact.planned_motion()


def _scripted(run: UUID, contact: Contact, plan: _Plan) -> _Actor:
    over_s = float("inf") if contact.disappears_at_s is None else contact.disappears_at_s
    return _Actor(
        str(uuid5(run, contact.name)),
        contact.name,
        contact.object_type,
        contact.rcs_dbsm,
        contact.transponder.mode,
        contact.transponder.id,
        _Presence(plan.path_of(contact), contact.appears_at_s, over_s),
        _transponder_faults(plan.scenario.scenario.faults, contact.name),
    )


def _recorded(run: UUID, aircraft: Aircraft, faults: Iterable[Fault]) -> _Actor:
    return _Actor(
        str(uuid5(run, aircraft.icao24)),
        aircraft.icao24,
        ObjectType.AIRCRAFT,
        AIRCRAFT_RCS_DBSM,
        TransponderMode.ON,
        aircraft.callsign or aircraft.icao24,
        aircraft,
        _transponder_faults(faults, aircraft.icao24),
    )


def _transponder_faults(faults: Iterable[Fault], name: str) -> tuple[TransponderFault, ...]:
    return tuple(fault for fault in faults if isinstance(fault, TransponderFault) and fault.contact == name)


def last_tick_of(scenario: LoadedScenario, tick_ns: int) -> int:
    """Return the last tick not after the end; 0: no end."""
    if scenario.scenario.duration_s is not None:
        end_ns = nanoseconds(scenario.scenario.duration_s)
    elif scenario.trajectory is not None:
        end_ns = int(Decimal(repr(scenario.trajectory.end_s)).scaleb(9))
    else:
        return 0
    if end_ns < tick_ns:
        raise ValueError(f"the scenario ends before its first tick of {tick_ns} ns")
    return end_ns // tick_ns
