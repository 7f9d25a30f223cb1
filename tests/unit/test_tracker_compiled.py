"""Compiled or not, the tracker's arithmetic is the same: within 1e-9 of every value's size, the same tracks."""

import dataclasses

import numpy as np
import pytest

from svc_tracker.domain import SnapshotError, Tracker, TrackerModel, TrackTable
from svc_tracker.domain.kernels import Kernels, compiled
from svc_tracker.domain.warm_up import warm_up
from tracker_scenes import LONG, crowd, frame

pytest.importorskip("numba")

TOLERANCE = 1e-9
PLAIN = TrackerModel()
COMPILED = dataclasses.replace(PLAIN, compiled=True)


def tables(model: TrackerModel, scans: int = 25) -> list[TrackTable]:
    """Return the tracks of things in clutter, some of which are missed, begun falsely and given up."""
    tracker, start = Tracker(model), crowd(30, 40e3, 2)
    radar = dataclasses.replace(LONG, clutter_per_scan=40.0, detection_probability=0.8)
    return [tracker.step(frame(radar, start.after(step), float(step), step)) for step in range(1, scans + 1)]


def test_compiled_kernels_give_the_same_tracks_within_the_stated_tolerance() -> None:
    for one, other in zip(tables(PLAIN), tables(COMPILED), strict=True):
        for name in ("number", "status", "lost_reason", "detection", "hits", "misses"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
        sigma = np.sqrt(np.einsum("nii->ni", one.covariance))
        unit = sigma[:, :, None] * sigma[:, None, :]
        np.testing.assert_allclose(other.covariance / unit, one.covariance / unit, rtol=TOLERANCE, atol=TOLERANCE)
        for name in ("position_m", "velocity_mps", "score", "nis", "mode_probability"):
            expected = getattr(one, name)
            np.testing.assert_allclose(getattr(other, name), expected, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


def test_every_kernel_is_compiled() -> None:
    kernels = Kernels.compiled()
    for field in dataclasses.fields(Kernels):
        assert getattr(kernels, field.name).py_func.__code__ is field.default.__code__


@pytest.mark.parametrize("axes", [2, 3])
def test_after_warming_up_no_frame_waits_for_the_compiler(axes: int) -> None:
    model = dataclasses.replace(COMPILED, axes=axes)
    warm_up(model)
    kernels = [getattr(compiled(), field.name) for field in dataclasses.fields(Kernels)]
    before = [len(kernel.signatures) for kernel in kernels]
    flat = dataclasses.replace(LONG, no_elevation=axes == 2, clutter_per_scan=40.0)
    tracker, start = Tracker(model), crowd(30, 40e3, 2)
    for step in range(1, 6):
        tracker.step(frame(flat, start.after(step), float(step), step))
    assert all(before)
    assert [len(kernel.signatures) for kernel in kernels] == before


def test_compiled_or_not_belongs_to_a_snapshot() -> None:
    with pytest.raises(SnapshotError, match="another model"):
        Tracker.restore(COMPILED, Tracker(PLAIN).snapshot())
