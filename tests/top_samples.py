"""A mesh as `qiki top` sees it: answers as its services give them, and radar messages."""

from collections.abc import Mapping
from typing import Any

from cli.views.top.model.answer import SERVING, UNREACHABLE, Answer
from cli.views.top.model.mesh import MeshState, advance, new_mesh
from cli.views.top.model.metrics import parse_metrics
from cli.views.top.snapshot import Snapshot
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import FriendFoe, RadarTrack, RadarTrackStatus, TrackSet

NAMES = ("nats", "sim", "radar", "tracker", "registrar", "bridge", "archive")
START_S = 1000.0
WALL_S = 1_795_000_000.0  # 2026-11-18T11:06:40Z
RUN_ID = "ac5be783-b7f9-42f4-ac26-ed0ee52b1e03"
SIM_FACTS = {"run_id": RUN_ID, "tick": 359, "phase": "RUNNING", "speed": 1.0, "blocked_by": ""}


def metrics_text(
    cpu_s: float = 1.0, resident: float = 8e7, feeds: Mapping[str, float] | None = None, more: str = ""
) -> str:
    """Return `/metrics` of a service with these feeds, each with the required reader `bridge` that has confirmed 0."""
    lines = [f"process_cpu_seconds_total {cpu_s}", f"process_resident_memory_bytes {resident}"]
    lines.append(f"process_start_time_seconds {WALL_S - 3700}")
    for feed, sequence in (feeds or {}).items():
        lines.append(f'qiki_feed_events_total{{feed="{feed}"}} {sequence}')
        lines.append(f'qiki_feed_confirmed_sequence{{feed="{feed}",reader="bridge"}} 0')
        lines.append(f'qiki_feed_blocked_seconds{{feed="{feed}",reader="bridge"}} 0')
    return "\n".join([*lines, more]) + "\n"


def answer(
    name: str,
    at_s: float,
    metrics: str | None = None,
    *,
    status: str = SERVING,
    reason: str = "",
    facts: Mapping[str, Any] | None = None,
) -> Answer:
    """Return one answer of a service."""
    found = None if metrics is None else parse_metrics(metrics.encode())
    known = {} if facts is None and status != UNREACHABLE else facts
    return Answer(name, at_s, status, reason, 4711, known, found)


def after(*answers: Answer, mesh: MeshState | None = None) -> MeshState:
    """Return the state of a mesh after these answers."""
    state = new_mesh(NAMES, START_S) if mesh is None else mesh
    for each in answers:
        state = advance(state, each)
    return state


def running(at_s: float, sequence: float) -> list[Answer]:
    """Return a round of answers of a mesh in which all is well and each feed has this sequence."""
    lag = 'qiki_jetstream_consumer_lag{stream="QIKI_EVENTS_V1",consumer="registrar_intake"} 0'
    return [
        answer("nats", at_s, metrics_text()),
        answer("sim", at_s, metrics_text(at_s / 10, feeds={"world": sequence, "sensors": sequence}), facts=SIM_FACTS),
        answer("radar", at_s, metrics_text(feeds={"frames": sequence}), facts={"ended": False}),
        answer("tracker", at_s, metrics_text(feeds={"tracks": sequence, "guard": 1}), facts={"ended": False}),
        answer("registrar", at_s, metrics_text(feeds={"audit": 14})),
        answer("bridge", at_s, metrics_text(more=lag)),
        answer("archive", at_s, metrics_text()),
    ]


def snapshot(mesh: MeshState, now_s: float, **more: Any) -> Snapshot:
    """Return a snapshot of this state."""
    return Snapshot(now_s, WALL_S, "/tmp/state", mesh, **more)


def track(number: int, east_m: float, north_m: float, **fields: Any) -> RadarTrack:
    """Return a confirmed friend at this position, moving east, or with other fields."""
    made = RadarTrack(
        iff=fields.pop("iff", FriendFoe.FRIEND_FOE_FRIEND),
        status=fields.pop("status", RadarTrackStatus.RADAR_TRACK_STATUS_TRACKED),
        transponder_id=fields.pop("transponder_id", ""),
    )
    made.track_id.value = fields.pop("track_id", f"{number:04x}0000-0000-4000-8000-000000000000")
    made.position.x, made.position.y, made.position.z = east_m, north_m, 900.0
    made.velocity.x, made.velocity.y = fields.pop("velocity", (100.0, 0.0))
    assert not fields
    return made


def track_set(*tracks: RadarTrack, frame: int = 1, part: int = 1, parts: int = 1) -> TrackSet:
    """Return a set of tracks around an own ship in the origin."""
    made = TrackSet(frame_sequence=frame, part=part, parts=parts, tracks=tracks)
    made.own_ship.position.x = 0.0
    return made


def frame(sensor: str, *polar: tuple[float, float]) -> RadarFrame:
    """Return a frame with detections of these ranges in metres and bearings in degrees, at elevation 0."""
    made = RadarFrame()
    made.sensor_id.value = sensor
    made.detection_columns.range_m.extend(range_m for range_m, _ in polar)
    made.detection_columns.bearing_deg.extend(bearing for _, bearing in polar)
    return made
