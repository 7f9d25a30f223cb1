"""Track sets, as messages or as columns, have every value of the table, in parts of bounded size."""

import dataclasses
import math
import uuid
from typing import Any

import numpy as np
import pytest

from mesh.feeds.response import MAX_EVENT_BYTES
from qiki.common.v1.geometry_pb2 import UUID
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import COORDINATE_FRAME_ENU, LostReason, RadarTrack, SpoofEvidence, TrackColumns, TrackSet
from qiki.tracker.v1.tracker_service_pb2 import TrackFramesResponse
from qiki_sdk.channel import MAX_MESSAGE_BYTES
from svc_tracker import wire
from svc_tracker.domain.guard.closest_approach import closest_approach
from svc_tracker.domain.guard.relative import relative
from svc_tracker.domain.identity.iff import Identification
from svc_tracker.domain.identity.replies import empty
from svc_tracker.domain.state.records import TrackRecords
from svc_tracker.domain.state.tracks import Kinematics
from svc_tracker.domain.state.tracks import LostReason as Reason
from svc_tracker.domain.state.types import texts
from svc_tracker.domain.table import TrackTable
from svc_tracker.wire import columns, tracks

NAMESPACE = uuid.UUID("00000000-0000-4000-8000-000000000001")
MODES = ("constant_velocity", "turn_left", "turn_right")
OWN_M, OWN_MPS = np.array([10.0, 20.0, 30.0]), np.array([1.0, 2.0, 3.0])
TIME_NS = 1_700_000_000_500_000_000


def table(count: int, **changes: Any) -> TrackTable:
    """Return tracks whose values all differ; `changes` are columns by name."""
    rng = np.random.default_rng(count)
    half = rng.standard_normal((count, 6, 6))
    number = np.arange(1, count + 1)
    probability = rng.random((count, len(MODES)))
    values: dict[str, Any] = {
        "number": number,
        "status": number % 4 + 1,
        "birth_ns": TIME_NS - number * 250_000_000,
        "measured_ns": TIME_NS - number,
        "position_m": rng.uniform(-1e4, 1e4, (count, 3)),
        "velocity_mps": rng.uniform(-300.0, 300.0, (count, 3)),
        "covariance": half @ half.transpose(0, 2, 1),
        "score": rng.uniform(-20.0, 20.0, count),
        "hits": number + 1_000,
        "consecutive_misses": number + 2_000,
        "total_misses": number + 3_000,
        "snr_db": rng.uniform(0.0, 40.0, count),
        "rcs_dbsm": rng.uniform(-10.0, 40.0, count),
        "range_band": number % 3,
        "transponder_on": number % 2 == 0,
        "transponder_mode": number % 4,
        "transponder_id": tuple(f"QK-{n}" if n % 2 else "" for n in number.tolist()),
        "mode_probability": probability / probability.sum(axis=1, keepdims=True),
        "nis": rng.random(count),
        "nis_dof": number % 5,
        "detection": number - 2,
        "lost_reason": number % 5,
        "object_type": number % 7,
        "object_type_probability": rng.random(count),
        "iff": number % 4,
        "identity_source": number % 4,
        "identity_age_s": rng.random(count),
        "identity_conflict": number % 3 == 0,
        "spoof_evidence": number % 8 * 2,
    } | changes
    records = TrackRecords.zeros(count)
    for name in values.keys() & set(RECORDS):
        setattr(records, name, values[name])
    position, velocity = values["position_m"].T, values["velocity_mps"].T
    covariance = values["covariance"].transpose(1, 2, 0)
    return TrackTable(
        records=records,
        kinematics=Kinematics(TIME_NS, 1.0, position, velocity, covariance, OWN_M, OWN_MPS),
        modes=MODES,
        mode_probability=values["mode_probability"],
        identities=dataclasses.replace(
            empty(count),
            transponder_on=values["transponder_on"],
            transponder_mode=values["transponder_mode"],
            identity=texts(values["transponder_id"]),
        ),
        identification=Identification(
            **{column.name: values[column.name] for column in dataclasses.fields(Identification)}
        ),
        not_initiated=0,
    )


RECORDS = (
    *("number", "status", "birth_ns", "measured_ns", "score", "hits", "consecutive_misses", "total_misses"),
    *("snr_db", "rcs_dbsm", "range_band", "nis", "nis_dof", "detection", "lost_reason"),
)


def value(known: TrackTable, name: str) -> Any:
    """Return a column of a table by its name on the wire."""
    if name == "transponder_id":
        return known.identities.identity
    parts = (known, known.records, known.identities, known.identification)
    return next(getattr(part, name) for part in parts if hasattr(part, name))


def frame(sensor_id: str = "sensor", frame_id: str = "frame") -> RadarFrame:
    message = RadarFrame(frame_id=UUID(value=frame_id), sensor_id=UUID(value=sensor_id), scan_number=77)
    message.timestamp.FromNanoseconds(TIME_NS)
    for vector, values in ((message.sensor_pose.position, OWN_M), (message.sensor_pose.velocity, OWN_MPS)):
        vector.x, vector.y, vector.z = values.tolist()
    return message


def ids() -> wire.TrackIds:
    return wire.TrackIds(NAMESPACE)


def triangle(matrix: Any) -> list[float]:
    return [float(matrix[row, column]) for row in range(len(matrix)) for column in range(row, len(matrix))]


def test_a_set_has_its_frame_time_own_ship_and_coordinate_frame() -> None:
    for encode in (wire.to_track_sets, wire.to_track_columns):
        (only,) = encode(table(3), frame(), 9, ids())
        assert (only.schema_version, only.frame_id.value, only.frame_sequence) == (1, "frame", 9)
        assert only.time.ToNanoseconds() == TIME_NS
        assert only.own_ship == frame().sensor_pose
        assert (only.part, only.parts, only.frame) == (1, 1, COORDINATE_FRAME_ENU)


def test_a_track_message_has_every_value_of_the_table() -> None:
    known = table(16)
    (only,) = wire.to_track_sets(known, frame(), 9, ids())
    seen = relative(known, OWN_M, OWN_MPS)
    nearest = closest_approach(known.position_m, known.velocity_mps, known.covariance, OWN_M, OWN_MPS)
    for index, track in enumerate(only.tracks):
        assert track.schema_version == 1
        assert track.track_id.value == str(uuid.uuid5(NAMESPACE, f"tracks/{index + 1}"))
        assert track.timestamp.ToNanoseconds() == TIME_NS
        assert track.age_s == (index + 1) * 0.25
        assert track.position.x == np.float32(known.position_m[index, 0])
        assert track.velocity.z == np.float32(known.velocity_mps[index, 2])
        assert list(track.covariance) == triangle(known.covariance[index])
        assert list(track.position_covariance) == triangle(known.covariance[index, :3, :3])
        assert list(track.velocity_covariance) == triangle(known.covariance[index, 3:, 3:])
        assert [mode.mode for mode in track.mode_probabilities] == list(MODES)
        assert [mode.probability for mode in track.mode_probabilities] == known.mode_probability[index].tolist()
        assert (track.miss_count, track.misses, track.hits) == (index + 2_001, index + 3_001, index + 1_001)
        assert track.existence_probability == track.quality == known.existence_probability[index]
        for name in ("range_m", "bearing_deg", "elev_deg", "vr_mps"):
            assert getattr(track, name) == getattr(seen, name)[index]
        for name in ("distance_m", "distance_sigma_m", "time_s", "time_sigma_s"):
            assert getattr(track.closest_approach, name) == getattr(nearest, name)[index]
        for name in SAME_NAME:
            assert getattr(track, name) == value(known, name)[index], name
        assert track.HasField("id_present")
        assert track.id_present == (track.transponder_id != "")


SAME_NAME = (
    "object_type",
    "iff",
    "transponder_on",
    "snr_db",
    "rcs_dbsm",
    "transponder_mode",
    "transponder_id",
    "status",
    "score",
    "nis",
    "nis_dof",
    "object_type_probability",
    "identity_source",
    "identity_age_s",
    "identity_conflict",
    "lost_reason",
    "range_band",
)


def test_every_field_of_a_track_is_set() -> None:
    (only,) = wire.to_track_sets(table(16), frame(), 9, ids())
    fields = {field.name for track in only.tracks for field, _ in track.ListFields()}
    assert fields == set(RadarTrack.DESCRIPTOR.fields_by_name)


def test_the_contributing_detection_is_given_by_sensor_scan_and_index() -> None:
    (only,) = wire.to_track_sets(table(3), frame(), 9, ids())
    assert [len(track.contributing_detections) for track in only.tracks] == [0, 1, 1]
    (named,) = only.tracks[2].contributing_detections
    assert (named.sensor_id.value, named.scan_number, named.index) == ("sensor", 77, 1)


def test_spoof_evidence_is_encoded_by_the_numbers_of_its_bits() -> None:
    (only,) = wire.to_track_sets(table(2, spoof_evidence=np.array([0, 0b1010])), frame(), 9, ids())
    jump, kinematics = SpoofEvidence.SPOOF_EVIDENCE_IDENTITY_JUMP, SpoofEvidence.SPOOF_EVIDENCE_KINEMATICS
    assert [list(track.spoof_evidence) for track in only.tracks] == [[], [jump, kinematics]]


def test_no_tracks_are_one_empty_part() -> None:
    (messages,) = wire.to_track_sets(table(0), frame(), 9, ids())
    (in_columns,) = wire.to_track_columns(table(0), frame(), 9, ids())
    assert (len(messages.tracks), messages.parts) == (0, 1)
    assert in_columns.HasField("track_columns")
    assert in_columns.track_columns == TrackColumns(mode=MODES)


# -- columns -----------------------------------------------------------------------------------------------------------


def test_columns_and_messages_have_the_same_values() -> None:
    known = table(16)
    (messages,) = wire.to_track_sets(known, frame(), 9, ids())
    (in_columns,) = wire.to_track_columns(known, frame(), 9, ids())
    assert not in_columns.tracks
    found = in_columns.track_columns
    assert list(found.mode) == list(MODES)
    for index, track in enumerate(messages.tracks):
        assert found.track_id[index] == track.track_id.value
        assert list(found.covariance[21 * index : 21 * index + 21]) == list(track.covariance)
        assert list(found.position_m[3 * index : 3 * index + 3]) == known.position_m[index].tolist()
        assert list(found.velocity_mps[3 * index : 3 * index + 3]) == known.velocity_mps[index].tolist()
        probabilities = [mode.probability for mode in track.mode_probabilities]
        assert list(found.mode_probability[3 * index : 3 * index + 3]) == probabilities
        contributing = [contribution.index + 1 for contribution in track.contributing_detections] or [0]
        assert [found.detection[index]] == contributing
        for name in ALIKE:
            assert getattr(found, name)[index] == getattr(track, name), name
    others = {"mode", "track_id", "covariance", "position_m", "velocity_mps", "mode_probability", "detection"}
    assert set(ALIKE) | others == set(TrackColumns.DESCRIPTOR.fields_by_name)


ALIKE = (
    "status",
    "existence_probability",
    "score",
    "nis",
    "nis_dof",
    "hits",
    "misses",
    "miss_count",
    "age_s",
    "snr_db",
    "rcs_dbsm",
    "object_type",
    "iff",
    "transponder_id",
    "lost_reason",
)


def test_without_identities_there_is_no_column_of_them() -> None:
    (in_columns,) = wire.to_track_columns(table(3, transponder_id=("", "", "")), frame(), 9, ids())
    assert not in_columns.track_columns.transponder_id


# -- ids ---------------------------------------------------------------------------------------------------------------


def test_a_track_keeps_its_id_and_lost_tracks_leave_the_cache() -> None:
    known = ids()
    first = known.of(table(3))
    assert known.of(table(2, number=np.array([2, 4]))) == [first[1], str(uuid.uuid5(NAMESPACE, "tracks/4"))]
    assert known.of(table(1)) == first[:1]
    assert len(set(first)) == 3


# -- parts -------------------------------------------------------------------------------------------------------------

LONG = "\U0001f6f8" * 64


def worst(count: int) -> TrackTable:
    """Return tracks whose messages are as large as possible."""
    counts = ("hits", "consecutive_misses", "total_misses", "nis_dof")
    largest = {name: np.full(count, 2**32 - 1) for name in counts}
    return table(
        count,
        **largest,
        transponder_id=(LONG,) * count,
        transponder_on=np.ones(count, dtype=np.bool_),
        identity_conflict=np.ones(count, dtype=np.bool_),
        detection=np.full(count, 2**31 - 2),
        spoof_evidence=np.full(count, 0b1110),
        **{name: np.full(count, 1) for name in ("status", "object_type", "iff", "identity_source", "lost_reason")},
        range_band=np.full(count, 2),
        transponder_mode=np.full(count, 3),
    )


def large_frame() -> RadarFrame:
    message = frame(LONG, LONG)
    message.scan_number = 2**64 - 1
    turn = message.sensor_pose.attitude
    turn.w = turn.x = turn.y = turn.z = 0.5
    return message


def test_a_part_of_the_largest_tracks_fits_into_an_event() -> None:
    count = tracks.tracks_a_part(MODES) + 1
    first, second = wire.to_track_sets(worst(count), large_frame(), 2**64 - 1, ids())
    assert (len(first.tracks), len(second.tracks)) == (count - 1, 1)
    assert first.ByteSize() < MAX_EVENT_BYTES - 5_000, "the event's metadata needs space as well"
    assert max(track.ByteSize() for track in first.tracks) + 3 <= tracks.TRACK_BYTES + sum(15 + len(m) for m in MODES)


def test_a_part_of_the_largest_columns_fits_into_a_message() -> None:
    first, *rest = wire.to_track_columns(worst(6_500), large_frame(), 2**64 - 1, ids())
    assert rest
    assert TrackFramesResponse(track_set=first).ByteSize() < MAX_MESSAGE_BYTES
    assert first.ByteSize() <= columns.PART_BYTES


@pytest.mark.parametrize("encode", [wire.to_track_sets, wire.to_track_columns])
def test_parts_have_every_track_once_and_in_order(encode: Any) -> None:
    parts: list[TrackSet] = encode(table(6_500), frame(), 9, ids())
    assert [(part.part, part.parts) for part in parts] == [(n, len(parts)) for n in range(1, len(parts) + 1)]
    assert len(parts) > 1
    found = [track.track_id.value for part in parts for track in part.tracks]
    found += [text for part in parts for text in part.track_columns.track_id]
    assert found == ids().of(table(6_500))
    bodies = [part.track_columns for part in parts if part.HasField("track_columns")]
    assert all(len(body.covariance) == 21 * len(body.track_id) for body in bodies)
    assert all(list(body.mode) == list(MODES) for body in bodies)


def test_more_modes_make_smaller_parts() -> None:
    assert tracks.tracks_a_part(("a" * 64,) * 8) < tracks.tracks_a_part(MODES) < tracks.tracks_a_part(())


# -- values that are not finite ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("invalid", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("encode", [wire.to_track_sets, wire.to_track_columns])
@pytest.mark.parametrize(
    "name", ["position_m", "velocity_mps", "covariance", "score", "nis", "mode_probability", "snr_db"]
)
def test_a_value_that_is_not_finite_is_never_encoded(encode: Any, name: str, invalid: float) -> None:
    values = value(table(3), name).copy()
    values.flat[1] = invalid
    with pytest.raises(ValueError, match="is not finite"):
        encode(table(3, **{name: values}), frame(), 9, ids())


def test_the_numbers_of_the_domain_are_those_of_the_wire() -> None:
    assert {f"LOST_REASON_{reason.name}": int(reason) for reason in Reason if reason} == {
        name: number for name, number in LostReason.items() if number
    }
