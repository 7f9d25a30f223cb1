"""One sensor over time: its reading in each slot of its schedule, and its memory between two readings."""

from collections.abc import Iterable
from dataclasses import dataclass

from mesh.rng import generator
from svc_sim.domain.scenario.sensor_faults import FaultKind, FaultState
from svc_sim.domain.sensors.measurement import measure
from svc_sim.domain.sensors.parameters import SensorParameters
from svc_sim.domain.sensors.readings import Measured, MeasuredReason, Missing, MissingReason, Quantity, Reading
from svc_sim.domain.sensors.truth import Truth


@dataclass(frozen=True, slots=True)
class SensorMemory:
    """State of a sensor between two readings: the last reason, since which tick, and the last measured values."""

    reason: MeasuredReason | MissingReason | None = None
    since_tick: int = 0
    last: tuple[Quantity, ...] = ()


@dataclass(frozen=True, slots=True)
class SensorInputs:
    """Inputs of one reading: why the sensor is off (None: it is on), and the faults active now, of any sensor."""

    off: MissingReason | None = None
    faults: tuple[FaultState, ...] = ()


def read(  # noqa: PLR0917  # the inputs of a fold: parameters, state, surroundings, seed and tick
    sensor: SensorParameters, memory: SensorMemory, truth: Truth, inputs: SensorInputs, seed: int, tick: int
) -> tuple[Reading, SensorMemory]:
    """Return the reading at a tick and the memory after it; equal arguments give equal results.

    A sensor that is off is absent, whatever its faults. Otherwise apply in this order: failure, lost reading, values
    that are stuck, noise. A sensor that is stuck before its first values has failed.
    """
    result = _result(sensor, memory, truth, inputs, seed, tick)
    reason, quantities = (result, memory.last) if isinstance(result, MissingReason) else result
    since_tick = memory.since_tick if reason is memory.reason else tick
    after = SensorMemory(reason, since_tick, quantities)
    if isinstance(reason, MissingReason):
        return Missing(reason, since_tick), after
    return Measured(quantities, reason, since_tick), after


def _result(  # noqa: PLR0917  # as above
    sensor: SensorParameters, memory: SensorMemory, truth: Truth, inputs: SensorInputs, seed: int, tick: int
) -> MissingReason | tuple[MeasuredReason, tuple[Quantity, ...]]:
    if inputs.off is not None:
        return inputs.off
    faults = [fault for fault in inputs.faults if fault.sensor_id == sensor.sensor_id]
    kinds = {fault.kind for fault in faults}
    if FaultKind.FAILURE in kinds or (FaultKind.STUCK in kinds and not memory.last):
        return MissingReason.FAILURE
    if _is_lost(sensor, faults, seed, tick):
        return MissingReason.DROPOUT
    if FaultKind.STUCK in kinds:
        return MeasuredReason.STUCK, memory.last
    factor = _noise_factor(faults)
    measured = measure(sensor, truth, seed, tick, noise_factor=factor)
    if isinstance(measured, MissingReason):
        return measured
    return (MeasuredReason.NOMINAL if factor == 1.0 else MeasuredReason.NOISE), measured


def _is_lost(sensor: SensorParameters, faults: Iterable[FaultState], seed: int, tick: int) -> bool:
    """Draw whether the reading is lost: it is kept with the product of 1 - p, of the sensor and of its faults."""
    kept = 1.0 - sensor.dropout_probability
    for fault in faults:
        if fault.kind is FaultKind.DROPOUT:
            kept *= 1.0 - fault.dropout_probability
    return kept < 1.0 and generator(seed, f"sensors/{sensor.sensor_id}/dropout", tick).random() >= kept


def _noise_factor(faults: Iterable[FaultState]) -> float:
    factor = 1.0
    for fault in faults:
        if fault.kind is FaultKind.NOISE:
            factor *= fault.noise_factor
    return factor
