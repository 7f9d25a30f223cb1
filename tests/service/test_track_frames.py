"""TrackFrames: a caller's own frames through a tracker of its own, over a real socket."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from qiki.common.v1.geometry_pb2 import UUID, Pose, Vector3d
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame, SensorModel
from qiki.radar.v1.track_pb2 import RadarTrackStatus
from qiki.tracker.v1.tracker_service_pb2 import Sensor, Session, TrackFramesRequest, TrackFramesResponse
from qiki_sdk.errors import from_rpc_error
from watch_cases import DERIVED_CASES, WAIT_S, Served, serve

pytestmark = pytest.mark.asyncio

SENSOR = "aaaaaaaa-0000-4000-8000-000000000001"
MODEL = SensorModel(
    min_range_m=10,
    max_range_m=50_000,
    min_elev_deg=-30,
    max_elev_deg=60,
    range_sigma_m=10,
    bearing_sigma_deg=0.2,
    elev_sigma_deg=0.2,
    vr_sigma_mps=0.5,
    detection_probability=0.95,
    clutter_per_scan=0.5,
)
TRACKER = next(case for case in DERIVED_CASES if case.service == "tracker")


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(TRACKER, tmp_path) as running:
        yield running


def opening(session_id: str = "a session") -> TrackFramesRequest:
    sensor = Sensor(sensor_id=UUID(value=SENSOR), model=MODEL, pose=Pose(position=Vector3d(x=0, y=0, z=0)))
    return TrackFramesRequest(session=Session(session_id=session_id, sensors=[sensor]))


def frame(second: int, *detections: RadarDetection, sensor_id: str = SENSOR) -> RadarFrame:
    made = RadarFrame(
        schema_version=1, frame_id=UUID(value=f"{second:08}-0000-4000-8000-000000000000"), detections=detections
    )
    made.sensor_id.value = sensor_id
    made.timestamp.seconds = 1_000 + second
    return made


def flight(second: int) -> RadarDetection:
    """A thing 10 km to the north that flies east at 100 m/s."""
    east, north = 100.0 * second, 10_000.0
    distance = math.hypot(east, north)
    bearing = math.degrees(math.atan2(east, north))
    return RadarDetection(range_m=distance, bearing_deg=bearing, vr_mps=100.0 * east / distance, snr_db=20)


def altered(second: int, **fields: float) -> RadarFrame:
    detection = flight(second)
    for name, value in fields.items():
        setattr(detection, name, value)
    return frame(second, flight(second), detection)


async def converse(served: Served, requests: list[TrackFramesRequest]) -> list[TrackFramesResponse]:
    """Send everything, and return everything that is answered."""
    call = served.stub.TrackFrames(iter(requests))
    async with asyncio.timeout(WAIT_S):
        return [response async for response in call]


def frames(count: int) -> list[TrackFramesRequest]:
    return [TrackFramesRequest(frame=frame(second, flight(second))) for second in range(count)]


async def test_every_frame_is_answered_by_its_tracks(served: Served) -> None:
    answers = await converse(served, [opening(), *frames(10)])
    assert [answer.track_set.frame_sequence for answer in answers] == list(range(1, 11))
    assert [answer.track_set.frame_id.value[:8] for answer in answers] == [f"{second:08}" for second in range(10)]
    (track,) = answers[-1].track_set.tracks
    assert track.status == RadarTrackStatus.RADAR_TRACK_STATUS_TRACKED
    assert abs(track.position.x - 900) < 60
    assert abs(track.position.y - 10_000) < 60
    assert abs(track.velocity.x - 100) < 15


async def test_the_same_session_gives_the_same_answers(served: Served) -> None:
    first = await converse(served, [opening("one"), *frames(6)])
    again = await converse(served, [opening("one"), *frames(6)])
    other = await converse(served, [opening("two"), *frames(6)])
    assert first == again
    assert first[0].track_set.tracks[0].track_id != other[0].track_set.tracks[0].track_id


async def test_sessions_share_nothing(served: Served) -> None:
    alone = await converse(served, [opening(), *frames(8)])
    beside = await asyncio.gather(*(converse(served, [opening(), *frames(8)]) for _ in range(4)))
    assert all(answers == alone for answers in beside)


BAD: dict[str, tuple[Callable[[], RadarFrame], str]] = {
    "NaN": (lambda: altered(5, range_m=math.nan), "detections[1].range_m"),
    "infinity": (lambda: altered(5, vr_mps=math.inf), "detections[1].vr_mps"),
    "a negative range": (lambda: altered(5, range_m=-1.0), "detections[1].range_m"),
    "a bearing of 360": (lambda: altered(5, bearing_deg=360.0), "detections[1].bearing_deg"),
    "an elevation over 90": (lambda: altered(5, elev_deg=90.1), "detections[1].elev_deg"),
    "an unknown sensor": (lambda: frame(5, flight(5), sensor_id="nobody"), "sensor_id"),
    "no sensor": (lambda: frame(5, flight(5), sensor_id=""), "sensor_id"),
    "time going backwards": (lambda: frame(-20, flight(5)), "timestamp"),
    "more than max_detections": (lambda: frame(5, *[flight(5)] * 4_001), "detections"),
    "an unknown status": (lambda: _with(frame(5, flight(5)), status=9), "status"),
}


def _with(made: RadarFrame, **fields: Any) -> RadarFrame:
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_frame_is_refused_by_its_field_and_the_tracker_goes_on_as_if_it_had_not_come(
    served: Served, name: str
) -> None:
    make, field = BAD[name]
    good = [opening(), *frames(10)]
    undisturbed = await converse(served, good)
    disturbed = await converse(served, [*good[:6], TrackFramesRequest(frame=make()), *good[6:]])
    rejection = disturbed.pop(5).rejection
    assert (rejection.frame_number, rejection.field) == (6, field)
    assert rejection.message
    for answer, expected in zip(disturbed, undisturbed, strict=True):
        answer.track_set.frame_sequence = expected.track_set.frame_sequence
        assert answer == expected


async def test_an_empty_frame_is_a_scan_in_which_nothing_was_seen(served: Served) -> None:
    answers = await converse(served, [opening(), *frames(8), TrackFramesRequest(frame=frame(8))])
    (track,) = answers[-1].track_set.tracks
    assert track.status == RadarTrackStatus.RADAR_TRACK_STATUS_COASTING
    assert track.miss_count == 1


async def refusal(served: Served, requests: list[TrackFramesRequest]) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await converse(served, requests)
    return from_rpc_error(caught.value)


async def test_a_session_begins_with_its_sensors(served: Served) -> None:
    error = await refusal(served, frames(1))
    assert (error.code, error.metadata["field"]) == (grpc.StatusCode.INVALID_ARGUMENT, "session")
    error = await refusal(served, [TrackFramesRequest(session=Session())])
    assert error.metadata["field"] == "session.sensors"
    twice = opening()
    twice.session.sensors.append(twice.session.sensors[0])
    assert (await refusal(served, [twice])).metadata["field"] == "session.sensors[1].sensor_id"


async def test_a_session_cannot_begin_twice(served: Served) -> None:
    error = await refusal(served, [opening(), opening()])
    assert error.metadata["field"] == "frame"


async def test_a_message_over_the_transports_limit_ends_only_its_call(served: Served) -> None:
    huge = frame(1, *[flight(1)] * 200_000)
    error = await refusal(served, [opening(), TrackFramesRequest(frame=huge)])
    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(await converse(served, [opening(), *frames(3)])) == 3


async def test_sessions_are_bounded_and_freed(served: Served) -> None:
    calls = [served.stub.TrackFrames() for _ in range(16)]
    for call in calls:
        await call.write(opening())
        await call.write(frames(1)[0])
        async with asyncio.timeout(WAIT_S):
            await call.read()
    error = await refusal(served, [opening()])
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_REACHED")
    for call in calls:
        await call.done_writing()
        async with asyncio.timeout(WAIT_S):
            assert await call.read() is grpc.aio.EOF
    assert len(await converse(served, [opening(), *frames(2)])) == 2


async def test_a_tracker_that_cannot_keep_checkpoints_goes_on_without(tmp_path: Path) -> None:
    (tmp_path / "not a directory").write_text("")
    async with serve(TRACKER, tmp_path / "sim", tracker_state_dir=tmp_path / "not a directory" / "x") as served:
        await served.produce(8)
        assert served.feed.ring.last_sequence >= 8
