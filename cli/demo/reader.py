"""Folds a run's messages from JetStream into its record, and counts them."""

from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.codec.cloudevents import from_headers
from adapters.jetstream.verify.count import Counter, SubjectTally
from botspec.channels import Channel
from cli.demo.record import Coverage, Floats, RecordedScan, RunRecord, TrackPart, Truth
from qiki.common.v1.contact_pb2 import ObjectType
from qiki.common.v1.geometry_pb2 import Vector3, Vector3d
from qiki.common.v1.stream_pb2 import EventContext
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import RadarTrackStatus, TrackSet
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki.sim.v1.world_pb2 import WorldSnapshot

_CONFIRMED = (RadarTrackStatus.RADAR_TRACK_STATUS_TRACKED, RadarTrackStatus.RADAR_TRACK_STATUS_COASTING)
# The truth is kept only at the ends of scans, which are known once the frames have been read.
_FIRST = RadarFrame.DESCRIPTOR.full_name


def reading_order(channels: Sequence[Channel]) -> list[Channel]:
    """Return the channels in the order in which a `RunReader` takes their messages."""
    return sorted(channels, key=lambda channel: channel.type != _FIRST)


@dataclass(slots=True)
class RunReader:
    """Takes the messages of one run, channel after channel in `reading_order`, each in the order of its subject.

    For a recorded channel, which continues after the run, it takes events up to the sequence in `ends`.
    """

    run_id: str
    radars: Mapping[str, str]
    ends: Mapping[str, int]
    _counters: dict[str, Counter] = field(default_factory=dict)
    _contacts: dict[str, str] = field(default_factory=dict)
    _truth: dict[int, Truth] = field(default_factory=dict)
    _scan_ticks: set[int] = field(default_factory=set)
    _scans: list[RecordedScan] = field(default_factory=list)
    _track_parts: list[TrackPart] = field(default_factory=list)
    _audit: Tally[tuple[int, str]] = field(default_factory=Tally)
    _begun_ns: int = 0
    _ended_ns: int = 0
    _first_time_ns: int = 0
    _last_time_ns: int = 0

    def open(self, channel: Channel) -> Callable[[StoredMessage, bool], None]:
        """Return a function that counts the channel's messages and reads the intact ones.

        The function raises HeaderError, and DecodeError of protobuf.
        """
        counter = self._counters[channel.subject] = Counter(channel.subject)
        read = self._reader_of(channel.type)

        def take(message: StoredMessage, intact: bool) -> None:
            context = from_headers(message.headers).context
            if channel.policy == "recorded" and context.sequence > self.ends[channel.name]:
                return
            counter.add(message.headers)
            if channel.policy == "derived":
                if context.run_id != self.run_id:
                    return
                self._note_wall_clock(context, message.stored_ns)
            if read is not None and intact:
                read(context, message)

        return take

    def tallies(self) -> dict[str, SubjectTally]:
        """Return the number of messages, by subject."""
        return {subject: counter.result() for subject, counter in self._counters.items()}

    def record(self) -> RunRecord:
        """Return the record of the messages read so far."""
        return RunRecord(
            radars=self.radars,
            contacts=self._contacts,
            truth=self._truth,
            scans=tuple(self._scans),
            track_parts=tuple(self._track_parts),
            audit=dict(sorted(self._audit.items())),
            begun_ns=self._begun_ns,
            ended_ns=self._ended_ns,
            first_time_ns=self._first_time_ns,
            last_time_ns=self._last_time_ns,
        )

    def _reader_of(self, payload_type: str) -> Callable[[EventContext, StoredMessage], None] | None:
        readers = {
            RadarFrame.DESCRIPTOR.full_name: self._read_frame,
            TrackSet.DESCRIPTOR.full_name: self._read_track_set,
            WorldSnapshot.DESCRIPTOR.full_name: self._read_world,
            AuditEvent.DESCRIPTOR.full_name: self._read_audit,
        }
        return readers.get(payload_type)

    def _note_wall_clock(self, context: EventContext, stored_ns: int) -> None:
        produced_ns = context.recorded_time.ToNanoseconds()
        self._begun_ns = min(self._begun_ns or produced_ns, produced_ns)
        self._ended_ns = max(self._ended_ns, stored_ns)

    def _read_frame(self, context: EventContext, message: StoredMessage) -> None:
        frame = RadarFrame.FromString(message.payload)
        scan = to_scan(frame, context.sequence, context.recorded_time.ToNanoseconds())
        self._scans.append(scan)
        self._scan_ticks.add(scan.tick)

    def _read_track_set(self, _context: EventContext, message: StoredMessage) -> None:
        self._track_parts.append(to_track_part(TrackSet.FromString(message.payload), message.stored_ns))

    def _read_world(self, _context: EventContext, message: StoredMessage) -> None:
        snapshot = WorldSnapshot.FromString(message.payload)
        self._last_time_ns = snapshot.time.ToNanoseconds()
        self._first_time_ns = self._first_time_ns or self._last_time_ns
        for contact in snapshot.contacts:
            self._contacts.setdefault(contact.contact_id.value, _kind(contact.object_type))
        if snapshot.tick in self._scan_ticks:
            ids = tuple(contact.contact_id.value for contact in snapshot.contacts)
            self._truth[snapshot.tick] = Truth(ids, _rows([contact.position for contact in snapshot.contacts]))

    def _read_audit(self, _context: EventContext, message: StoredMessage) -> None:
        event = AuditEvent.FromString(message.payload)
        self._audit[event.code, event.name] += 1


def to_scan(frame: RadarFrame, sequence: int, produced_ns: int) -> RecordedScan:
    """Return a frame with its detections as positions."""
    sensor_m, model = _components(frame.sensor_pose.position), frame.sensor_model
    seen = np.array([(each.range_m, each.bearing_deg, each.elev_deg) for each in frame.detections]).reshape(-1, 3)
    return RecordedScan(
        sequence=sequence,
        frame_id=frame.frame_id.value,
        sensor_id=frame.sensor_id.value,
        tick=frame.tick,
        produced_ns=produced_ns,
        coverage=Coverage(
            np.array(sensor_m), model.min_range_m, model.max_range_m, model.min_elev_deg, model.max_elev_deg
        ),
        detection_m=np.array(sensor_m) + to_space(seen),
    )


def to_track_part(track_set: TrackSet, stored_ns: int) -> TrackPart:
    """Return a part of a set of tracks."""
    tracks = track_set.tracks
    return TrackPart(
        frame_sequence=track_set.frame_sequence,
        frame_id=track_set.frame_id.value,
        part=track_set.part,
        parts=track_set.parts,
        stored_ns=stored_ns,
        track_ids=tuple(track.track_id.value for track in tracks),
        identities=tuple(track.transponder_id for track in tracks),
        confirmed=np.array([track.status in _CONFIRMED for track in tracks], dtype=np.bool_),
        position_m=_rows([track.position for track in tracks]),
    )


def to_space(measured: Floats) -> Floats:
    """Return points (n, 3) in m, ENU from the sensor, for ranges in m, bearings and elevations in deg (n, 3)."""
    range_m, bearing, elev = measured[:, 0], np.radians(measured[:, 1]), np.radians(measured[:, 2])
    ground_m = range_m * np.cos(elev)
    return np.column_stack([ground_m * np.sin(bearing), ground_m * np.cos(bearing), range_m * np.sin(elev)])


def _kind(object_type: ObjectType.ValueType) -> str:
    if object_type not in ObjectType.values():  # encoded by a newer version
        return "unknown"
    name = ObjectType.Name(object_type).removeprefix("OBJECT_TYPE_").lower()
    return "unknown" if name == "unspecified" else name


def _rows(vectors: Sequence[Vector3 | Vector3d]) -> Floats:
    return np.array([_components(vector) for vector in vectors], dtype=np.float64).reshape(-1, 3)


def _components(vector: Vector3 | Vector3d) -> tuple[float, float, float]:
    return vector.x, vector.y, vector.z
