"""The simulator's derived feeds: the events due at a tick, made from the world and the craft at that tick."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from mesh.clock import SimulationClock
from mesh.feeds.feed import Feed
from mesh.schedule import Schedule
from qiki.sim.v1.world_pb2 import WorldSnapshot
from svc_sim.commands.life import CommandLife
from svc_sim.craft.run import CraftRun
from svc_sim.domain.body.motion import kinematics_of
from svc_sim.domain.craft.step import Stepped
from svc_sim.domain.world import World
from svc_sim.navigation import Navigation
from svc_sim.wire import craft as craft_wire
from svc_sim.wire import snapshots as snapshots_wire
from svc_sim.wire.readings import to_reading

# Interval of the statuses of energy and shield, in simulation time; a longer tick has one each.
STATUS_PERIOD_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Feeds:
    """The simulator's derived feeds, and the life of its commands, which is recorded."""

    world: Feed
    sensors: Feed
    energy: Feed
    shield: Feed
    nav: Feed
    commands: CommandLife

    @property
    def derived(self) -> tuple[Feed, ...]:
        """The feeds that are functions of the run."""
        return self.world, self.sensors, self.energy, self.shield, self.nav

    @property
    def all(self) -> tuple[Feed, ...]:
        """Every feed."""
        return *self.derived, self.commands.feed


@dataclass(frozen=True, slots=True)
class DueEvent:
    """One event of a feed that is due at a tick."""

    feed: Feed
    sequence: int
    payload: Message
    subject: str = ""


class Outputs:
    """The schedules of one run's feeds, and the making of their events. Without a rigid body `craft` is None."""

    def __init__(
        self,
        feeds: Feeds,
        world: World,
        navigation: Navigation,
        craft: CraftRun | None,
        *,
        clock: SimulationClock,
        world_period_ticks: int,
    ) -> None:
        self.feeds = feeds
        self.contacts = 0
        self._world = world
        self._navigation = navigation
        self._craft = craft
        self._clock = clock
        self._snapshots = Schedule((world_period_ticks,))
        self._statuses = Schedule((max(1, STATUS_PERIOD_NS // clock.tick_ns),))
        self._sensors = navigation.schedule if craft is None else Schedule(craft.parameters.periods)

    @property
    def sensor_ids(self) -> tuple[str, ...]:
        """The ids of the sensors whose readings are in the feed `sensors`."""
        if self._craft is None:
            return self._navigation.sensor_ids
        return tuple(sensor.sensor_id for sensor in self._craft.parameters.sensors)

    @property
    def all_read_sequence(self) -> int:
        """Sequence of the first reading by which every sensor has been read once; 0 without sensors."""
        return self._sensors.count_through(max(self._sensors.periods, default=0))

    def sequences_at(self, tick: int) -> tuple[int, int]:
        """Return the sequences of the newest events of world and sensors up to a tick."""
        return self._snapshots.count_through(tick), self._sensors.count_through(tick)

    def first_snapshot(self) -> WorldSnapshot:
        """Return the world at tick 0, which is no event."""
        snapshot = snapshots_wire.to_snapshot(self._world.at(0), self._clock)
        if (craft := self._craft) is not None:
            own_ship = kinematics_of(craft.parameters.airframe, craft.initial.body, craft.initial.thrust_n)
            snapshot.craft.CopyFrom(craft_wire.to_craft_state(craft.parameters, craft.initial, own_ship))
        return snapshot

    def due(self, tick: int, stepped: Stepped | None) -> Iterator[DueEvent]:
        """Yield the events due at a tick, which the craft, if there is one, has just reached by this step."""
        for slot in self._snapshots.due(tick):
            yield DueEvent(self.feeds.world, slot.sequence, self._snapshot(tick))
        yield from self._readings(tick, stepped)
        if self._craft is not None:
            yield from self._statuses_due(self._craft, tick)

    def _snapshot(self, tick: int) -> WorldSnapshot:
        if (craft := self._craft) is None:
            state = self._world.at(tick)
            self.contacts = len(state.contacts)
            return snapshots_wire.to_snapshot(state, self._clock)
        own_ship = craft.own_ship
        state = self._world.at(tick, own_ship)
        self.contacts = len(state.contacts)
        faults = (*state.sensor_faults, *craft_wire.radars_without_power(craft.parameters, craft.state))
        snapshot = snapshots_wire.to_snapshot(state, self._clock, faults)
        snapshot.craft.CopyFrom(craft_wire.to_craft_state(craft.parameters, craft.state, own_ship))
        return snapshot

    def _readings(self, tick: int, stepped: Stepped | None) -> Iterator[DueEvent]:
        feed, slots = self.feeds.sensors, list(self._sensors.due(tick))
        if self._craft is not None and stepped is not None:
            readings = dict(stepped.readings)
            for slot in slots:
                sensor = self._craft.parameters.sensors[slot.source]
                message = to_reading(sensor, readings[slot.source], tick, self._clock)
                yield DueEvent(feed, slot.sequence, message, sensor.sensor_id)
            return
        own_ship = self._world.own_ship_at(tick) if slots else None
        for slot in slots:
            assert own_ship is not None, "taken where a sensor is due"
            reading = self._navigation.read(slot.source, own_ship, tick, self._clock)
            yield DueEvent(feed, slot.sequence, reading, reading.sensor_id.value)

    def _statuses_due(self, craft: CraftRun, tick: int) -> Iterator[DueEvent]:
        parameters, state = craft.parameters, craft.state
        for slot in self._statuses.due(tick):
            if state.power is not None:
                message = craft_wire.to_energy(parameters, state, tick, self._clock)
                yield DueEvent(self.feeds.energy, slot.sequence, message)
            if state.shield is not None:
                yield DueEvent(
                    self.feeds.shield, slot.sequence, craft_wire.to_shield(parameters, state, tick, self._clock)
                )
        for slot in self._snapshots.due(tick):
            yield DueEvent(self.feeds.nav, slot.sequence, craft_wire.to_nav_state(parameters, state, tick, self._clock))
