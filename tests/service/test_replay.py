"""`qiki replay`: the tracker folds a run's frames to the archived tracks and alarms, or reports the differences."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.jetstream.client.connection import connect
from adapters.jetstream.topology.streams import init
from chain import RUN_ID, Stored
from cli.runs.replay.difference import first_difference
from declared import wanted_streams
from finished_run import Streams, altered, finish_run, store_again
from mesh.feeds.token import decode
from nats_server import NatsServer
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.tracker.v1.guard_pb2 import GuardEvent

FRAMES, TRACKS, GUARD = "qiki.radar.v1.frames", "qiki.radar.v1.tracks", "qiki.events.v1.guard"
OTHER_RUN = "22222222-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Streams:
    return finish_run(tmp_path_factory.mktemp("run"))


def replay(directory: Path, stored: Streams, *options: str, **changed: Sequence[Stored]) -> tuple[int, str]:
    """Replay these messages, some `changed`, from a nats-server that holds them; return exit status and output."""
    frames, tracks, guard = (changed.get(name, stored[subject]) for name, subject in SUBJECTS)
    return asyncio.run(_replay(directory, {FRAMES: frames, TRACKS: tracks, GUARD: guard}, options))


SUBJECTS = (("frames", FRAMES), ("tracks", TRACKS), ("guard", GUARD))


async def _replay(directory: Path, streams: Mapping[str, Sequence[Stored]], options: Sequence[str]) -> tuple[int, str]:
    async with NatsServer(directory / "nats") as server:
        client = await connect(server.url, "test", lambda _event: None)
        await init(client, wanted_streams(0.1))
        await store_again(client, streams)
        await client.close()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "replay", "--nats-url", server.url, *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(120):
            said, _ = await process.communicate()
        return process.returncode or 0, said.decode()


def test_the_tracks_and_guard_events_of_a_run_are_reproduced_to_the_byte(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored)
    frames, alarms = len(stored[FRAMES]), len(stored[GUARD])
    assert status == 0, said
    assert alarms >= 2
    assert f"run {RUN_ID}" in said
    assert f"{frames} frames folded, {frames} track sets and {alarms} guard events compared" in said
    assert "all the same, to the byte" in said


def test_a_run_and_its_playback_speed_can_be_given(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored, "--run", RUN_ID, "--speed", "100")
    assert status == 0, said
    assert "all the same" in said


def test_the_first_difference_is_reported_and_all_are_counted(stored: Streams, tmp_path: Path) -> None:
    tracks = list(stored[TRACKS])
    for index in (5, 9):
        other = TrackSet.FromString(tracks[index].data)
        other.own_ship.position.x += 1.0
        tracks[index] = replace(tracks[index], data=other.SerializeToString(deterministic=True))
    status, said = replay(tmp_path, stored, tracks=tracks)
    assert status == 1
    assert "2 differ" in said
    assert "track set 6, after frame 6" in said
    assert "own_ship.position.x" in said
    assert "guard event" not in said.partition("the first difference:")[2]


def test_a_guard_event_that_differs_is_reported_by_its_field(stored: Streams, tmp_path: Path) -> None:
    event = GuardEvent.FromString(stored[GUARD][-1].data)
    event.held_s += 1.0
    guard = altered(stored[GUARD], -1, data=event.SerializeToString(deterministic=True))
    status, said = replay(tmp_path, stored, guard=guard)
    assert status == 1
    assert "1 differ" in said
    assert f"guard event {len(guard)}, after frame {event.frame_sequence} at " in said
    assert "held_s: " in said


@pytest.mark.parametrize("left", [0, -1], ids=["none is there", "the last is missing"])
def test_a_guard_event_that_is_missing_is_a_difference(stored: Streams, tmp_path: Path, left: int) -> None:
    guard = stored[GUARD][:left]
    status, said = replay(tmp_path, stored, guard=guard)
    assert status == 1
    assert f"guard event {len(guard) + 1}, after frame" in said
    assert "is not archived, and what follows was not compared" in said
    assert f"{len(stored[TRACKS])} track sets and {len(guard)} guard events compared" in said


def test_a_set_that_is_missing_at_the_end_is_a_difference(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored, tracks=stored[TRACKS][:-1])
    assert status == 1
    assert f"track set {len(stored[TRACKS])}, after frame" in said
    assert "is not archived" in said


def test_events_of_frames_not_yet_processed_are_no_difference(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored, frames=stored[FRAMES][:-2])
    assert status == 0, said
    assert f"{len(stored[FRAMES]) - 2} frames folded" in said


@pytest.mark.parametrize(
    ("name", "subject", "called"), [("tracks", TRACKS, "track set"), ("guard", GUARD, "guard event")]
)
def test_an_event_that_no_frame_causes_is_a_difference(
    stored: Streams, tmp_path: Path, name: str, subject: str, called: str
) -> None:
    last = stored[subject][-1]
    sequence = len(stored[subject]) + 1
    token = replace(decode(last.headers["qiki-resume-token"]), sequence=sequence).encode()
    headers = {**last.headers, "ce-sequence": f"{sequence:020}", "qiki-resume-token": token}
    status, said = replay(tmp_path, stored, **{name: [*stored[subject], replace(last, headers=headers)]})
    assert status == 1
    assert f"1 {called}s are archived that no frame makes" in said


def test_trimmed_events_are_reported_and_not_compared(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored, tracks=stored[TRACKS][4:], guard=stored[GUARD][1:])
    assert status == 0, said
    assert "the first 4 track sets are no longer archived" in said
    assert "the first 1 guard events are no longer archived" in said


def test_frames_that_are_trimmed_cannot_be_replayed(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored, frames=stored[FRAMES][1:])
    assert status == 1
    assert "cannot be replayed: frames: event 1 is not archived, the next one is 2" in said


def test_a_missing_run_is_reported(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored, "--run", OTHER_RUN)
    assert (status, said) == (1, f"qiki: the run cannot be replayed: frames: run {OTHER_RUN} is not archived\n")


@pytest.mark.parametrize("options", [("--run", "x"), ("--speed", "nan"), ("--speed", "0"), ("--bot-spec", "nowhere")])
def test_invalid_arguments_are_reported_before_any_work(options: tuple[str, str]) -> None:
    command = [sys.executable, "-m", "cli", "replay", "--nats-url", "nats://127.0.0.1:1", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_first_difference_of_two_messages_is_named_by_its_path() -> None:
    one = RadarFrame(scan_number=1, detections=[RadarDetection(range_m=1.0), RadarDetection(range_m=2.0)])
    other = RadarFrame.FromString(one.SerializeToString())
    assert first_difference(one, other) == ""
    other.detections[1].range_m = 3.0
    assert first_difference(one, other) == "detections[1].range_m: 2.0 archived, 3.0 folded"
    other.detections.pop()
    assert first_difference(one, other) == "detections: 2 archived, 1 folded"
    other = RadarFrame.FromString(one.SerializeToString())
    other.sensor_id.SetInParent()
    assert first_difference(one, other) == "sensor_id: is there in one of them only"
    one.detections[0].vr_mps, other = -0.0, RadarFrame.FromString(one.SerializeToString())
    other.detections[0].vr_mps = 0.0
    assert first_difference(one, other) == "detections[0].vr_mps: -0.0 archived, 0.0 folded"
