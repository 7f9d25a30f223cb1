"""Invalid frame values are refused by their wire name, and have no effect."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_tracker.domain import Frame, FrameError, SensorModel, SensorStatus, Tracker, TrackerModel
from svc_tracker.domain.frame import Sector
from svc_tracker.domain.model import DEFAULT_MODES, Mode
from tracker_scenes import LONG, bits, crowd, empty_frame, frame, sensor_model

GOOD = frame(LONG, crowd(12, 40e3, 1), 5.0, 5)
FLOATS = ("range_m", "bearing_deg", "elev_deg", "vr_mps", "snr_db", "rcs_dbsm")


NUMBERS = [
    column.name
    for column in dataclasses.fields(SensorModel)
    if column.name not in ("coverage", "no_elevation", "no_radial_velocity")
]


MODEL_NUMBERS = [
    column.name for column in dataclasses.fields(TrackerModel) if column.name not in ("axes", "modes", "compiled")
]


def with_value(name: str, index: int, value: Any) -> Any:
    column = getattr(GOOD.detections, name)
    if isinstance(column, tuple):
        return {name: (*column[:index], value, *column[index + 1 :])}
    changed = column.copy()
    changed[index] = value
    return {name: changed}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
@pytest.mark.parametrize("name", FLOATS)
def test_a_detection_that_is_not_finite_or_out_of_range_is_refused_by_index_and_field(name: str, value: float) -> None:
    with pytest.raises(FrameError) as refused:
        dataclasses.replace(GOOD.detections, **with_value(name, 3, value))
    assert refused.value.field == f"detections[3].{name}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("range_m", -1.0),
        ("range_m", 0.0),
        ("bearing_deg", -0.1),
        ("bearing_deg", 360.0),
        ("elev_deg", -90.1),
        ("elev_deg", 90.1),
        ("transponder_mode", 4),
        ("transponder_mode", -1),
        ("range_band", 3),
        ("transponder_id", "x" * 65),
    ],
)
def test_a_detection_out_of_the_wires_bounds_is_refused_by_index_and_field(name: str, value: Any) -> None:
    with pytest.raises(FrameError) as refused:
        dataclasses.replace(GOOD.detections, **with_value(name, 3, value))
    assert refused.value.field == f"detections[3].{name}"


def test_of_several_invalid_detections_the_first_is_named() -> None:
    wrong = GOOD.detections.range_m.copy()
    wrong[[2, 5]] = math.nan
    with pytest.raises(FrameError, match=r"^detections\[2\]\.range_m: must be within .* not nan"):
        dataclasses.replace(GOOD.detections, range_m=wrong)


@pytest.mark.parametrize("column", [np.zeros(3), np.zeros(12, dtype=np.int64), np.zeros((12, 1))])
def test_columns_of_another_shape_or_type_are_refused(column: Any) -> None:
    with pytest.raises(FrameError, match=r"^detections: column vr_mps"):
        dataclasses.replace(GOOD.detections, vr_mps=column)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_range_m", -1.0),
        ("max_range_m", 1_000.0),
        ("max_range_m", 2e9),
        ("min_elev_deg", -91.0),
        ("max_elev_deg", -30.0),
        ("max_elev_deg", 91.0),
        ("range_sigma_m", 0.0),
        ("bearing_sigma_deg", 0.0),
        ("bearing_sigma_deg", 10.1),
        ("elev_sigma_deg", -1.0),
        ("vr_sigma_mps", 0.0),
        ("detection_probability", 1.1),
        ("detection_probability", -0.1),
        ("clutter_per_scan", -1.0),
        ("clutter_per_scan", 1e6),
        ("range_resolution_m", -1.0),
        ("bearing_resolution_deg", 361.0),
        ("elev_resolution_deg", 181.0),
        ("vr_resolution_mps", -0.1),
        ("clutter_max_vr_mps", 1e9),
        ("min_radial_speed_mps", -1.0),
        ("false_alarm_probability", 1.1),
        ("swerling", 4),
        ("swerling", -1),
        ("range_ref_m", -1.0),
        ("snr_ref_db", 1e16),
        ("rcs_ref_dbsm", -1e16),
        *((name, value) for name in NUMBERS for value in (math.nan, math.inf)),
    ],
)
def test_an_invalid_sensor_model_is_refused_by_its_field(name: str, value: float) -> None:
    with pytest.raises(FrameError) as refused:
        dataclasses.replace(sensor_model(LONG), **{name: value})
    # If a limit is wrong, the error may name the other one of the pair.
    assert refused.value.field in (f"sensor_model.{name}", f"sensor_model.{name.replace('min_', 'max_')}")


@pytest.mark.parametrize(
    ("start_deg", "width_deg", "field"),
    [
        (-0.1, 10.0, "sector.start_deg"),
        (360.0, 10.0, "sector.start_deg"),
        (math.nan, 10.0, "sector.start_deg"),
        (0.0, 0.0, "sector.width_deg"),
        (0.0, 360.1, "sector.width_deg"),
        (0.0, math.nan, "sector.width_deg"),
    ],
)
def test_an_invalid_sector_is_refused_by_its_field(start_deg: float, width_deg: float, field: str) -> None:
    with pytest.raises(FrameError) as refused:
        Sector(start_deg, width_deg)
    assert refused.value.field == field


def test_a_sector_across_north_contains_its_bearings() -> None:
    contained = Sector(350.0, 20.0).contains(np.array([349.9, 350.0, 359.0, 0.0, 10.0, 10.1, 180.0]))
    assert contained.tolist() == [False, True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("flag", "sigma"), [("no_elevation", "elev_sigma_deg"), ("no_radial_velocity", "vr_sigma_mps")]
)
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_the_sigma_of_a_quantity_that_is_not_measured_is_ignored(flag: str, sigma: str, value: float) -> None:
    model = dataclasses.replace(sensor_model(LONG), **{flag: True, sigma: value})
    assert getattr(model, flag)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_offset_s", 0.1),
        ("time_offset_s", -4_000.0),
        ("range_sigma_m", -1.0),
        ("bearing_sigma_deg", 10.1),
        ("elev_sigma_deg", math.nan),
        ("vr_sigma_mps", math.inf),
    ],
)
def test_an_invalid_time_offset_or_sigma_is_refused_by_index_and_field(name: str, value: float) -> None:
    column = np.zeros(len(GOOD.detections))
    column[3] = value
    with pytest.raises(FrameError) as refused:
        dataclasses.replace(GOOD.detections, **{name: column})
    assert refused.value.field == f"detections[3].{name}"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"time_ns": 2**63}, "timestamp"),
        ({"time_ns": -(2**63)}, "timestamp"),
        ({"sensor_id": ""}, "sensor_id"),
        ({"sensor_id": "x" * 65}, "sensor_id"),
        ({"status": 0}, "status"),
        ({"status": 7}, "status"),
        ({"status": SensorStatus.OFF}, "detections"),
        ({"status": SensorStatus.FAILED}, "detections"),
        ({"sensor_position_m": np.array([0.0, math.nan, 0.0])}, "sensor_pose.position.y"),
        ({"sensor_position_m": np.array([1e13, 0.0, 0.0])}, "sensor_pose.position.x"),
        ({"sensor_position_m": np.zeros(2)}, "sensor_pose.position"),
        ({"sensor_velocity_mps": np.array([0.0, 0.0, math.inf])}, "sensor_pose.velocity.z"),
        ({"sensor_position_covariance": np.diag([1.0, math.nan, 1.0])}, "sensor_position_covariance"),
        ({"sensor_position_covariance": np.diag([1.0, -1.0, 1.0])}, "sensor_position_covariance"),
        ({"sensor_position_covariance": np.triu(np.ones((3, 3)))}, "sensor_position_covariance"),
        ({"sensor_position_covariance": np.eye(2)}, "sensor_position_covariance"),
        ({"sensor_north_sigma_deg": math.nan}, "sensor_north_sigma_deg"),
        ({"sensor_north_sigma_deg": -0.1}, "sensor_north_sigma_deg"),
        ({"blind_sectors": (Sector(0.0, 1.0),) * 65}, "blind_sectors"),
    ],
)
def test_an_invalid_frame_is_refused_by_its_field(changes: Any, field: str) -> None:
    with pytest.raises(FrameError) as refused:
        dataclasses.replace(GOOD, **changes)
    assert refused.value.field == field


def refusals(model: TrackerModel) -> dict[str, Frame]:
    """Return frames that this tracker must refuse, by the field that is wrong, after GOOD."""
    crowded = dataclasses.replace(LONG, clutter_per_scan=float(model.max_detections))
    return {
        "timestamp": empty_frame(4.9),
        "detections": frame(crowded, crowd(12, 40e3, 1), 6.0, 6),
    }


def many_sensors(tracker: Tracker) -> None:
    for index in range(256):
        tracker.step(dataclasses.replace(empty_frame(5.0), sensor_id=f"sensor {index}"))


def test_a_refused_frame_changes_no_bit_of_the_later_tracks() -> None:
    model = TrackerModel(max_detections=len(GOOD.detections) + 20)
    tracker, other = Tracker(model), Tracker(model)
    for each in (tracker, other):
        each.step(GOOD)
    before = tracker.snapshot()
    for field, wrong in refusals(model).items():
        with pytest.raises(FrameError) as error:
            tracker.step(wrong)
        assert error.value.field == field
        assert tracker.snapshot() == before
    later = frame(LONG, crowd(12, 40e3, 1).after(1.0), 6.0, 6)
    assert bits(tracker.step(later)) == bits(other.step(later))


def test_one_sensor_too_many_is_refused_and_the_others_continue() -> None:
    tracker = Tracker(TrackerModel())
    many_sensors(tracker)
    before = tracker.snapshot()
    with pytest.raises(FrameError) as refused:
        tracker.step(dataclasses.replace(empty_frame(6.0), sensor_id="one more"))
    assert refused.value.field == "sensor_id"
    assert tracker.snapshot() == before
    assert len(tracker.step(dataclasses.replace(empty_frame(6.0), sensor_id="sensor 7"))) == 0


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *((name, value) for name in MODEL_NUMBERS for value in (-1, 0, math.nan, math.inf)),
        *((name, 1.0) for name in MODEL_NUMBERS if name.endswith(("_probability", "_kept", "_share"))),
        ("axes", 1),
        ("axes", 4),
        ("modes", ()),
        ("modes", (Mode("twice", 0.0, 1.0, 1.0, 9.0), Mode("twice", 3.0, 1.0, 1.0, 9.0))),
        ("modes", tuple(Mode(f"mode {number}", 0.0, 1.0, 1.0, 9.0) for number in range(9))),
        ("delete_probability", 0.99999),
        ("max_tracks", 1_000_000),
        ("max_detections", 1_000_000),
    ],
)
def test_a_model_out_of_bounds_is_refused_by_its_field(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must "):
        dataclasses.replace(TrackerModel(), **{name: wrong})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("name", ""),
        ("turn_rate_dps", 90.1),
        ("turn_rate_dps", -90.1),
        ("turn_rate_dps", math.nan),
        *(
            (name, value)
            for name in ("horizontal_noise_m2ps3", "vertical_noise_m2ps3", "mean_stay_s")
            for value in (0.0, -1.0, 1e10, math.nan, math.inf)
        ),
    ],
)
def test_an_invalid_mode_is_refused_by_its_field(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must "):
        dataclasses.replace(DEFAULT_MODES[0], **{name: wrong})


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(FLOATS), index=st.integers(0, len(GOOD.detections) - 1), value=st.floats())
def test_a_frame_is_either_refused_or_gives_tracks_that_are_finite(name: str, index: int, value: float) -> None:
    tracker = Tracker(TrackerModel())
    tracker.step(frame(LONG, crowd(12, 40e3, 1).after(-1.0), 4.0, 4))
    try:
        changed = dataclasses.replace(GOOD.detections, **with_value(name, index, value))
    except FrameError:
        return
    tracks = tracker.step(dataclasses.replace(GOOD, detections=changed))
    for column in (
        tracks.position_m,
        tracks.velocity_mps,
        tracks.covariance,
        tracks.existence_probability,
        tracks.records.score,
    ):
        assert np.all(np.isfinite(column))
