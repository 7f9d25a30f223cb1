"""TrackFrames: a caller's frames, tracked in a separate session over a real socket."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

import svc_tracker.wiring
from botspec.example import example_bot_spec
from mesh.serving.errors import StartError
from qiki.common.v1.geometry_pb2 import UUID, Pose, Vector3d
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame, SensorModel
from qiki.radar.v1.track_pb2 import RadarTrackStatus
from qiki.tracker.v1.tracker_service_pb2 import (
    GetTracksRequest,
    Sensor,
    Session,
    TrackFramesRequest,
    TrackFramesResponse,
)
from qiki.tracker.v1.tracker_service_pb2_grpc import TrackerServiceStub
from qiki_sdk.channel import connect
from qiki_sdk.columns import detection_columns
from qiki_sdk.errors import from_rpc_error
from radar_messages import MODEL, SENSOR, eastbound, frame_of
from svc_tracker.config import TrackerSettings
from svc_tracker.domain import TrackerModel
from svc_tracker.service import SESSION_THREADS
from watch_cases import DERIVED_CASES, WAIT_S, Served, running, serve, service_context

pytestmark = pytest.mark.asyncio

OTHER_SENSOR = "aaaaaaaa-0000-4000-8000-000000000002"
TRACKER = next(case for case in DERIVED_CASES if case.service == "tracker")


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(TRACKER, tmp_path) as running:
        yield running


def opening(session_id: str = "a session", model: SensorModel = MODEL, **fields: Any) -> TrackFramesRequest:
    sensor = Sensor(sensor_id=UUID(value=SENSOR), model=model, pose=Pose(position=Vector3d(x=0, y=0, z=0)))
    return TrackFramesRequest(session=Session(session_id=session_id, sensors=[sensor], **fields))


def frame(second: int, *detections: RadarDetection, sensor_id: str = SENSOR) -> RadarFrame:
    made = frame_of(second, *detections, sensor_id=sensor_id)
    made.timestamp.seconds = 1_000 + second
    return made


def flight(second: int) -> RadarDetection:
    return eastbound(second, 10_000.0)


def altered(second: int, **fields: float) -> RadarFrame:
    detection = flight(second)
    for name, value in fields.items():
        setattr(detection, name, value)
    return frame(second, flight(second), detection)


async def converse(served: Served, requests: list[TrackFramesRequest]) -> list[TrackFramesResponse]:
    """Send all requests and return all responses."""
    call = served.stub.TrackFrames(iter(requests))
    async with asyncio.timeout(WAIT_S):
        return [response async for response in call]


def frames(count: int) -> list[TrackFramesRequest]:
    return [TrackFramesRequest(frame=frame(second, flight(second))) for second in range(count)]


async def test_every_frame_is_answered_with_its_tracks(served: Served) -> None:
    answers = await converse(served, [opening(), *frames(10)])
    assert [answer.track_set.frame_sequence for answer in answers] == list(range(1, 11))
    assert [answer.track_set.frame_id.value[:8] for answer in answers] == [f"{second:08}" for second in range(10)]
    (track,) = answers[-1].track_set.tracks
    assert track.status == RadarTrackStatus.RADAR_TRACK_STATUS_TRACKED
    assert abs(track.position.x - 900) < 60
    assert abs(track.position.y - 10_000) < 60
    assert abs(track.velocity.x - 100) < 15


def in_columns(request: TrackFramesRequest) -> TrackFramesRequest:
    """Return a frame's request with its detections as columns."""
    converted = TrackFramesRequest()
    converted.CopyFrom(request)
    converted.frame.ClearField("detections")
    converted.frame.detection_columns.CopyFrom(detection_columns(request.frame))
    return converted


async def test_frames_in_columns_are_answered_with_the_same_tracks(served: Served) -> None:
    plain = await converse(served, [opening(), *frames(8)])
    columnar = await converse(served, [opening(), *map(in_columns, frames(8))])
    mixed = [in_columns(each) if index % 2 else each for index, each in enumerate(frames(8))]
    assert plain == columnar == await converse(served, [opening(), *mixed])


async def test_a_session_that_requests_columns_is_answered_in_columns_with_the_same_tracks(served: Served) -> None:
    plain = await converse(served, [opening(), *frames(8)])
    columnar = await converse(served, [opening(track_columns=True), *frames(8)])
    for one, other in zip(plain, columnar, strict=True):
        assert not other.track_set.tracks
        columns = other.track_set.track_columns
        assert list(columns.track_id) == [track.track_id.value for track in one.track_set.tracks]
        assert list(columns.score) == [track.score for track in one.track_set.tracks]
        other.track_set.ClearField("track_columns")
        one.track_set.ClearField("tracks")
        assert other == one


def flat() -> SensorModel:
    """Return the model of a radar without elevation and radial velocity."""
    model = SensorModel()
    model.CopyFrom(MODEL)
    model.no_elevation = model.no_radial_velocity = True
    model.ClearField("elev_sigma_deg")
    model.ClearField("vr_sigma_mps")
    return model


async def test_a_session_of_a_radar_without_elevation_and_radial_velocity_is_tracked_in_the_plane(
    served: Served,
) -> None:
    answers = await converse(served, [opening(model=flat()), *frames(12)])
    assert [answer.WhichOneof("response") for answer in answers] == ["track_set"] * 12
    (track,) = answers[-1].track_set.tracks
    assert abs(track.position.x - 1_100) < 60
    assert track.position.z == track.velocity.z == 0.0


async def test_a_session_with_at_least_one_radar_with_elevation_is_tracked_in_space(served: Served) -> None:
    request = opening(model=flat())
    request.session.sensors.add(sensor_id=UUID(value=OTHER_SENSOR), model=MODEL, pose=Pose())
    seen = flight(0)
    seen.elev_deg = 10.0
    first = TrackFramesRequest(frame=frame(0, seen, sensor_id=OTHER_SENSOR))
    answers = await converse(served, [request, first, *frames(4)[1:]])
    assert [answer.WhichOneof("response") for answer in answers] == ["track_set"] * 4
    assert answers[0].track_set.tracks[0].position.z > 1_500.0


async def test_a_session_in_the_plane_refuses_a_frame_whose_own_model_has_elevation(served: Served) -> None:
    raised = frame(3, flight(3))
    raised.sensor_model.CopyFrom(MODEL)
    answers = await converse(served, [opening(model=flat()), *frames(3), TrackFramesRequest(frame=raised)])
    assert answers[-1].rejection.field == "sensor_model.no_elevation"


async def test_a_session_without_sensor_models_is_tracked_in_space(served: Served) -> None:
    request = opening()
    request.session.sensors[0].ClearField("model")
    own = [each.frame for each in frames(3)]
    for each in own:
        each.sensor_model.CopyFrom(MODEL)
    answers = await converse(served, [request, *(TrackFramesRequest(frame=each) for each in own)])
    assert [answer.WhichOneof("response") for answer in answers] == ["track_set"] * 3


async def test_sessions_use_the_tracker_settings_of_the_bot_spec(tmp_path: Path) -> None:
    bot_spec = tmp_path / "bot.yaml"
    straight = "{name: only, horizontal_noise_m2ps3: 1, vertical_noise_m2ps3: 1, mean_stay_s: 9}"
    bot_spec.write_text(f"{example_bot_spec().read_text()}\ntracker: {{modes: [{straight}]}}\n")
    parts = svc_tracker.wiring.build(TrackerSettings(grpc_port=0, http_port=0, bot_spec=bot_spec), service_context())
    async with running(parts) as server, connect(f"127.0.0.1:{server.port}") as channel:
        call = TrackerServiceStub(channel).TrackFrames(iter([opening(), *frames(2)]))
        async with asyncio.timeout(WAIT_S):
            answers = [response async for response in call]
    assert [mode.mode for mode in answers[-1].track_set.tracks[0].mode_probabilities] == ["only"]


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
    "more than max_detections": (lambda: frame(5, *[flight(5)] * (TrackerModel().max_detections + 1)), "detections"),
    "an unknown status": (lambda: _with(frame(5, flight(5)), status=9), "status"),
    "NaN in a column": (lambda: columns(5, vr_mps=math.nan), "detection_columns.vr_mps[1]"),
    "a column too short": (lambda: short(5), "detection_columns.bearing_deg"),
    "detections both ways": (lambda: both(5), "detection_columns"),
    "an enormous frame id": (lambda: _with_id(frame(5, flight(5)), "x" * 2_000_000), "frame_id"),
    "an enormous sensor": (lambda: frame(5, flight(5), sensor_id="x" * 2_000_000), "sensor_id"),
    "an attitude that is not finite": (lambda: turned(5, math.nan), "sensor_pose.attitude.x"),
    "a blind sector of no width": (lambda: blinded(5), "blind_sectors[0].sector.width_deg"),
}


def columns(second: int, **fields: float) -> RadarFrame:
    return in_columns(TrackFramesRequest(frame=altered(second, **fields))).frame


def short(second: int) -> RadarFrame:
    made = columns(second)
    made.detection_columns.bearing_deg.pop()
    return made


def both(second: int) -> RadarFrame:
    made = columns(second)
    made.detections.append(flight(second))
    return made


def turned(second: int, x: float) -> RadarFrame:
    made = frame(second, flight(second))
    made.sensor_pose.attitude.x = x
    return made


def blinded(second: int) -> RadarFrame:
    made = frame(second, flight(second))
    made.blind_sectors.add()
    return made


def _with_id(made: RadarFrame, frame_id: str) -> RadarFrame:
    made.frame_id.value = frame_id
    return made


def _with(made: RadarFrame, **fields: Any) -> RadarFrame:
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("name", BAD)
async def test_an_invalid_frame_is_refused_by_its_field_and_has_no_effect_on_the_tracker(
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


async def test_refused_frames_are_counted_by_field() -> None:
    base = service_context()
    parts = svc_tracker.wiring.build(TrackerSettings(grpc_port=0, http_port=0), base)
    wrong = [TrackFramesRequest(frame=BAD[name][0]()) for name in ("NaN", "a negative range", "an unknown sensor")]
    async with running(parts) as server, connect(f"127.0.0.1:{server.port}") as channel:
        call = TrackerServiceStub(channel).TrackFrames(iter([opening(), *frames(3), *wrong]))
        async with asyncio.timeout(WAIT_S):
            assert len([response async for response in call]) == 6
    counted = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in base.telemetry.registry.collect()
        for sample in metric.samples
        if sample.name.startswith("qiki_tracker_track_frames_") and sample.name.endswith("_total")
    }
    assert counted == {
        ("qiki_tracker_track_frames_total", "track_set"): 3,
        ("qiki_tracker_track_frames_total", "rejection"): 3,
        ("qiki_tracker_track_frames_refused_total", "detections[].range_m"): 2,
        ("qiki_tracker_track_frames_refused_total", "sensor_id"): 1,
    }


async def test_an_empty_frame_is_a_scan_without_detections(served: Served) -> None:
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


class Gate(ThreadPoolExecutor):
    """The executor of the sessions' frames: blocks them until it is opened, and records the order of their starts."""

    def __init__(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(SESSION_THREADS)
        self.order: list[str] = []
        self.opened = threading.Event()
        self.futures: list[Future[Any]] = []
        monkeypatch.setattr(served.servicer, "_executor", self)

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        def held() -> Any:
            self.order.append(args[0].frame_id.value[:8])
            assert self.opened.wait(WAIT_S)
            return function(*args, **kwargs)

        self.futures.append(super().submit(held))
        return self.futures[-1]

    async def until(self, *, begun: int, waiting: int) -> None:
        """Wait until `begun` frames have started in all, and `waiting` are queued."""

        def holds() -> bool:
            queued = [future for future in self.futures if not future.running() and not future.done()]
            return (len(self.order), len(queued)) == (begun, waiting)

        async with asyncio.timeout(WAIT_S):
            while not holds():  # noqa: ASYNC110 (a thread sets no event of ours)
                await asyncio.sleep(0.001)


async def test_the_runs_own_tracks_do_not_wait_for_a_sessions_frame(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(served, monkeypatch)
    call = served.stub.TrackFrames(iter([opening(), *frames(1)]))
    await gate.until(begun=1, waiting=0)
    before = served.feed.store.last_sequence
    await served.produce(4)
    assert served.feed.store.last_sequence >= before + 4
    gate.opened.set()
    async with asyncio.timeout(WAIT_S):
        assert len([response async for response in call]) == 1


async def test_sessions_take_turns_however_many_frames_one_has_queued(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(served, monkeypatch)
    greedy = served.stub.TrackFrames(iter([opening("greedy"), *frames(20)]))
    await gate.until(begun=1, waiting=0)
    modest = served.stub.TrackFrames(iter([opening("modest"), TrackFramesRequest(frame=frame(99, flight(1)))]))
    await gate.until(begun=1, waiting=1)
    gate.opened.set()
    async with asyncio.timeout(WAIT_S):
        assert len([response async for response in modest]) == 1
        assert len([response async for response in greedy]) == 20
    assert gate.order[:3] == ["00000000", "00000099", "00000001"]


async def test_a_session_cancelled_during_its_frame_is_freed_at_once(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(served, monkeypatch)
    calls = [
        served.stub.TrackFrames(iter([opening(), TrackFramesRequest(frame=frame(n, flight(n)))])) for n in range(16)
    ]
    await gate.until(begun=1, waiting=15)
    error = await refusal(served, [opening()])
    assert error.reason == "LIMIT_REACHED"
    for call in calls:
        call.cancel()
    await gate.until(begun=1, waiting=0)  # queued frames are removed
    another = served.stub.TrackFrames(iter([opening(), TrackFramesRequest(frame=frame(99, flight(99)))]))
    await gate.until(begun=1, waiting=1)
    gate.opened.set()
    async with asyncio.timeout(WAIT_S):
        assert len([response async for response in another]) == 1
    assert gate.order == [gate.order[0], "00000099"]


async def test_a_tracker_with_an_unusable_state_directory_does_not_start_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "not a directory").write_text("")
    directory = tmp_path / "not a directory" / "x"
    with pytest.raises(StartError, match=f"{directory} cannot be used"):
        svc_tracker.wiring.build(TrackerSettings(grpc_port=0, http_port=0, state_dir=directory), service_context())


async def test_a_tracker_that_cannot_keep_checkpoints_runs_without_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "tracker"
    async with serve(TRACKER, tmp_path / "sim", tracker_state_dir=directory) as served:
        directory.rename(tmp_path / "away")
        directory.write_text("not a directory")
        while not (failures := [each for each in caplog.records if each.message == "checkpoints cannot be kept"]):
            async with asyncio.timeout(WAIT_S):
                await served.produce(1)
        assert "Not a directory" in vars(failures[0])["why"]
        after = served.feed.store.last_sequence
        await served.produce(8)
        answer = await served.stub.GetTracks(GetTracksRequest(), timeout=WAIT_S)
        assert answer.context.sequence >= after + 8
