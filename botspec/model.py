"""The bot's specification as a whole: identity, time, sensors, tracker, policy, guard, channels, required readers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from botspec import yaml_source
from botspec.base import Duration, Label, Seed, Spec, nanoseconds, refuse
from botspec.channels import Channel, duplicates
from botspec.policy import MAX_GUARD_RULES, GuardRule, IdentityPolicy, repeated_rules
from botspec.sensors import NavigationSensor, Radar
from botspec.tracker import Tracker
from botspec.yaml_source import Loc

MAX_SENSORS = 32
MAX_CHANNELS = 64
MAX_READERS = 16

ReaderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class BotSpec(Spec):
    """The complete specification of one bot; every service is configured from it."""

    schema_version: Literal[1]
    bot: "Bot"
    simulation: "Simulation"
    navigation: Annotated[tuple[NavigationSensor, ...], Field(max_length=MAX_SENSORS)] = ()
    radars: Annotated[tuple[Radar, ...], Field(max_length=MAX_SENSORS)] = ()
    tracker: Tracker = Tracker()
    identity_policy: IdentityPolicy = IdentityPolicy()
    guard_rules: Annotated[tuple[GuardRule, ...], Field(max_length=MAX_GUARD_RULES)] = ()
    channels: Annotated[tuple[Channel, ...], Field(max_length=MAX_CHANNELS)]
    required_readers: dict[str, Annotated[tuple[ReaderName, ...], Field(max_length=MAX_READERS)]] = Field(default={})

    @property
    def navigation_period_ticks(self) -> tuple[int, ...]:
        """The period of each navigation sensor in ticks, in the order of the file."""
        return tuple(self.simulation.ticks(sensor.period_s) for sensor in self.navigation)

    @property
    def scan_period_ticks(self) -> tuple[int, ...]:
        """The scan period of each radar in ticks, in the order of the file."""
        return tuple(self.simulation.ticks(radar.scan_period_s) for radar in self.radars)

    def readers(self, channel: str) -> tuple[str, ...]:
        """Return the readers that the channel's producer waits for under lossless flow control, empty for none."""
        return self.required_readers.get(channel, ())

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems = [*self._period_problems(), *self._sensor_id_problems(), *self._reader_problems()]
        problems += [(("channels", *loc), message) for loc, message in duplicates(self.channels)]
        problems += [(("guard_rules", *loc), message) for loc, message in repeated_rules(self.guard_rules)]
        refuse("BotSpec", problems)
        return self

    def _period_problems(self) -> Iterator[tuple[Loc, str]]:
        tick_s, world_s = self.simulation.tick_s, self.simulation.world_period_s
        for number, sensor in enumerate(self.navigation):
            if nanoseconds(sensor.period_s) % self.simulation.tick_ns:
                yield ("navigation", number, "period_s"), _no_multiple(sensor.period_s, "simulation.tick_s", tick_s)
        for number, radar in enumerate(self.radars):
            if nanoseconds(radar.scan_period_s) % nanoseconds(world_s):
                message = _no_multiple(radar.scan_period_s, "simulation.world_period_s", world_s)
                yield ("radars", number, "scan_period_s"), message

    def _sensor_id_problems(self) -> Iterator[tuple[Loc, str]]:
        seen: dict[str, str] = {}
        places = [("navigation", number, sensor.sensor_id) for number, sensor in enumerate(self.navigation)]
        places += [("radars", number, radar.sensor_id) for number, radar in enumerate(self.radars)]
        for group, number, sensor_id in places:
            first = seen.setdefault(str(sensor_id), f"{group}[{number}]")
            if first != f"{group}[{number}]":
                yield (group, number, "sensor_id"), f"{sensor_id} is already that of {first}"

    def _reader_problems(self) -> Iterator[tuple[Loc, str]]:
        names = [channel.name for channel in self.channels]
        for name, readers in self.required_readers.items():
            if name not in names:
                yield ("required_readers", name), f"no channel {name!r} is declared (declared: {', '.join(names)})"
            for number, reader in enumerate(readers):
                if reader in readers[:number]:
                    yield ("required_readers", name, number), f"reader {reader!r} is given twice"


class Bot(Spec):
    """The bot's identity; `bot_id` is part of every event's source."""

    bot_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: Label


class Simulation(Spec):
    """Simulation time and randomness: the physics step, the period of world snapshots, and the seed of every draw."""

    tick_s: Annotated[Duration, Field(ge=0.001, le=10)] = 0.05
    world_period_s: Annotated[Duration, Field(le=60)] = 0.1
    seed: Seed = 1

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


@dataclass(frozen=True, slots=True)
class LoadedBotSpec:
    """A BotSpec with the SHA-256 of its file in hexadecimal and the file's path."""

    spec: BotSpec
    digest: str
    path: Path


def load_bot_spec(path: Path) -> LoadedBotSpec:
    """Read and validate a BotSpec; raises `yaml_source.SpecError` with one line per problem."""
    document = yaml_source.load(path)
    return LoadedBotSpec(yaml_source.validate(BotSpec, document), document.digest, path)


def _no_multiple(duration_s: float, unit: str, unit_s: float) -> str:
    return f"{duration_s!r} s is not a whole multiple of {unit}, which is {unit_s!r} s"
