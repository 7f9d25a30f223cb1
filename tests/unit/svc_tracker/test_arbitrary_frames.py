"""Any frame is either refused by its field or leaves finite, valid tracks; no other error is raised."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from svc_tracker.domain import Detections, Frame, FrameError, SensorModel, SensorStatus, Tracker, TrackerModel
from svc_tracker.domain.frame import Sector, SwerlingCase
from svc_tracker.domain.table import TrackTable
from tracker_truth import START_NS, STRAIGHT

MODELS = [
    TrackerModel(max_coast_s=1e9),
    TrackerModel(max_coast_s=1e9, modes=STRAIGHT),
    TrackerModel(axes=2, max_coast_s=1e9),
    TrackerModel(axes=2, modes=STRAIGHT, max_coast_s=5.0, max_tracks=4, max_detections=5),
]
SECTOR = st.builds(Sector, st.floats(0.0, 360.0, exclude_max=True), st.floats(1e-9, 360.0))


@dataclasses.dataclass(frozen=True)
class Limits:
    """The bounds of a frame's random numbers."""

    range_m: tuple[float, float]
    range_sigma_m: tuple[float, float]
    angle_sigma_deg: tuple[float, float]
    vr_sigma_mps: tuple[float, float]
    least_reference_m: float


RADARS = Limits((1.0, 1e6), (0.1, 1e4), (1e-3, 10.0), (1e-2, 100.0), 1.0)
WIRES = Limits((1e-300, 1e9), (1e-12, 1e9), (1e-12, 10.0), (1e-12, 1e6), 1e-300)


def sensor_models(limits: Limits) -> st.SearchStrategy[SensorModel]:
    return st.builds(
        SensorModel,
        min_range_m=st.sampled_from([0.0, 100.0]),
        max_range_m=st.sampled_from([1e3, 1e5, 1e9]),
        min_elev_deg=st.sampled_from([-90.0, -10.0]),
        max_elev_deg=st.sampled_from([60.0, 90.0]),
        range_sigma_m=st.floats(*limits.range_sigma_m),
        bearing_sigma_deg=st.floats(*limits.angle_sigma_deg),
        elev_sigma_deg=st.floats(*limits.angle_sigma_deg),
        vr_sigma_mps=st.floats(*limits.vr_sigma_mps),
        detection_probability=st.floats(0.0, 1.0),
        clutter_per_scan=st.floats(0.0, 1e5),
        coverage=SECTOR,
        no_elevation=st.booleans(),
        no_radial_velocity=st.booleans(),
        clutter_max_vr_mps=st.sampled_from([0.0, 1e-9, 300.0, 1e6]),
        min_radial_speed_mps=st.sampled_from([0.0, 5.0, 1e6]),
        false_alarm_probability=st.sampled_from([0.0, 1e-300, 1e-6, 0.5, 1.0]),
        swerling=st.sampled_from(SwerlingCase),
        snr_ref_db=st.sampled_from([-1e15, -20.0, 0.0, 20.0, 1e15]),
        rcs_ref_dbsm=st.sampled_from([-1e15, 0.0, 1e15]),
        range_ref_m=st.sampled_from([0.0, limits.least_reference_m, 1e4, 1e9]),
    )


def rows_of(limits: Limits) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(
        st.floats(*limits.range_m),
        st.floats(0.0, 360.0, exclude_max=True),
        st.floats(-90.0, 90.0),
        st.floats(-1e6, 1e6),
        st.floats(-1e15, 1e15),
        st.floats(-3_600.0, 0.0),
        st.one_of(st.just(0.0), st.floats(*limits.range_sigma_m)),
        st.one_of(st.just(0.0), st.floats(*limits.angle_sigma_deg)),
    )


VECTOR = st.tuples(*[st.floats(-1e12, 1e12)] * 3)
VELOCITY = st.tuples(*[st.floats(-1e6, 1e6)] * 3)


def covariances(root: list[float]) -> Any:
    factor = np.array(root).reshape(3, 3)
    made = factor @ factor.T
    return np.tril(made) + np.tril(made, -1).T


@st.composite
def frames(draw: Callable[..., Any], limits: Limits) -> dict[str, Any]:
    """Return the fields of a frame, which may be invalid, and its time since the one before."""
    status = draw(st.sampled_from([SensorStatus.OK] * 6 + [SensorStatus.OFF, SensorStatus.FAILED]))
    rows = draw(st.lists(rows_of(limits), max_size=4)) if status is SensorStatus.OK else []
    # Every row twice: equal detections are hard to separate.
    table = np.array((rows * 2)[:6], dtype=np.float64).reshape(-1, 8)
    return {
        "later_ns": draw(st.sampled_from([0, 1, 10**6, 10**9, 10**10, 10**15, -1])),
        "sensor_id": draw(st.sampled_from(["one", "two", "three"])),
        "status": status,
        "sensor_position_m": np.array(draw(st.one_of(st.just((0.0, 0.0, 0.0)), VECTOR))),
        "sensor_velocity_mps": np.array(draw(st.one_of(st.just((0.0, 0.0, 0.0)), VELOCITY))),
        "sensor_model": draw(sensor_models(limits)),
        "truncated": draw(st.booleans()),
        "sensor_position_covariance": draw(
            st.one_of(
                st.just(np.zeros((3, 3))), st.lists(st.floats(-1e5, 1e5), min_size=9, max_size=9).map(covariances)
            )
        ),
        "sensor_north_sigma_deg": draw(st.sampled_from([0.0, 1e-9, 10.0])),
        "blind_sectors": tuple(draw(st.lists(SECTOR, max_size=2))),
        "detections": made_of(table, with_times=draw(st.booleans()), with_sigmas=draw(st.booleans())),
    }


def made_of(table: Any, *, with_times: bool, with_sigmas: bool) -> Detections:
    count, none, nothing = len(table), np.empty(0), np.zeros(len(table), dtype=np.int64)
    range_m, bearing_deg, elev_deg, vr_mps, snr_db, offset_s, sigma_m, sigma_deg = table.T
    return Detections(
        range_m=range_m,
        bearing_deg=bearing_deg,
        elev_deg=elev_deg,
        vr_mps=vr_mps,
        snr_db=snr_db,
        rcs_dbsm=snr_db,
        transponder_on=nothing.astype(np.bool_),
        transponder_mode=nothing,
        transponder_id=("",) * count,
        id_present=nothing.astype(np.bool_),
        range_band=nothing,
        time_offset_s=offset_s if with_times else none,
        range_sigma_m=sigma_m if with_sigmas else none,
        bearing_sigma_deg=sigma_deg if with_sigmas else none,
        elev_sigma_deg=sigma_deg if with_sigmas else none,
        vr_sigma_mps=np.minimum(sigma_m, 1e6) if with_sigmas else none,
    )


def check(tracks: TrackTable, model: TrackerModel) -> None:
    for name in ("score", "initial_score", "nis", "snr_db", "rcs_dbsm", "mean_rcs_dbsm"):
        assert np.all(np.isfinite(getattr(tracks.records, name))), name
    assert np.all(np.isfinite(tracks.mode_probability))
    for part in (tracks.kinematics, tracks.identities, tracks.identification):
        for column in dataclasses.fields(part):
            values = getattr(part, column.name)
            if isinstance(values, np.ndarray) and values.dtype.kind == "f":
                assert np.all(np.isfinite(values)), column.name
    assert np.all((tracks.existence_probability >= 0.0) & (tracks.existence_probability <= 1.0))
    assert np.all(tracks.records.nis >= 0.0)
    assert np.all(np.abs(tracks.mode_probability.sum(axis=1) - 1.0) < 1e-9)
    assert np.all(np.diff(tracks.records.number) > 0)
    which = np.r_[: model.axes, 3 : 3 + model.axes]
    covariance = tracks.covariance[:, which[:, None], which]
    assert np.array_equal(covariance, covariance.transpose(0, 2, 1))
    variance = np.einsum("nii->ni", covariance)
    assert np.all(variance > 0.0)
    scale = np.sqrt(variance)
    correlation = covariance / (scale[:, :, None] * scale[:, None, :])
    assert np.all(np.linalg.eigvalsh(correlation) > -1e-6)


def step_all(model: TrackerModel, reported: list[dict[str, Any]]) -> None:
    tracker, time_ns = Tracker(model), START_NS
    for parts in reported:
        later_ns = parts.pop("later_ns")
        before = tracker.snapshot()
        try:
            tracks = tracker.step(Frame(time_ns=time_ns + later_ns, **parts))
        except FrameError:
            assert tracker.snapshot() == before
            continue
        time_ns += later_ns
        check(tracks, model)


EACH_MODEL = pytest.mark.parametrize("model", MODELS, ids=["3D", "3D, one mode", "2D", "2D, small"])
# Failing frames are reported as found: shrinking them takes longer than all other tests.
AS_FOUND = settings(max_examples=80, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])


@EACH_MODEL
@AS_FOUND
@given(reported=st.lists(frames(RADARS), min_size=1, max_size=7))
def test_a_radar_frame_is_refused_without_effect_or_gives_valid_tracks(
    model: TrackerModel, reported: list[dict[str, Any]]
) -> None:
    step_all(model, reported)


@EACH_MODEL
@AS_FOUND
@given(reported=st.lists(frames(WIRES), min_size=1, max_size=7))
def test_any_frame_of_the_wire_is_refused_without_effect_or_gives_valid_tracks(
    model: TrackerModel, reported: list[dict[str, Any]]
) -> None:
    step_all(model, reported)
