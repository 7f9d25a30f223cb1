"""Measurement: the truth in a sensor's own frame, with the run's bias and white Gaussian noise."""

from collections.abc import Sequence

from mesh.rng import generator
from svc_sim.domain.body.algebra import canonical, multiply, normalize
from svc_sim.domain.kinematics import Quaternion, Vector
from svc_sim.domain.sensors.observation import observe
from svc_sim.domain.sensors.parameters import QUANTITIES, QuantityKind, SensorKind, SensorParameters
from svc_sim.domain.sensors.readings import MissingReason, Quantity
from svc_sim.domain.sensors.truth import Truth


def measure(
    sensor: SensorParameters, truth: Truth, seed: int, tick: int, *, noise_factor: float = 1.0
) -> tuple[Quantity, ...] | MissingReason:
    """Return the measured quantities at a tick, or why there are none; equal arguments give equal values.

    The noise is drawn from the stream `sensors/<sensor_id>` at the tick, the bias from `sensors/<sensor_id>/bias` at
    step 0: so it is constant over the run. `noise_factor` multiplies the sigma of the noise.
    """
    observed = observe(sensor, truth)
    if isinstance(observed, MissingReason):
        return observed
    kinds = QUANTITIES[sensor.kind]
    noise = _draws(kinds, seed, f"sensors/{sensor.sensor_id}", tick)
    biased = any(errors.bias_sigma for errors in sensor.errors)
    bias = _draws(kinds, seed, f"sensors/{sensor.sensor_id}/bias", 0) if biased else noise
    quantities, first = [], 0
    for kind, errors, true in zip(kinds, sensor.errors, observed, strict=True):
        part = slice(first, first + kind.size)
        sigma = errors.sigma * noise_factor
        error = [sigma * draw for draw in noise[part]]
        if errors.bias_sigma:
            error = [e + errors.bias_sigma * draw for e, draw in zip(error, bias[part], strict=True)]
        quantities.append(Quantity(kind.name, kind.unit, _add(sensor.kind, true, error), sigma))
        first += kind.size
    return tuple(quantities)


def _draws(kinds: Sequence[QuantityKind], seed: int, stream: str, step: int) -> list[float]:
    """Draw one standard normal value for each component of each quantity."""
    draws: list[float] = generator(seed, stream, step).standard_normal(sum(kind.size for kind in kinds)).tolist()
    return draws


def _add(kind: SensorKind, true: tuple[float, ...], error: Sequence[float]) -> tuple[float, ...]:
    match kind:
        case SensorKind.STAR_TRACKER:
            return _turned((true[0], true[1], true[2], true[3]), (error[0], error[1], error[2]))
        case SensorKind.PROXIMITY:
            return (max(true[0] + error[0], 0.0),)
        case _:
            return tuple([t + e for t, e in zip(true, error, strict=True)])


def _turned(true: Quaternion, error: Vector) -> Quaternion:
    """Return the attitude turned by a small rotation vector in the body frame; w >= 0.

    The turn is (1, e / 2) to unit length: an angle of 2 atan(|e| / 2), which is |e| for the small errors of a star
    tracker, and free of functions whose last bits belong to the platform.
    """
    return canonical(normalize(multiply(true, (1.0, 0.5 * error[0], 0.5 * error[1], 0.5 * error[2]))))
