"""The compiled and the NumPy kernels give the same tracks, and values within 1e-9 of each other."""

import dataclasses
from operator import attrgetter
from typing import Any

import numpy as np
import pytest

from svc_radar.domain import RadarModel
from svc_radar.domain.model import ScanKind
from svc_tracker.domain import SnapshotError, Tracker, TrackerModel, TrackTable
from svc_tracker.domain.filter import imm
from svc_tracker.domain.kernels import Kernels, compiled_kernels
from svc_tracker.domain.model import Mode
from svc_tracker.domain.state import linear_algebra
from svc_tracker.warm_up import warm_up
from tracker_scenes import LONG, crowd, frame, platform

pytest.importorskip("numba")

TOLERANCE = 1e-9
NUMPY = TrackerModel()
COMPILED = dataclasses.replace(NUMPY, compiled=True)


ROTATING = dataclasses.replace(LONG, scan_kind=ScanKind.ROTATING, scan_period_s=1.0)
FLAT = dataclasses.replace(LONG, no_elevation=True, no_radial_velocity=True)
MANY_MODES = tuple(Mode(f"m{rate}", float(rate), 1.0 + abs(rate), 0.5, 30.0) for rate in range(-3, 5))


def tables(model: TrackerModel, radar: RadarModel, scans: int = 25) -> list[TrackTable]:
    """Return the tracks of a scene in clutter with misses, false tracks and deletions."""
    tracker, start = Tracker(model), crowd(30, 40e3, 2)
    radar = dataclasses.replace(radar, clutter_per_scan=40.0, detection_probability=0.8)
    own = platform((100.0, -50.0, 20.0), (30.0, 10.0, 0.0))
    found = []
    for step in range(1, scans + 1):
        moved = dataclasses.replace(own, position_m=own.position_m + step * own.velocity_mps)
        seen = frame(radar, dataclasses.replace(start.after(step), own=moved), float(step), step)
        found.append(tracker.step(dataclasses.replace(seen, sensor_position_covariance=9.0 * np.eye(3))))
    return found


@pytest.mark.parametrize(
    ("radar", "changes"),
    [
        pytest.param(LONG, {}, id="3D with Doppler"),
        pytest.param(FLAT, {"axes": 2}, id="2D in the plane"),
        pytest.param(FLAT, {}, id="2D in space"),
        pytest.param(ROTATING, {}, id="rotating, 3D with Doppler"),
        pytest.param(dataclasses.replace(FLAT, scan_kind=ScanKind.ROTATING), {"axes": 2}, id="rotating, 2D"),
        pytest.param(LONG, {"modes": MANY_MODES[:1]}, id="one mode"),
        pytest.param(LONG, {"modes": MANY_MODES}, id="eight modes"),
    ],
)
def test_compiled_kernels_give_the_same_tracks_within_the_documented_tolerance(
    radar: RadarModel, changes: dict[str, Any]
) -> None:
    numpy, compiled = (dataclasses.replace(model, **changes) for model in (NUMPY, COMPILED))
    for one, other in zip(tables(numpy, radar), tables(compiled, radar), strict=True):
        for name in ("number", "status", "lost_reason", "detection", "hits", "consecutive_misses"):
            assert getattr(one.records, name).tolist() == getattr(other.records, name).tolist(), name
        sigma = np.sqrt(np.einsum("nii->ni", one.covariance))
        unit = np.maximum(sigma[:, :, None] * sigma[:, None, :], np.finfo(float).tiny)
        np.testing.assert_allclose(other.covariance / unit, one.covariance / unit, rtol=TOLERANCE, atol=TOLERANCE)
        for name in ("position_m", "velocity_mps", "records.score", "records.nis", "mode_probability"):
            value, expected = attrgetter(name)(other), attrgetter(name)(one)
            np.testing.assert_allclose(value, expected, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


def test_every_kernel_is_compiled() -> None:
    kernels = Kernels.compiled()
    for field in dataclasses.fields(Kernels):
        assert getattr(kernels, field.name).py_func.__code__ is field.default.__code__


@pytest.mark.parametrize("axes", [2, 3])
def test_no_kernel_is_compiled_after_the_warm_up(axes: int) -> None:
    model = dataclasses.replace(COMPILED, axes=axes)
    warm_up(model)
    kernels = [getattr(compiled_kernels(), field.name) for field in dataclasses.fields(Kernels)]
    before = [len(kernel.signatures) for kernel in kernels]
    flat = dataclasses.replace(LONG, no_elevation=axes == 2, clutter_per_scan=40.0)
    tracker, start = Tracker(model), crowd(30, 40e3, 2)
    for step in range(1, 6):
        tracker.step(frame(flat, start.after(step), float(step), step))
    assert all(before)
    assert [len(kernel.signatures) for kernel in kernels] == before


def test_the_cache_key_changes_with_the_code_and_constants_of_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> dict[str, str]:
        kernels = Kernels.compiled()
        return {field.name: getattr(kernels, field.name).py_func.__qualname__ for field in dataclasses.fields(Kernels)}

    before = names()
    monkeypatch.setattr(linear_algebra, "MIN_PIVOT", 1e-9)
    monkeypatch.setattr(imm, "weighted_sum", lambda mixed, component, mixing, values: None)
    monkeypatch.setattr(imm.weighted_sum, "__module__", imm.__name__)
    changed = {name for name, value in names().items() if value != before[name]}
    assert changed == {"predict", "update", "gate_pairs"}


def test_a_snapshot_of_the_numpy_kernels_is_refused_by_the_compiled_ones() -> None:
    with pytest.raises(SnapshotError, match="another model"):
        Tracker.restore(COMPILED, Tracker(NUMPY).snapshot())
