"""Wire frames: messages and columns give the same frames, and errors name the field as on the wire."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiki.common.v1.contact_pb2 import TransponderMode
from qiki.radar.v1 import radar_pb2
from qiki.radar.v1.radar_pb2 import BlindSector, DetectionColumns, RadarDetection, RadarFrame, Sector
from qiki_sdk.columns import detection_columns
from svc_tracker import wire
from svc_tracker.domain import frame as domain
from svc_tracker.domain.frame import FrameError, SensorStatus, SwerlingCase

MODEL = radar_pb2.SensorModel(
    min_range_m=10.0,
    max_range_m=50_000.0,
    min_elev_deg=-30.0,
    max_elev_deg=60.0,
    range_sigma_m=10.0,
    bearing_sigma_deg=0.2,
    elev_sigma_deg=0.3,
    vr_sigma_mps=0.5,
    detection_probability=0.95,
    clutter_per_scan=0.5,
)
DETECTIONS = (
    RadarDetection(
        range_m=1_000.0,
        bearing_deg=10.0,
        elev_deg=2.0,
        vr_mps=-3.0,
        snr_db=12.0,
        rcs_dbsm=1.0,
        range_band=radar_pb2.RADAR_RANGE_BAND_LR,
    ),
    RadarDetection(
        range_m=2_000.0,
        bearing_deg=20.0,
        snr_db=15.0,
        transponder_on=True,
        transponder_mode=TransponderMode.TRANSPONDER_MODE_ON,
        transponder_id="QK-1",
        id_present=True,
        range_band=radar_pb2.RADAR_RANGE_BAND_LR,
        time_offset_s=-0.5,
        range_sigma_m=20.0,
        bearing_sigma_deg=0.5,
        elev_sigma_deg=0.6,
        vr_sigma_mps=0.7,
    ),
    RadarDetection(
        range_m=3_000.0,
        bearing_deg=30.0,
        vr_mps=-0.0,
        range_band=radar_pb2.RADAR_RANGE_BAND_LR,
        transponder_id="unsure",
    ),
)


def message(*detections: RadarDetection) -> RadarFrame:
    """Return a frame of the wire with detections as messages."""
    frame = RadarFrame(schema_version=1, detections=detections, sensor_model=MODEL)
    frame.sensor_id.value, frame.frame_id.value = "sensor", "frame"
    frame.timestamp.seconds = 1_000
    frame.sensor_pose.position.x = 5.0
    frame.sensor_pose.velocity.y = 7.0
    return frame


def in_columns(frame: RadarFrame) -> RadarFrame:
    """Return the frame with its detections as columns."""
    reported = RadarFrame()
    reported.CopyFrom(frame)
    reported.ClearField("detections")
    reported.detection_columns.CopyFrom(detection_columns(frame))
    return reported


def bits(target: Any) -> Any:
    """Return every value of a dataclass of arrays and dataclasses, exactly."""
    if isinstance(target, np.ndarray):
        return target.dtype, target.shape, target.tobytes()
    if dataclasses.is_dataclass(target):
        return [(column.name, bits(getattr(target, column.name))) for column in dataclasses.fields(target)]
    return target


def refused(frame: RadarFrame) -> str:
    """Return the field that the frame is refused for."""
    with pytest.raises(FrameError) as caught:
        wire.to_frame(frame)
    assert caught.value.message
    return caught.value.field


def test_every_value_of_a_frame_is_converted() -> None:
    frame = message(*DETECTIONS)
    frame.timestamp.nanos = 250
    frame.truncated = True
    frame.sensor_north_sigma_deg = 0.25
    frame.sensor_position_covariance.extend([4.0, 0.1, 0.2, 5.0, 0.3, 6.0])
    frame.blind_sectors.add(sector=Sector(start_deg=350.0, width_deg=20.0), reason=2)
    found = wire.to_frame(frame)
    assert (found.time_ns, found.sensor_id, found.status) == (1_000_000_000_250, "sensor", SensorStatus.OK)
    assert found.truncated
    assert found.sensor_position_m.tolist() == [5.0, 0.0, 0.0]
    assert found.sensor_velocity_mps.tolist() == [0.0, 7.0, 0.0]
    assert found.sensor_position_covariance.tolist() == [[4.0, 0.1, 0.2], [0.1, 5.0, 0.3], [0.2, 0.3, 6.0]]
    assert found.sensor_north_sigma_deg == 0.25
    assert found.blind_sectors == (domain.Sector(350.0, 20.0),)
    for column in dataclasses.fields(found.detections):
        expected = [getattr(detection, column.name) for detection in DETECTIONS]
        assert list(getattr(found.detections, column.name)) == expected, column.name


def test_every_field_of_a_sensor_model_but_the_scan_kind_is_converted() -> None:
    reported = radar_pb2.SensorModel()
    reported.CopyFrom(MODEL)
    reported.coverage.CopyFrom(Sector(start_deg=300.0, width_deg=90.0))
    reported.no_elevation = reported.no_radial_velocity = True
    reported.swerling, reported.scan_kind = radar_pb2.SWERLING_CASE_3, radar_pb2.SCAN_KIND_SECTOR
    rest = [name for name in reported.DESCRIPTOR.fields_by_name if _is_number(reported, name)]
    for number, name in enumerate(rest, start=1):
        setattr(reported, name, number / 100.0)
    frame = message()
    frame.sensor_model.CopyFrom(reported)
    found = wire.to_frame(frame).sensor_model
    assert found.coverage == domain.Sector(300.0, 90.0)
    assert found.swerling is SwerlingCase.CASE_3
    names = {column.name for column in dataclasses.fields(found)}
    assert names == set(reported.DESCRIPTOR.fields_by_name) - {"scan_kind"}
    for name in names - {"coverage", "swerling"}:
        assert getattr(found, name) == getattr(reported, name) != 0, name


def _is_number(model: radar_pb2.SensorModel, name: str) -> bool:
    return isinstance(getattr(model, name), float) and getattr(model, name) == 0.0


def test_fields_left_out_have_their_defaults() -> None:
    found = wire.to_frame(message())
    assert found.status is SensorStatus.OK
    assert found.sensor_model.coverage == domain.ALL_AROUND
    assert not found.sensor_position_covariance.any()
    assert found.blind_sectors == ()
    assert len(found.detections) == 0


# -- columns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(len(DETECTIONS) + 1))
def test_a_frame_in_columns_is_the_same_frame_to_the_bit(count: int) -> None:
    frame = message(*DETECTIONS[:count])
    assert bits(wire.to_frame(in_columns(frame))) == bits(wire.to_frame(frame))


finite = st.floats(-60.0, 60.0)
detections = st.builds(
    RadarDetection,
    range_m=st.floats(0.001, 1e6),
    bearing_deg=st.floats(0.0, 359.9),
    elev_deg=finite,
    vr_mps=finite,
    snr_db=finite,
    rcs_dbsm=finite,
    transponder_on=st.booleans(),
    transponder_mode=st.integers(0, 3),
    transponder_id=st.text(max_size=64),
    id_present=st.sampled_from((None, False, True)),
    range_band=st.just(2),
    time_offset_s=st.floats(-2.0, 0.0).map(
        lambda offset_s: offset_s + 0.0
    ),  # -0.0 is 0.0: a column of zeros is left out
    range_sigma_m=st.floats(0.0, 50.0),
)


@given(st.lists(detections, max_size=6))
def test_any_frame_in_columns_is_the_same_frame_to_the_bit(seen: list[RadarDetection]) -> None:
    frame = message(*seen)
    assert bits(wire.to_frame(in_columns(frame))) == bits(wire.to_frame(frame))


def test_columns_that_are_empty_are_columns_of_zeros() -> None:
    frame = in_columns(message())
    frame.detection_columns.range_m.extend([1.0, 2.0])
    assert bits(wire.to_frame(frame)) == bits(
        wire.to_frame(message(RadarDetection(range_m=1.0), RadarDetection(range_m=2.0)))
    )


REPEATED = [field.name for field in DetectionColumns.DESCRIPTOR.fields if field.is_repeated and field.name != "range_m"]


@pytest.mark.parametrize("name", REPEATED)
@pytest.mark.parametrize("length", [1, 4])
def test_a_column_of_another_length_is_refused_by_its_name(name: str, length: int) -> None:
    frame = in_columns(message(*DETECTIONS))
    column = getattr(frame.detection_columns, name)
    value = column[0] if column else 0.0
    del column[:]
    column.extend([value] * length)
    assert refused(frame) == f"detection_columns.{name}"


@pytest.mark.parametrize("name", REPEATED)
def test_a_column_without_any_ranges_is_refused_by_its_name(name: str) -> None:
    frame = in_columns(message(*DETECTIONS))
    value = getattr(frame.detection_columns, name)[0]
    del frame.detection_columns.range_m[:]
    for other in REPEATED:
        frame.detection_columns.ClearField(other)  # type: ignore[arg-type]
    getattr(frame.detection_columns, name).append(value)
    assert refused(frame) == f"detection_columns.{name}"


WRONG = [
    ("range_m", math.nan),
    ("range_m", 0.0),
    ("range_m", -1.0),
    ("range_m", 1e300),
    ("bearing_deg", 360.0),
    ("elev_deg", 90.1),
    ("vr_mps", math.inf),
    ("snr_db", -math.inf),
    ("rcs_dbsm", math.nan),
    ("transponder_mode", 4),
    ("transponder_mode", -1),
    ("transponder_id", "x" * 65),
    ("time_offset_s", 0.1),
    ("time_offset_s", math.nan),
    ("range_sigma_m", -1.0),
    ("bearing_sigma_deg", 11.0),
    ("elev_sigma_deg", math.nan),
    ("vr_sigma_mps", math.inf),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_an_invalid_value_is_named_by_its_path_on_the_wire(name: str, value: Any) -> None:
    frame = message(*DETECTIONS)
    setattr(frame.detections[1], name, value)
    assert refused(frame) == f"detections[1].{name}"
    assert refused(in_columns(frame)) == f"detection_columns.{name}[1]"


@pytest.mark.parametrize("band", [3, -1, 2**31 - 1])
def test_an_unknown_range_band_is_refused_by_its_name(band: int) -> None:
    frame = message(*DETECTIONS)
    frame.detections[2].range_band = band  # type: ignore[assignment]
    assert refused(frame) == "detections[2].range_band"
    frame = in_columns(message())
    frame.detection_columns.range_band = band  # type: ignore[assignment]
    assert refused(frame) == "detection_columns.range_band"


def test_detections_as_messages_and_columns_at_once_are_refused() -> None:
    frame = message(*DETECTIONS)
    frame.detection_columns.SetInParent()
    assert refused(frame) == "detection_columns"


def test_a_sensor_that_did_not_work_must_have_no_detections() -> None:
    frame = message(*DETECTIONS)
    frame.status = radar_pb2.SENSOR_STATUS_FAILED
    assert refused(frame) == "detections"
    assert refused(in_columns(frame)) == "detection_columns"


# -- the rest of a frame -----------------------------------------------------------------------------------------------

CHANGES: dict[str, tuple[Callable[[RadarFrame], Any], str]] = {
    "no timestamp": (lambda f: f.ClearField("timestamp"), "timestamp"),
    "no sensor": (lambda f: f.ClearField("sensor_id"), "sensor_id"),
    "no pose": (lambda f: f.ClearField("sensor_pose"), "sensor_pose"),
    "no model": (lambda f: f.ClearField("sensor_model"), "sensor_model"),
    "an empty sensor": (lambda f: setattr(f.sensor_id, "value", ""), "sensor_id"),
    "a long sensor": (lambda f: setattr(f.sensor_id, "value", "x" * 65), "sensor_id"),
    "a long frame id": (lambda f: setattr(f.frame_id, "value", "x" * 65), "frame_id"),
    "a time beyond all": (lambda f: setattr(f.timestamp, "seconds", 2**62), "timestamp"),
    "negative nanos": (lambda f: setattr(f.timestamp, "nanos", -1), "timestamp.nanos"),
    "too many nanos": (lambda f: setattr(f.timestamp, "nanos", 10**9), "timestamp.nanos"),
    "an unknown status": (lambda f: setattr(f, "status", 4), "status"),
    "a negative status": (lambda f: setattr(f, "status", -1), "status"),
    "a position that is not": (lambda f: setattr(f.sensor_pose.position, "z", math.nan), "sensor_pose.position.z"),
    "a velocity beyond all": (lambda f: setattr(f.sensor_pose.velocity, "x", 1e300), "sensor_pose.velocity.x"),
    "an attitude that is not": (lambda f: setattr(f.sensor_pose.attitude, "w", math.nan), "sensor_pose.attitude.w"),
    "an infinite attitude": (lambda f: setattr(f.sensor_pose.attitude, "y", -math.inf), "sensor_pose.attitude.y"),
    "a covariance of 1": (lambda f: f.sensor_position_covariance.append(1.0), "sensor_position_covariance"),
    "a covariance of 7": (lambda f: f.sensor_position_covariance.extend([1.0] * 7), "sensor_position_covariance"),
    "a covariance that is not": (
        lambda f: f.sensor_position_covariance.extend([math.nan] * 6),
        "sensor_position_covariance",
    ),
    "a negative covariance": (
        lambda f: f.sensor_position_covariance.extend([-1.0, 0, 0, 1.0, 0, 1.0]),
        "sensor_position_covariance",
    ),
    "a covariance of no one": (
        lambda f: f.sensor_position_covariance.extend([1.0, 2.0, 0, 1.0, 0, 1.0]),
        "sensor_position_covariance",
    ),
    "a north that is not": (lambda f: setattr(f, "sensor_north_sigma_deg", math.nan), "sensor_north_sigma_deg"),
    "a negative north": (lambda f: setattr(f, "sensor_north_sigma_deg", -0.1), "sensor_north_sigma_deg"),
    "a blind sector of no width": (
        lambda f: f.blind_sectors.extend([BlindSector(sector=Sector(width_deg=1.0)), BlindSector()]),
        "blind_sectors[1].sector.width_deg",
    ),
    "a blind sector that begins nowhere": (
        lambda f: f.blind_sectors.add(sector=Sector(start_deg=math.nan, width_deg=1.0)),
        "blind_sectors[0].sector.start_deg",
    ),
    "too many blind sectors": (lambda f: f.blind_sectors.extend([BlindSector()] * 65), "blind_sectors"),
    "a coverage of no width": (
        lambda f: f.sensor_model.coverage.CopyFrom(Sector(start_deg=1.0)),
        "sensor_model.coverage.width_deg",
    ),
    "a coverage beyond north": (
        lambda f: f.sensor_model.coverage.CopyFrom(Sector(start_deg=360.0, width_deg=1.0)),
        "sensor_model.coverage.start_deg",
    ),
    "an unknown swerling case": (lambda f: setattr(f.sensor_model, "swerling", 4), "sensor_model.swerling"),
    "a sigma that is not": (lambda f: setattr(f.sensor_model, "range_sigma_m", math.nan), "sensor_model.range_sigma_m"),
    "no sigma of what is measured": (
        lambda f: f.sensor_model.ClearField("elev_sigma_deg"),
        "sensor_model.elev_sigma_deg",
    ),
    "a probability above 1": (
        lambda f: setattr(f.sensor_model, "false_alarm_probability", 1.1),
        "sensor_model.false_alarm_probability",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("layout", [message, lambda *seen: in_columns(message(*seen))], ids=["messages", "columns"])
def test_an_invalid_frame_is_refused_by_its_field(layout: Callable[..., RadarFrame], name: str) -> None:
    change, field = CHANGES[name]
    frame = layout(*DETECTIONS)
    change(frame)
    assert refused(frame) == field


def test_a_sensor_that_measures_no_elevation_needs_no_sigma_of_it() -> None:
    frame = message(*DETECTIONS)
    frame.sensor_model.no_elevation = frame.sensor_model.no_radial_velocity = True
    frame.sensor_model.ClearField("elev_sigma_deg")
    frame.sensor_model.ClearField("vr_sigma_mps")
    model = wire.to_frame(frame).sensor_model
    assert model.no_elevation
    assert model.no_radial_velocity


def test_unknown_scan_kinds_and_blind_sector_reasons_are_ignored() -> None:
    frame = message()
    frame.sensor_model.scan_kind = 99  # type: ignore[assignment]
    frame.blind_sectors.add(sector=Sector(width_deg=1.0), reason=99)
    assert len(wire.to_frame(frame).blind_sectors) == 1
