"""Four targets that approach within a metre of each other and part again; one of them ends meanwhile.

The scene is that of Williams, "Marginal multi-Bernoulli filters: RFS derivation of MHT, JIPDA, and association-based
MeMBer" (IEEE Trans. AES 51(3), 2015), detected by a distant radar with errors of a metre each across and along.
"""

from typing import Final

import numpy as np

from bench.tracker.scenes.scan import SceneScan, wrap_bearing
from mesh.rng import generator
from svc_tracker.domain import SensorModel
from svc_tracker.domain.frame import Sector
from svc_tracker.domain.state.types import Floats, Integers

SCANS: Final = 81
_TARGETS: Final = 4
_MEETING: Final = 40
_ENDS_AFTER: Final = 40
SIGMA_M: Final = 1.0
_NOISE_M2PS3: Final = 0.01
_MEETING_SIGMA_M: Final = 0.1
SPEED_SIGMA_MPS: Final = 1.0
DETECTION_PROBABILITY: Final = 0.9
CLUTTER_PER_SCAN: Final = 10.0
HALF_SIDE_M: Final = 150.0
DISTANCE_M: Final = 10_000.0
_BEARING_SIGMA_DEG: Final = float(np.degrees(SIGMA_M / DISTANCE_M))
_HALF_WIDTH_DEG: Final = float(np.degrees(HALF_SIDE_M / DISTANCE_M))


def scans(seed: int) -> list[SceneScan]:
    """Return a meeting's scans, a second apart; the radar is at the origin, the meeting north of it."""
    states = _states(generator(seed, "bench/coalescing/motion", 0))
    result = []
    for step in range(SCANS):
        alive = np.arange(_TARGETS if step < _ENDS_AFTER else _TARGETS - 1)
        result.append(_scan(step, alive, states[step, alive], generator(seed, "bench/coalescing/radar", step)))
    return result


def sensor_model() -> SensorModel:
    """Return the sensor model configured in the tracker."""
    return SensorModel(
        min_range_m=DISTANCE_M - HALF_SIDE_M,
        max_range_m=DISTANCE_M + HALF_SIDE_M,
        min_elev_deg=-90.0,
        max_elev_deg=90.0,
        range_sigma_m=SIGMA_M,
        bearing_sigma_deg=_BEARING_SIGMA_DEG,
        elev_sigma_deg=0.0,
        vr_sigma_mps=0.0,
        detection_probability=DETECTION_PROBABILITY,
        clutter_per_scan=CLUTTER_PER_SCAN,
        coverage=Sector(360.0 - _HALF_WIDTH_DEG, 2.0 * _HALF_WIDTH_DEG),
        no_elevation=True,
        no_radial_velocity=True,
    )


def _states(random: np.random.Generator) -> Floats:
    """Return positions and velocities (scans, targets, 4), propagated both ways in time from the random meeting.

    Backwards in time the same motion has the reversed velocity.
    """
    states = np.zeros((SCANS, _TARGETS, 4))
    states[_MEETING, :, :2] = [0.0, DISTANCE_M]
    states[_MEETING, :, :2] += _MEETING_SIGMA_M * random.standard_normal((_TARGETS, 2))
    states[_MEETING, :, 2:] = SPEED_SIGMA_MPS * random.standard_normal((_TARGETS, 2))
    for steps, sign in ((range(_MEETING + 1, SCANS), 1), (range(_MEETING - 1, -1, -1), -1)):
        for step in steps:
            states[step] = _propagate(states[step - sign], sign, random)
    return states


def _propagate(states: Floats, sign: int, random: np.random.Generator) -> Floats:
    kick = np.sqrt(_NOISE_M2PS3) * random.standard_normal((_TARGETS, 2))
    shift = np.sqrt(_NOISE_M2PS3 / 12.0) * random.standard_normal((_TARGETS, 2))
    position, velocity = states[:, :2], states[:, 2:]
    return np.hstack([position + sign * (velocity + kick / 2.0) + shift, velocity + kick])


def _scan(step: int, ids: Integers, states: Floats, random: np.random.Generator) -> SceneScan:
    detected = np.flatnonzero(random.random(len(ids)) < DETECTION_PROBABILITY)
    east, north = states[detected, 0], states[detected, 1]
    range_m = np.hypot(east, north) + SIGMA_M * random.standard_normal(len(detected))
    bearing = np.degrees(np.arctan2(east, north)) + _BEARING_SIGMA_DEG * random.standard_normal(len(detected))
    false = int(random.poisson(CLUTTER_PER_SCAN))
    order = random.permutation(len(detected) + false)
    false_range_m = DISTANCE_M + random.uniform(-HALF_SIDE_M, HALF_SIDE_M, false)
    false_bearing_deg = random.uniform(-_HALF_WIDTH_DEG, _HALF_WIDTH_DEG, false)
    return SceneScan(
        time_s=float(step + 1),
        ids=ids,
        position_m=states[:, :2],
        velocity_mps=states[:, 2:],
        turning=np.zeros(len(ids), dtype=np.bool_),
        range_m=np.concatenate([range_m, false_range_m])[order],
        bearing_deg=wrap_bearing(np.concatenate([bearing, false_bearing_deg])[order]),
        source=np.concatenate([detected, np.full(false, -1)])[order],
    )
