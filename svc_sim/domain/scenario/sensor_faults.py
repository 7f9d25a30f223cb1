"""Sensor faults of a scenario: their kinds, times, and sensors in the BotSpec."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from botspec.base import Label, Spec, refuse
from botspec.components.base import Probability
from botspec.components.radar import Radar, Sector
from svc_sim.domain.scenario.faults import RADAR, BotPart, Fault, SensorAbsent, SensorDegraded, SensorFailed
from svc_sim.domain.scenario.types import Instant

MAX_SENSOR_FAULTS = 64


class FaultKind(StrEnum):
    """The kind of a sensor fault: the first three of radars, the last three of sensors that measure the bot itself."""

    JAMMING = "jamming"
    DEAD_SECTOR = "dead_sector"
    BIAS_STEP = "bias_step"
    DROPOUT = "dropout"
    FAILURE = "failure"
    STUCK = "stuck"
    NOISE = "noise"


class _Fault(Spec):
    """A fault of one sensor, given by name or id, active from `from_s` until just before `until_s`."""

    sensor: Label
    from_s: Instant = 0.0
    until_s: Instant | None = None

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.until_s is not None and self.until_s <= self.from_s:
            refuse("SensorFault", [(("until_s",), f"should come after from_s, which is {self.from_s!r}")])
        return self


class Jamming(_Fault):
    """A jammer raises the noise in a sector."""

    kind: Literal["jamming"]
    sector: Sector
    jamming_db: Annotated[float, Field(gt=0, le=200)]


class DeadSector(_Fault):
    """A sector in which the sensor detects nothing."""

    kind: Literal["dead_sector"]
    sector: Sector


class BiasStep(_Fault):
    """A constant bias in range or bearing."""

    kind: Literal["bias_step"]
    range_bias_m: Annotated[float, Field(ge=-1e6, le=1e6)] = 0.0
    bearing_bias_deg: Annotated[float, Field(ge=-180, le=180)] = 0.0


class Dropout(_Fault):
    """Loss of whole scans."""

    kind: Literal["dropout"]
    probability: Probability = 1.0


SensorFault = Annotated[Jamming | DeadSector | BiasStep | Dropout, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class FaultState:
    """An active fault of one sensor; fields that its kind does not use are 0."""

    sensor_id: str
    kind: FaultKind
    sector_start_deg: float = 0.0
    sector_width_deg: float = 0.0
    jamming_db: float = 0.0
    range_bias_m: float = 0.0
    bearing_bias_deg: float = 0.0
    dropout_probability: float = 0.0
    noise_factor: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A fault with its active interval, in seconds from tick 0."""

    state: FaultState
    from_s: float
    until_s: float

    def holds_at(self, t_s: float) -> bool:
        """Return whether the fault is active at this time."""
        return self.from_s <= t_s < self.until_s


class UnknownSensorsError(ValueError):
    """Faults of sensors that the bot does not have: their indices in `sensor_faults`, and the problem of each."""

    def __init__(self, problems: Iterable[tuple[int, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"sensor_faults[{number}].sensor: {message}" for number, message in self.problems))


def plan_faults(faults: Iterable[SensorFault], radars: Iterable[Radar]) -> tuple[FaultPlan, ...]:
    """Return the faults with the ids of their radars, which a scenario gives by name or by id.

    Raises UnknownSensorsError for a name that matches no radar or several.
    """
    by_name = _ids_by_name(radars)
    problems, plans = [], []
    for number, fault in enumerate(faults):
        ids = by_name.get(fault.sensor, ())
        if len(ids) == 1:
            plans.append(_plan(fault, ids[0]))
        else:
            problems.append((number, _refusal(fault.sensor, ids, by_name)))
    if problems:
        raise UnknownSensorsError(problems)
    return tuple(plans)


def plan_component_faults(faults: Iterable[Fault], parts: Mapping[str, BotPart]) -> tuple[FaultPlan, ...]:
    """Return the faults of sensors among those of components, by the sensors' ids.

    A radar that has failed loses every scan, and so does a sensor that is absent with its readings.
    """
    plans = []
    for fault in faults:
        if not isinstance(fault, SensorFailed | SensorAbsent | SensorDegraded):
            continue
        part = parts.get(fault.component)
        if part is not None:
            until_s = float("inf") if fault.until_s is None else fault.until_s
            plans.append(FaultPlan(_state_of(fault, part), fault.from_s, until_s))
    return tuple(plans)


def _state_of(fault: SensorFailed | SensorAbsent | SensorDegraded, part: BotPart) -> FaultState:
    match fault:
        case SensorDegraded():
            return FaultState(part.sensor_id, FaultKind.NOISE, noise_factor=fault.noise_factor)
        case SensorFailed() if part.type != RADAR:
            return FaultState(part.sensor_id, FaultKind.FAILURE)
        case _:
            return FaultState(part.sensor_id, FaultKind.DROPOUT, dropout_probability=1.0)


def _ids_by_name(radars: Iterable[Radar]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for radar in radars:
        for name in (radar.name, str(radar.sensor_id)):
            found[name] = (*found.get(name, ()), str(radar.sensor_id))
    return found


def _refusal(sensor: str, ids: tuple[str, ...], known: Iterable[str]) -> str:
    if ids:
        return f"{sensor!r} is the name of {len(ids)} radars of the BotSpec: give its sensor_id"
    return f"the BotSpec has no radar {sensor!r} (it has: {', '.join(known) or 'none'})"


def _plan(fault: SensorFault, sensor_id: str) -> FaultPlan:
    until_s = float("inf") if fault.until_s is None else fault.until_s
    return FaultPlan(FaultState(sensor_id, FaultKind(fault.kind), **dict(_parameters(fault))), fault.from_s, until_s)


def _parameters(fault: SensorFault) -> Iterator[tuple[str, float]]:
    match fault:
        case Jamming() | DeadSector():
            yield "sector_start_deg", fault.sector.start_deg
            yield "sector_width_deg", fault.sector.width_deg
            if isinstance(fault, Jamming):
                yield "jamming_db", fault.jamming_db
        case BiasStep():
            yield "range_bias_m", fault.range_bias_m
            yield "bearing_bias_deg", fault.bearing_bias_deg
        case Dropout():
            yield "dropout_probability", fault.probability
