"""A run read back from JetStream as it was written: frames, tracks, truth and the audit trail, each counted."""

from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.codec.cloudevents import HeaderError, to_headers
from botspec.channels import Channel
from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from cli.demo.reader import RunReader, reading_order, to_space
from qiki.common.v1.contact_pb2 import ObjectType
from qiki.common.v1.geometry_pb2 import UUID, Pose, Vector3, Vector3d
from qiki.common.v1.stream_pb2 import EventContext
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame, SensorModel
from qiki.radar.v1.track_pb2 import RadarTrack, RadarTrackStatus, TrackSet
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki.sim.v1.world_pb2 import Contact, WorldSnapshot

RUN = "0f8fad5b-d9cb-469f-a165-70867728950e"
OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
CHANNELS = {channel.name: channel for channel in load_bot_spec(example_bot_spec()).spec.channels}
S = 10**9


def stored(payload: Message, sequence: int, *, run: str = RUN, produced_s: int = 1, stored_s: int = 2) -> StoredMessage:
    context = EventContext(
        id=f"{run}-{sequence}",
        source="/qiki/bot/run/feed",
        type=payload.DESCRIPTOR.full_name,
        time=Timestamp(seconds=sequence),
        sequence=sequence,
        run_id=run,
        run_created=Timestamp(seconds=1),
        recorded_time=Timestamp(seconds=produced_s),
    )
    return StoredMessage(sequence, "", to_headers(context, "token", None), payload.SerializeToString(), stored_s * S)


def frame(tick: int, *detections: tuple[float, float, float]) -> RadarFrame:
    return RadarFrame(
        frame_id=UUID(value=f"frame-{tick}"),
        sensor_id=UUID(value="sensor"),
        tick=tick,
        sensor_pose=Pose(position=Vector3d(x=100.0, y=200.0, z=300.0)),
        sensor_model=SensorModel(min_range_m=10.0, max_range_m=1e5, min_elev_deg=-30.0, max_elev_deg=60.0),
        detections=[RadarDetection(range_m=r, bearing_deg=b, elev_deg=e) for r, b, e in detections],
    )


def snapshot(tick: int, *contacts: str, **fields: Any) -> WorldSnapshot:
    objects = [
        Contact(contact_id=UUID(value=name), position=Vector3d(x=tick, y=1.0), object_type=fields.get("kind", 6))
        for name in contacts
    ]
    return WorldSnapshot(tick=tick, time=Timestamp(seconds=tick), contacts=objects)


def reader(**ends: int) -> RunReader:
    return RunReader(RUN, {"sensor": "radar"}, ends)


def test_frames_are_read_first_as_they_give_the_ticks_at_which_truth_is_needed() -> None:
    order = reading_order(list(CHANNELS.values()))
    assert order[0].name == "frames"
    assert {channel.name for channel in order} == CHANNELS.keys()


def test_a_detections_position_follows_from_range_bearing_and_elevation() -> None:
    points = to_space(np.array([(100.0, 0.0, 0.0), (100.0, 90.0, 0.0), (100.0, 270.0, 30.0), (100.0, 45.0, -90.0)]))
    half, root = 50.0, 100.0 * np.sqrt(3) / 2
    expected = [(0.0, 100.0, 0.0), (100.0, 0.0, 0.0), (-root, 0.0, half), (0.0, 0.0, -100.0)]
    assert points == pytest.approx(np.array(expected), abs=1e-9)


def test_a_frame_is_read_with_its_detections_in_space() -> None:
    own = reader()
    take = own.open(CHANNELS["frames"])
    take(stored(frame(20, (1000.0, 90.0, 0.0)), 1, produced_s=7), True)
    take(stored(frame(40), 2), True)
    first, second = own.record().scans
    assert (first.sequence, first.frame_id, first.tick, first.produced_ns) == (1, "frame-20", 20, 7 * S)
    assert first.detection_m == pytest.approx(np.array([(1100.0, 200.0, 300.0)]))
    assert first.coverage.max_range_m == 1e5
    assert second.detection_m.shape == (0, 3)


def test_tracked_and_coasting_tracks_are_confirmed() -> None:
    names = ("new", "tracked", "lost", "coasting")
    tracks = [
        RadarTrack(
            track_id=UUID(value=name),
            status=RadarTrackStatus.Value(f"RADAR_TRACK_STATUS_{name.upper()}"),
            position=Vector3(x=number, y=2.0, z=3.0),
            transponder_id=name[:1],
        )
        for number, name in enumerate(names)
    ]
    own = reader()
    own.open(CHANNELS["tracks"])(
        stored(TrackSet(frame_sequence=5, frame_id=UUID(value="f"), part=1, parts=2, tracks=tracks), 1, stored_s=9),
        True,
    )
    (part,) = own.record().track_parts
    assert (part.frame_sequence, part.frame_id, part.part, part.parts, part.stored_ns) == (5, "f", 1, 2, 9 * S)
    assert (part.track_ids, part.identities) == (names, ("n", "t", "l", "c"))
    assert part.confirmed.tolist() == [False, True, False, True]
    assert part.position_m[3].tolist() == [3.0, 2.0, 3.0]


def test_truth_is_kept_at_the_ticks_of_scans_and_contacts_are_counted_at_all_ticks() -> None:
    own = reader()
    own.open(CHANNELS["frames"])(stored(frame(4), 1), True)
    take = own.open(CHANNELS["world"])
    for sequence, snap in enumerate((snapshot(2, "a"), snapshot(4, "b", "c"), snapshot(6)), start=1):
        take(stored(snap, sequence), True)
    record = own.record()
    assert record.truth.keys() == {4}
    assert record.truth[4].contact_ids == ("b", "c")
    assert record.truth[4].position_m.tolist() == [[4.0, 1.0, 0.0], [4.0, 1.0, 0.0]]
    assert record.contacts == dict.fromkeys("abc", "aircraft")
    assert (record.first_time_ns, record.last_time_ns) == (2 * S, 6 * S)


@pytest.mark.parametrize(("kind", "name"), [(ObjectType.OBJECT_TYPE_DRONE, "drone"), (0, "unknown"), (99, "unknown")])
def test_a_contact_of_an_undefined_type_is_unknown(kind: int, name: str) -> None:
    own = reader()
    own.open(CHANNELS["world"])(stored(snapshot(1, "a", kind=kind), 1), True)
    assert own.record().contacts == {"a": name}


def test_another_run_on_the_subject_is_counted_as_such_and_not_read() -> None:
    own = reader()
    take = own.open(CHANNELS["world"])
    take(stored(snapshot(1, "old"), 1, run=OTHER, produced_s=0, stored_s=99), True)
    take(stored(snapshot(1, "new"), 1, produced_s=5, stored_s=6), True)
    take(stored(snapshot(2, "new"), 2, produced_s=6, stored_s=8), True)
    record, tally = own.record(), own.tallies()["qiki.sim.v1.world"]
    assert record.contacts == {"new": "aircraft"}
    assert (record.begun_ns, record.ended_ns) == (5 * S, 8 * S)
    assert [(run.run_id, run.messages) for run in tally.runs] == [(OTHER, 1), (RUN, 2)]


def test_the_growing_audit_trail_is_read_to_the_end_it_had_at_the_start() -> None:
    own = reader(audit=2)
    take = own.open(CHANNELS["audit"])
    for sequence, (code, name) in enumerate(((101, "BOOT_OK"), (101, "BOOT_OK"), (109, "SHUTDOWN")), start=1):
        take(stored(AuditEvent(code=code, name=name), sequence, run=OTHER), True)
    assert own.record().audit == {(101, "BOOT_OK"): 2}
    assert own.tallies()["qiki.events.v1.audit"].messages == 2


def test_a_message_that_is_not_intact_is_counted_and_not_read() -> None:
    own = reader()
    take = own.open(CHANNELS["world"])
    take(stored(snapshot(1, "a"), 1), True)
    take(stored(snapshot(2, "b"), 2), False)
    assert own.record().contacts == {"a": "aircraft"}
    assert own.tallies()["qiki.sim.v1.world"].messages == 2


def test_a_subject_without_messages_is_counted_too() -> None:
    own = reader()
    own.open(CHANNELS["sensors"])
    assert own.tallies()["qiki.sim.v1.sensors"].messages == 0


def test_a_foreign_message_is_refused() -> None:
    channel: Channel = CHANNELS["frames"]
    with pytest.raises(HeaderError, match="ce-id"):
        reader().open(channel)(StoredMessage(1, channel.subject, {}, b"", 0), True)
