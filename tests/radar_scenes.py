"""Radars and targets for the radar's tests."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from mesh.rng import generator
from svc_radar.domain import NO_FAULTS, Faults, Platform, RadarModel, RangeBand, Scan, SwerlingCase, Targets, observe

PHYSICAL = RadarModel(
    sensor_id="5f3c2f0e-5d1c-4f3f-8a53-0d8d5a1f2b11",
    range_band=RangeBand.LR,
    min_range_m=100.0,
    max_range_m=50_000.0,
    min_elev_deg=-30.0,
    max_elev_deg=60.0,
    range_sigma_m=1.0,
    bearing_sigma_deg=0.01,
    elev_sigma_deg=0.01,
    vr_sigma_mps=0.1,
    snr_ref_db=13.0,
    rcs_ref_dbsm=10.0,
    range_ref_m=10_000.0,
    transponder_range_m=50_000.0,
    transponder_reply_probability=1.0,
    max_detections=100_000,
    false_alarm_probability=1e-10,
    swerling=SwerlingCase.CASE_1,
    range_resolution_m=100.0,
    bearing_resolution_deg=2.0,
    elev_resolution_deg=3.0,
    vr_resolution_mps=10.0,
)
# Detects every target in range exactly, without false detections.
PERFECT = RadarModel(
    sensor_id="5f3c2f0e-5d1c-4f3f-8a53-0d8d5a1f2b11",
    range_band=RangeBand.LR,
    min_range_m=100.0,
    max_range_m=50_000.0,
    min_elev_deg=-90.0,
    max_elev_deg=90.0,
    range_sigma_m=0.0,
    bearing_sigma_deg=0.0,
    elev_sigma_deg=0.0,
    vr_sigma_mps=0.0,
    detection_probability=1.0,
    clutter_per_scan=0.0,
    snr_ref_db=20.0,
    rcs_ref_dbsm=10.0,
    range_ref_m=10_000.0,
    transponder_range_m=50_000.0,
    transponder_reply_probability=1.0,
    max_detections=1_000,
)


def platform(position_m: Any = (0, 0, 0), velocity_mps: Any = (0, 0, 0), attitude: Any = (1, 0, 0, 0)) -> Platform:
    return Platform(
        np.array(position_m, dtype=np.float64),
        np.array(velocity_mps, dtype=np.float64),
        np.array(attitude, dtype=np.float64),
    )


ORIGIN = platform()


def moving(velocity_mps: Any, position_m: Any = (0.0, 0.0, 0.0)) -> Platform:
    return platform(position_m, velocity_mps)


def at(range_m: float, bearing_deg: float = 0.0, elev_deg: float = 0.0) -> tuple[float, float, float]:
    """Return the position in ENU about the origin, in m."""
    bearing, elev = math.radians(bearing_deg), math.radians(elev_deg)
    level = range_m * math.cos(elev)
    return level * math.sin(bearing), level * math.cos(bearing), range_m * math.sin(elev)


def targets(
    *positions_m: Any, velocity_mps: Any = (0.0, 0.0, 0.0), rcs_dbsm: Any = 10.0, mode: int = 0, identity: str = "ID"
) -> Targets:
    """Return targets; a velocity and a cross section may be one for all, or one each."""
    count = len(positions_m)
    return Targets(
        position_m=np.array(positions_m, dtype=np.float64).reshape(count, 3),
        velocity_mps=np.broadcast_to(np.array(velocity_mps, dtype=np.float64), (count, 3)).copy(),
        rcs_dbsm=np.broadcast_to(np.array(rcs_dbsm, dtype=np.float64), (count,)).copy(),
        transponder_mode=np.full(count, mode, dtype=np.int64),
        transponder_id=tuple(f"{identity}-{number}" for number in range(count)),
    )


def copies(count: int, range_m: float, bearing_deg: float = 0.0, elev_deg: float = 0.0, **values: Any) -> Targets:
    return targets(*[at(range_m, bearing_deg, elev_deg)] * count, **values)


def scan(model: RadarModel, seen: Targets, step: int = 1, own: Platform = ORIGIN, wrong: Faults = NO_FAULTS) -> Scan:
    return observe(model, own, seen, generator(42, "radar", step), wrong)


def assert_distributed(uniform: npt.NDArray[np.float64], bins: int = 20) -> None:
    """Pearson's chi-square of what should be uniform in [0, 1]: mean bins - 1, deviation sqrt(2 (bins - 1)).

    Its skew asks for seven deviations where a Gaussian statistic would take five.
    """
    counts, _ = np.histogram(uniform, bins=bins, range=(0.0, 1.0))
    assert counts.sum() == len(uniform)
    expected = len(uniform) / bins
    statistic = np.sum((counts - expected) ** 2 / expected)
    assert statistic < bins - 1 + 7.0 * math.sqrt(2.0 * (bins - 1)), statistic
