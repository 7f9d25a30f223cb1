"""What a tracker cannot believe is refused by the name it has on the wire, and leaves no trace."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_tracker.domain import FrameError, SensorModel, SensorStatus, Tracker, TrackerModel
from tracker_scenes import LONG, bits, crowd, empty_frame, frame, sensor_model

GOOD = frame(LONG, crowd(12, 40e3, 1), 5.0, 5)
FLOATS = ("range_m", "bearing_deg", "elev_deg", "vr_mps", "snr_db", "rcs_dbsm")


def with_value(name: str, index: int, value: Any) -> Any:
    column = getattr(GOOD.detections, name)
    if isinstance(column, tuple):
        return {name: (*column[:index], value, *column[index + 1 :])}
    changed = column.copy()
    changed[index] = value
    return {name: changed}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
@pytest.mark.parametrize("name", FLOATS)
def test_a_detection_that_is_not_finite_or_absurd_is_refused_by_index_and_field(name: str, value: float) -> None:
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


def test_of_several_wrong_detections_the_first_is_named() -> None:
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
        *((column.name, value) for column in dataclasses.fields(SensorModel) for value in (math.nan, math.inf)),
    ],
)
def test_a_sensor_model_that_cannot_be_is_refused_by_its_field(name: str, value: float) -> None:
    with pytest.raises(FrameError) as refused:
        dataclasses.replace(sensor_model(LONG), **{name: value})
    # Where a limit is wrong, the other one of the pair may be what is named.
    assert refused.value.field in (f"sensor_model.{name}", f"sensor_model.{name.replace('min_', 'max_')}")


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
    ],
)
def test_a_frame_that_cannot_be_is_refused_by_its_field(changes: Any, field: str) -> None:
    with pytest.raises(FrameError) as refused:
        dataclasses.replace(GOOD, **changes)
    assert refused.value.field == field


def many_sensors(tracker: Tracker) -> None:
    for index in range(256):
        tracker.step(dataclasses.replace(empty_frame(5.0), sensor_id=f"sensor {index}"))


def test_a_refused_frame_changes_no_bit_of_what_comes_after() -> None:
    model = TrackerModel(max_detections=len(GOOD.detections) + 20)
    tracker, other = Tracker(model), Tracker(model)
    for each in (tracker, other):
        each.step(GOOD)
    refused = {
        "timestamp": empty_frame(4.9),
        "detections": frame(dataclasses.replace(LONG, clutter_per_scan=100.0), crowd(12, 40e3, 1), 6.0, 6),
    }
    before = tracker.snapshot()
    for field, wrong in refused.items():
        with pytest.raises(FrameError) as error:
            tracker.step(wrong)
        assert error.value.field == field
        assert tracker.snapshot() == before
    following = frame(LONG, crowd(12, 40e3, 1).after(1.0), 6.0, 6)
    assert bits(tracker.step(following)) == bits(other.step(following))


def test_one_sensor_too_many_is_refused_and_the_known_ones_go_on() -> None:
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
        *((column.name, -1) for column in dataclasses.fields(TrackerModel)),
        *((column.name, 0) for column in dataclasses.fields(TrackerModel)),
        *((column.name, value) for column in dataclasses.fields(TrackerModel) for value in (math.nan, math.inf)),
        *((name, 1.0) for name in ("gate_probability", "confirm_probability", "delete_probability", "new_odds_kept")),
        ("delete_probability", 0.99999),
        ("max_tracks", 1_000_000),
    ],
)
def test_a_model_out_of_bounds_is_refused_by_its_field(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must "):
        dataclasses.replace(TrackerModel(), **{name: wrong})


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
    for column in (tracks.position_m, tracks.velocity_mps, tracks.covariance, tracks.quality, tracks.score):
        assert np.all(np.isfinite(column))
