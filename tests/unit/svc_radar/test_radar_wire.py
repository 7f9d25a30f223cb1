"""A frame or track keeps its values between today's messages and those of a client of the older contract."""

import struct
from itertools import count
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

import legacy_radar
from legacy_radar import LegacyRadar
from qiki.radar.v1 import radar_pb2, track_pb2

DOUBLE, FLOAT, UINT32 = FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_UINT32
INT32, INT64, UINT64 = FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64
BOOL, ENUM, STRING = FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_STRING
MESSAGE = FieldDescriptor.TYPE_MESSAGE

# The contract again, as its page states it: a check of the fixture itself.
CONTRACT: dict[str, dict[int, tuple[str, int]]] = {
    "RadarDetection": {
        1: ("range_m", DOUBLE),
        2: ("bearing_deg", DOUBLE),
        3: ("elev_deg", DOUBLE),
        4: ("vr_mps", DOUBLE),
        5: ("snr_db", DOUBLE),
        6: ("rcs_dbsm", DOUBLE),
        7: ("transponder_on", BOOL),
        8: ("transponder_mode", ENUM),
        9: ("transponder_id", STRING),
        90: ("range_band", ENUM),
        91: ("id_present", BOOL),
    },
    "RadarFrame": {
        1: ("schema_version", UINT32),
        2: ("frame_id", MESSAGE),
        3: ("sensor_id", MESSAGE),
        4: ("timestamp", MESSAGE),
        5: ("detections", MESSAGE),
    },
    "RadarTrack": {
        1: ("schema_version", UINT32),
        2: ("track_id", MESSAGE),
        3: ("object_type", ENUM),
        4: ("iff", ENUM),
        5: ("transponder_on", BOOL),
        6: ("quality", DOUBLE),
        7: ("range_m", DOUBLE),
        8: ("bearing_deg", DOUBLE),
        9: ("elev_deg", DOUBLE),
        10: ("vr_mps", DOUBLE),
        11: ("snr_db", DOUBLE),
        12: ("rcs_dbsm", DOUBLE),
        13: ("timestamp", MESSAGE),
        14: ("transponder_mode", ENUM),
        15: ("transponder_id", STRING),
        16: ("status", ENUM),
        17: ("position", MESSAGE),
        18: ("velocity", MESSAGE),
        19: ("position_covariance", DOUBLE),
        20: ("velocity_covariance", DOUBLE),
        21: ("age_s", DOUBLE),
        22: ("miss_count", UINT32),
        90: ("range_band", ENUM),
        91: ("id_present", BOOL),
    },
    "UUID": {1: ("value", STRING)},
    "Vector3": {1: ("x", FLOAT), 2: ("y", FLOAT), 3: ("z", FLOAT)},
}
REPEATED = {("RadarFrame", 5), ("RadarTrack", 19), ("RadarTrack", 20)}
ENUM_NUMBERS = {
    "ObjectType": {0, 1, 2, 3, 4, 5},
    "FriendFoe": {0, 1, 2, 3},
    "RadarRangeBand": {0, 1, 2},
    "TransponderMode": {0, 1, 2, 3},
    "RadarTrackStatus": {0, 1, 2, 3, 4},
}


@pytest.fixture(scope="module")
def legacy() -> LegacyRadar:
    return legacy_radar.load()


def filled(kind: type[Message], contract: Any) -> Message:
    """Return a message of this kind with another value in every field of the contract."""
    message = kind()
    fill(message, contract, count(1))
    return message


def fill(message: Message, contract: Any, numbers: "count[int]") -> None:
    for field in contract.fields:
        if field.type == MESSAGE and field.is_repeated:
            for _ in range(3):
                fill(getattr(message, field.name).add(), field.message_type, numbers)
        elif field.type == MESSAGE:
            fill(getattr(message, field.name), field.message_type, numbers)
        elif field.is_repeated:
            getattr(message, field.name).extend(distinct(field, next(numbers)) for _ in range(6))
        else:
            setattr(message, field.name, distinct(field, next(numbers)))


def distinct(field: Any, number: int) -> Any:
    # Exact in 32 bits as well, and none the default, which proto3 leaves off the wire.
    values: dict[int, Any] = {
        DOUBLE: number + 0.25,
        FLOAT: number + 0.25,
        UINT32: number,
        INT32: number,
        INT64: number,
        UINT64: number,
        BOOL: True,
        STRING: f"text {number}",
    }
    return max(value.number for value in field.enum_type.values) if field.type == ENUM else values[field.type]


def values_of(message: Message, contract: Any) -> dict[str, Any]:
    """Return the values of the contract's fields; None for an absent message or optional field."""
    return {field.name: value_of(message, field) for field in contract.fields}


def value_of(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [values_of(item, field.message_type) for item in value] if field.type == MESSAGE else list(value)
    if field.has_presence and not message.HasField(field.name):
        return None
    return values_of(value, field.message_type) if field.type == MESSAGE else value


def kinds(legacy: LegacyRadar) -> list[tuple[type[Message], type[Message]]]:
    return [(legacy.frame, radar_pb2.RadarFrame), (legacy.track, track_pb2.RadarTrack)]


def test_the_older_contract_is_the_one_that_is_written_down(legacy: LegacyRadar) -> None:
    for name, fields in CONTRACT.items():
        described = legacy.pool.FindMessageTypeByName(f"qiki.radar.v1.{name}")
        assert {field.number: (field.name, field.type) for field in described.fields} == fields, name
        assert {(name, field.number) for field in described.fields if field.is_repeated} == {
            place for place in REPEATED if place[0] == name
        }
    for name, numbers in ENUM_NUMBERS.items():
        described_enum = legacy.pool.FindEnumTypeByName(f"qiki.radar.v1.{name}")
        assert {value.number for value in described_enum.values} == numbers, name


def test_every_field_of_the_older_contract_has_its_number_type_label_and_presence(legacy: LegacyRadar) -> None:
    for older, today in kinds(legacy):
        assert_agrees(older.DESCRIPTOR, today.DESCRIPTOR)


def assert_agrees(older: Any, today: Any) -> None:
    for field in older.fields:
        ours = today.fields_by_number[field.number]
        place = f"{older.name}.{field.name}"
        assert (ours.name, ours.type) == (field.name, field.type), place
        assert (ours.is_repeated, ours.is_packed) == (field.is_repeated, field.is_packed), place
        assert ours.has_presence == field.has_presence, place
        if field.type == ENUM:
            numbers = {value.number for value in field.enum_type.values}
            assert numbers <= {value.number for value in ours.enum_type.values}, place
        if field.type == MESSAGE:
            assert ours.message_type.name == field.message_type.name, place
            assert_agrees(field.message_type, ours.message_type)


def test_an_older_client_reads_the_values_that_are_written_today(legacy: LegacyRadar) -> None:
    for older, today in kinds(legacy):
        written = filled(today, older.DESCRIPTOR)
        read = older.FromString(written.SerializeToString())
        assert values_of(read, older.DESCRIPTOR) == values_of(written, older.DESCRIPTOR)


def test_messages_of_an_older_client_are_read_with_the_same_values(legacy: LegacyRadar) -> None:
    for older, today in kinds(legacy):
        written = filled(older, older.DESCRIPTOR)
        read = today.FromString(written.SerializeToString())
        assert values_of(read, older.DESCRIPTOR) == values_of(written, older.DESCRIPTOR)


def test_the_older_and_the_current_client_write_the_same_bytes(legacy: LegacyRadar) -> None:
    for older, today in kinds(legacy):
        bytes_today = filled(today, older.DESCRIPTOR).SerializeToString(deterministic=True)
        assert bytes_today == filled(older, older.DESCRIPTOR).SerializeToString(deterministic=True)


def test_fields_that_are_new_do_not_disturb_an_older_client(legacy: LegacyRadar) -> None:
    written = filled(radar_pb2.RadarFrame, radar_pb2.RadarFrame.DESCRIPTOR)
    assert {field.number for field in radar_pb2.RadarFrame.DESCRIPTOR.fields} > set(CONTRACT["RadarFrame"])
    read = legacy.frame.FromString(written.SerializeToString())
    assert values_of(read, legacy.frame.DESCRIPTOR) == values_of(written, legacy.frame.DESCRIPTOR)


@pytest.mark.parametrize("id_present", [None, False, True])
def test_an_absent_false_and_true_id_present_stay_distinct(legacy: LegacyRadar, id_present: bool | None) -> None:
    frame = radar_pb2.RadarFrame(detections=[radar_pb2.RadarDetection(id_present=id_present)])
    track = track_pb2.RadarTrack(id_present=id_present)
    read_frame: Any = legacy.frame.FromString(frame.SerializeToString())
    read_track: Any = legacy.track.FromString(track.SerializeToString())
    for read in (read_frame.detections[0], read_track):
        assert (read.id_present if read.HasField("id_present") else None) == id_present


def test_every_number_of_every_enum_is_read_as_that_number_also_one_that_is_new(legacy: LegacyRadar) -> None:
    fields: Any = track_pb2.RadarTrack.DESCRIPTOR.fields_by_name
    for name in ("object_type", "iff", "transponder_mode", "status", "range_band"):
        for value in fields[name].enum_type.values:
            written = track_pb2.RadarTrack()
            setattr(written, name, value.number)
            assert getattr(legacy.track.FromString(written.SerializeToString()), name) == value.number


def test_a_detection_written_by_hand_from_the_contract_is_read_with_its_values() -> None:
    def tag(number: int, wire_type: int) -> bytes:
        key = number << 3 | wire_type
        return bytes([key]) if key < 0x80 else bytes([key & 0x7F | 0x80, key >> 7])

    doubles = (1200.5, 359.75, -89.5, -12.25, 17.5, -3.25)
    detection = b"".join(tag(number, 1) + struct.pack("<d", value) for number, value in enumerate(doubles, start=1))
    detection += tag(7, 0) + b"\x01" + tag(8, 0) + b"\x03" + tag(9, 2) + b"\x05ALPHA"
    detection += tag(90, 0) + b"\x02" + tag(91, 0) + b"\x00"
    read = radar_pb2.RadarFrame.FromString(tag(5, 2) + bytes([len(detection)]) + detection).detections[0]
    measured = (read.range_m, read.bearing_deg, read.elev_deg, read.vr_mps, read.snr_db, read.rcs_dbsm)
    assert measured == doubles
    assert (read.transponder_on, read.transponder_mode, read.transponder_id) == (True, 3, "ALPHA")
    assert read.range_band == radar_pb2.RADAR_RANGE_BAND_SR
    assert read.HasField("id_present")
    assert not read.id_present
    assert read.SerializeToString() == detection


def test_an_older_client_reads_a_frame_in_columns_as_a_frame_without_detections(legacy: LegacyRadar) -> None:
    frame = radar_pb2.RadarFrame(schema_version=1, detection_columns=radar_pb2.DetectionColumns(range_m=[1.0, 2.0]))
    frame.sensor_id.value = "sensor"
    read: Any = legacy.frame.FromString(frame.SerializeToString())
    assert (read.schema_version, read.sensor_id.value, len(read.detections)) == (1, "sensor", 0)


def test_columns_have_the_meaning_of_the_fields_of_the_same_names() -> None:
    for columns, single, names in (
        (radar_pb2.DetectionColumns, radar_pb2.RadarDetection, {}),
        (track_pb2.TrackColumns, track_pb2.RadarTrack, TRACK_COLUMNS),
    ):
        fields = single.DESCRIPTOR.fields_by_name
        for column in columns.DESCRIPTOR.fields:
            if names.get(column.name, column.name) in fields:
                field = fields[names.get(column.name, column.name)]
                if field.type != MESSAGE:
                    assert (column.type, column.enum_type) == (field.type, field.enum_type), column.name
                assert column.is_repeated or column.name == "range_band"
                assert column.is_packed == (column.is_repeated and column.type != STRING)
            else:
                assert column.name in ("mode", "mode_probability", "detection"), column.name


TRACK_COLUMNS = {"position_m": "position", "velocity_mps": "velocity"}
