"""Sections of a BotSpec, grouped by the services that read them; a service's configuration is one of these groups."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from botspec.base import Duration, Label, Seed, Spec, nanoseconds, refuse
from botspec.bus.streams import Durable, Stream
from botspec.channels import Channel
from botspec.components.assembly import MAX_COMPONENTS, AnyComponent
from botspec.components.craft import RigidBody
from botspec.components.radar import Radar
from botspec.components.sensors import GnssSensor, ImuSensor, Sensor
from botspec.policy import MAX_GUARD_RULES, GuardRule, IdentityPolicy
from botspec.tracker import Tracker
from botspec.yaml_core import Loc

MAX_STREAMS = 64
MAX_DURABLES = 256
MAX_CHANNELS = 64
MAX_READERS = 16

ReaderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
_Flux = Annotated[float, Field(ge=-1, le=1)]


class Bot(Spec):
    """The bot's identity; `bot_id` is part of every event's source."""

    bot_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: Label


class Simulation(Spec):
    """Simulation time and randomness: the physics step, the period of world snapshots, and the seed of every draw.

    `magnetic_flux_density_t` is the uniform magnetic field of the world, east, north and up, in tesla.
    """

    tick_s: Annotated[Duration, Field(ge=0.001, le=10)] = 0.05
    world_period_s: Annotated[Duration, Field(le=60)] = 0.1
    seed: Seed = 1
    magnetic_flux_density_t: tuple[_Flux, _Flux, _Flux] = (0.0, 2.0e-5, -4.5e-5)

    @property
    def tick_ns(self) -> int:
        """The tick in nanoseconds."""
        return nanoseconds(self.tick_s)

    @property
    def world_period_ticks(self) -> int:
        """Ticks from one world snapshot to the next."""
        return self.ticks(self.world_period_s)

    def ticks(self, duration_s: float) -> int:
        """Return a duration in ticks; raises ValueError where that is not a whole number."""
        ticks, rest = divmod(nanoseconds(duration_s), self.tick_ns)
        if rest:
            raise ValueError(_no_multiple(duration_s, "tick_s", self.tick_s))
        return ticks

    @model_validator(mode="after")
    def _check_multiple(self) -> Self:
        if nanoseconds(self.world_period_s) % self.tick_ns:
            message = _no_multiple(self.world_period_s, "tick_s", self.tick_s)
            refuse("Simulation", [(("world_period_s",), message)])
        return self


class Core(Spec):
    """Sections that every service reads: identity, time, and the readers that producers wait for."""

    bot: Bot
    simulation: Simulation
    required_readers: dict[str, Annotated[tuple[ReaderName, ...], Field(max_length=MAX_READERS)]] = Field(default={})

    def readers(self, channel: str) -> tuple[str, ...]:
        """Return the readers that the channel's producer waits for under lossless flow control, empty for none."""
        return self.required_readers.get(channel, ())


class Fitted(Core):
    """Sections of the simulator and the radar: the core, and the bot's components."""

    components: Annotated[tuple[AnyComponent, ...], Field(max_length=MAX_COMPONENTS)]

    @property
    def radars(self) -> tuple[Radar, ...]:
        """The radars, in the order of the file."""
        return tuple(component for component in self.components if isinstance(component, Radar))

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        """The sensors other than radars, in the order of the file."""
        return tuple(component for component in self.components if isinstance(component, Sensor))

    @property
    def navigation(self) -> tuple[GnssSensor | ImuSensor, ...]:
        """The sensors of position, velocity, angular rate and acceleration, in the order of the file."""
        return tuple(component for component in self.components if isinstance(component, GnssSensor | ImuSensor))

    @property
    def body(self) -> RigidBody | None:
        """The rigid body; None for a bot that moves on a given path, or not at all."""
        return next((component for component in self.components if isinstance(component, RigidBody)), None)

    @property
    def navigation_period_ticks(self) -> tuple[int, ...]:
        """The period of each navigation sensor in ticks, in the order of the file."""
        return tuple(self.simulation.ticks(sensor.period_s) for sensor in self.navigation)

    @property
    def scan_period_ticks(self) -> tuple[int, ...]:
        """The scan period of each radar in ticks, in the order of the file."""
        return tuple(self.simulation.ticks(radar.scan_period_s) for radar in self.radars)


class Tracking(Fitted):
    """Sections of the tracker: the radars, its settings, identities and guard rules."""

    tracker: Tracker = Tracker()
    identity_policy: IdentityPolicy = IdentityPolicy()
    guard_rules: Annotated[tuple[GuardRule, ...], Field(max_length=MAX_GUARD_RULES)] = ()


class Bus(Core):
    """Sections of the adapters to JetStream: channels, streams and durables."""

    channels: Annotated[tuple[Channel, ...], Field(max_length=MAX_CHANNELS)]
    streams: Annotated[tuple[Stream, ...], Field(max_length=MAX_STREAMS)]
    durables: Annotated[tuple[Durable, ...], Field(max_length=MAX_DURABLES)]

    @property
    def bridged_streams(self) -> frozenset[str]:
        """The names of the streams that store a channel: the bridge alone writes to those subjects."""
        return frozenset(channel.stream for channel in self.channels)

    def durable(self, name: str) -> Durable:
        """Return one of the mesh's own durables by its name, which is required in every BotSpec."""
        return next(durable for durable in self.durables if durable.is_own and durable.name == name)

    def stream_of(self, pattern: str) -> str:
        """Return the name of the stream that stores a required subject pattern."""
        return next(stream.name for stream in self.streams if stream.stores(pattern))


def period_problems(simulation: Simulation, components: Sequence[AnyComponent]) -> Iterator[tuple[Loc, str]]:
    """Yield (loc, message) for every period that is not a whole number of ticks or world snapshots."""
    tick_s, world_s = simulation.tick_s, simulation.world_period_s
    for number, component in enumerate(components):
        if isinstance(component, Sensor) and nanoseconds(component.period_s) % simulation.tick_ns:
            message = _no_multiple(component.period_s, "simulation.tick_s", tick_s)
            yield (number, "period_s"), message
        if isinstance(component, Radar) and nanoseconds(component.scan_period_s) % nanoseconds(world_s):
            message = _no_multiple(component.scan_period_s, "simulation.world_period_s", world_s)
            yield (number, "scan_period_s"), message


def reader_problems(required: Mapping[str, Sequence[str]], channels: Sequence[Channel]) -> Iterator[tuple[Loc, str]]:
    """Yield (loc, message) for every required reader of an undeclared channel, and every repeated one."""
    names = [channel.name for channel in channels]
    for name, readers in required.items():
        if name not in names:
            yield (name,), f"no channel {name!r} is declared (declared: {', '.join(names)})"
        for number, reader in enumerate(readers):
            if reader in readers[:number]:
                yield (name, number), f"reader {reader!r} is given twice"


def _no_multiple(duration_s: float, unit: str, unit_s: float) -> str:
    return f"{duration_s!r} s is not a whole multiple of {unit}, which is {unit_s!r} s"
