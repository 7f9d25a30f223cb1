"""`qiki replay`: the tracker folds an archived run's frames to the tracks that were archived, or says where not."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.jetstream.connection import connect
from adapters.jetstream.topology import init, wanted_streams
from adapters.jetstream.writer import Message, SubjectWriter
from chain import RUN_ID, SUBJECTS, Stored, run_to_the_end
from cli.message_difference import first_difference
from nats_server import NatsServer
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet

DURATION_S = 8.0
FRAMES, TRACKS = "qiki.radar.v1.frames", "qiki.radar.v1.tracks"
Streams = dict[str, list[Stored]]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Streams:
    return asyncio.run(run_to_the_end(tmp_path_factory.mktemp("run"), DURATION_S))


def replay(directory: Path, frames: Sequence[Stored], tracks: Sequence[Stored], *options: str) -> tuple[int, str]:
    """Replay what these messages are, from a nats-server that holds them; return the exit status and what was said."""
    return asyncio.run(_replay(directory, {FRAMES: frames, TRACKS: tracks}, options))


async def _replay(directory: Path, streams: dict[str, Sequence[Stored]], options: Sequence[str]) -> tuple[int, str]:
    async with NatsServer(directory / "nats") as server:
        client = await connect(server.url, "test", lambda _event: None)
        await init(client, wanted_streams(0.1))
        for subject, messages in streams.items():
            writer = SubjectWriter(client, SUBJECTS[subject], subject)
            last = 0
            for message in messages:
                last = await writer.append([as_written(message)], last, 5.0)
        await client.close()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "replay", "--nats-url", server.url, *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(120):
            said, _ = await process.communicate()
        return process.returncode or 0, said.decode()


def as_written(message: Stored) -> Message:
    headers = {name: value for name, value in message.headers.items() if not name.startswith("Nats-Expected")}
    batch = ("Nats-Batch-Id", "Nats-Batch-Sequence", "Nats-Batch-Commit")
    return Message({name: value for name, value in headers.items() if name not in batch}, message.data)


def test_the_tracks_of_a_run_are_made_again_to_the_byte(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored[FRAMES], stored[TRACKS])
    count = len(stored[FRAMES])
    assert status == 0, said
    assert f"run {RUN_ID}" in said
    assert f"{count} frames folded, {count} track sets compared" in said
    assert "all the same, to the byte" in said


def test_a_run_can_be_named_and_paced(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored[FRAMES], stored[TRACKS], "--run", RUN_ID, "--speed", "100")
    assert status == 0, said
    assert "all the same" in said


def test_the_first_difference_is_told_and_all_are_counted(stored: Streams, tmp_path: Path) -> None:
    tracks = list(stored[TRACKS])
    for index in (5, 9):
        altered = TrackSet.FromString(tracks[index].data)
        altered.own_ship.position.x += 1.0
        tracks[index] = replace(tracks[index], data=altered.SerializeToString(deterministic=True))
    status, said = replay(tmp_path, stored[FRAMES], tracks)
    assert status == 1
    assert "2 differ" in said
    assert "track set 6, after frame 6" in said
    assert "own_ship.position.x" in said


def test_a_set_that_is_missing_at_the_end_is_a_difference(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored[FRAMES], stored[TRACKS][:-1])
    assert status == 1
    assert f"track set {len(stored[TRACKS])}, after frame" in said
    assert "is not archived" in said


def test_sets_of_frames_that_are_still_on_their_way_are_no_difference(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored[FRAMES][:-2], stored[TRACKS])
    assert status == 0, said
    assert f"{len(stored[FRAMES]) - 2} frames folded" in said


def test_track_sets_that_are_trimmed_are_told_and_left_out(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored[FRAMES], stored[TRACKS][4:])
    assert status == 0, said
    assert "the first 4 track sets are no longer archived" in said


def test_frames_that_are_trimmed_cannot_be_replayed(stored: Streams, tmp_path: Path) -> None:
    status, said = replay(tmp_path, stored[FRAMES][1:], stored[TRACKS])
    assert status == 1
    assert "cannot be replayed: frames: event 1 is not archived, the next one is 2" in said


def test_a_run_that_is_not_there_is_told(stored: Streams, tmp_path: Path) -> None:
    other = "22222222-2222-4333-8444-555555555555"
    status, said = replay(tmp_path, stored[FRAMES], stored[TRACKS], "--run", other)
    assert (status, said) == (1, f"qiki: the run cannot be replayed: frames: run {other} is not archived\n")


@pytest.mark.parametrize("options", [("--run", "x"), ("--speed", "nan"), ("--speed", "0"), ("--bot-spec", "nowhere")])
def test_what_is_asked_for_wrongly_is_told_before_anything_is_done(options: tuple[str, str]) -> None:
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
