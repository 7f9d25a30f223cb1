"""`qiki diff` and `qiki replay --set`: the first difference of two archived runs, and of a run with other settings."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.jetstream.client.connection import connect
from adapters.jetstream.topology.streams import init
from chain import Stored
from declared import wanted_streams
from finished_run import Streams, finish_run, store_again
from nats_server import NatsServer
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet

WORLD, FRAMES, TRACKS, GUARD = (
    *("qiki.sim.v1.world", "qiki.radar.v1.frames"),
    *("qiki.radar.v1.tracks", "qiki.events.v1.guard"),
)
OTHER_RUN, OTHER_START = "22222222-2222-4333-8444-555555555555", "2030-06-01T12:00:00Z"
SUBJECTS = (WORLD, "qiki.sim.v1.sensors", FRAMES, TRACKS, GUARD)
TIMEOUT_S = 120.0


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def stored(directory: Path) -> Streams:
    return finish_run(directory)


async def qiki(*arguments: str) -> tuple[int, str]:
    """Run the command; return its exit status, and what it said on both outputs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(TIMEOUT_S):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def with_servers(
    directory: Path, contents: Sequence[Mapping[str, Sequence[Stored]]], *arguments: str
) -> tuple[int, str]:
    """Run the command with `{0}`, `{1}` replaced by the addresses of servers that hold these messages."""

    async def run() -> tuple[int, str]:
        async with AsyncExitStack() as stack:
            urls = []
            for number, streams in enumerate(contents):
                server = await stack.enter_async_context(NatsServer(directory / f"nats-{number}"))
                client = await connect(server.url, "test", lambda _event: None)
                await init(client, wanted_streams(0.1))
                await store_again(client, streams)
                await client.close()
                urls.append(server.url)
            return await qiki(*(argument.format(*urls) for argument in arguments))

    return asyncio.run(run())


def derived(stored: Streams) -> dict[str, Sequence[Stored]]:
    return {subject: stored[subject] for subject in SUBJECTS}


def with_other_payload(messages: Sequence[Stored], index: int, payload: bytes) -> list[Stored]:
    return [replace(each, data=payload) if number == index else each for number, each in enumerate(messages)]


def test_a_run_and_its_copy_are_the_same(stored: Streams, tmp_path: Path) -> None:
    status, said = with_servers(tmp_path, [derived(stored), derived(stored)], "diff", "{0}", "{1}")
    assert status == 0, said
    assert said.rstrip().endswith("The runs are the same.")
    assert f"frames   {len(stored[FRAMES])} events equal" in said


def test_the_first_cause_is_shown_with_its_digests_its_fields_and_its_inputs(stored: Streams, tmp_path: Path) -> None:
    index = len(stored[FRAMES]) // 2
    frame = RadarFrame.FromString(stored[FRAMES][index].data)
    frame.scan_number += 1
    track_set = TrackSet.FromString(stored[TRACKS][index].data)
    track_set.own_ship.position.x += 1.0
    changed = {
        **derived(stored),
        FRAMES: with_other_payload(stored[FRAMES], index, frame.SerializeToString(deterministic=True)),
        TRACKS: with_other_payload(stored[TRACKS], index, track_set.SerializeToString(deterministic=True)),
    }
    status, said = with_servers(tmp_path, [derived(stored), changed], "diff", "{0}", "{1}")
    assert status == 1, said
    assert f"frames   {index} events equal, event {index + 1} differs" in said
    assert f"tracks   {index} events equal, event {index + 1} differs" in said
    assert f"The first differing event: frames {index + 1}, " in said, "the tracks differ because of it"
    assert any(
        line.split() == ["scan_number", str(frame.scan_number - 1), str(frame.scan_number)]
        for line in said.splitlines()
    )
    digests = [line.split()[1:] for line in said.splitlines() if line.strip().startswith("sha256")]
    assert len(digests[0]) == 2
    assert digests[0][0] != digests[0][1]
    inputs = [line.split() for line in said.splitlines() if "its input, world" in line]
    assert len(inputs) == 1
    assert inputs[0][-1] == inputs[0][-2], "the world was the same"


def test_an_event_that_only_one_run_has_is_a_difference(stored: Streams, tmp_path: Path) -> None:
    shorter = {**derived(stored), TRACKS: stored[TRACKS][:-1]}
    status, said = with_servers(tmp_path, [derived(stored), shorter], "diff", "{0}", "{1}")
    assert status == 1
    assert f"The first differing event: tracks {len(stored[TRACKS])}, " in said
    assert "not there" in said


def test_a_run_with_another_id_and_start_is_the_same_and_one_with_another_seed_is_not(
    directory: Path, stored: Streams, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert stored, "the first run is in its state directory"
    other, third = tmp_path_factory.mktemp("other"), tmp_path_factory.mktemp("third")
    finish_run(other, run_id=OTHER_RUN, start_time=OTHER_START)
    finish_run(third, seed=8)
    first = str(directory / "state")
    status, said = asyncio.run(qiki("diff", first, f"{other / 'state'}#{OTHER_RUN}"))
    assert status == 0, said
    assert any(line.split()[0] == "start_time" for line in said.splitlines() if line.split())
    status, said = asyncio.run(qiki("diff", first, str(third / "state")))
    assert status == 1, said
    assert any(line.split() == ["seed", "7", "8"] for line in said.splitlines())
    assert "The first differing event: sensors 1, " in said, "noise is drawn with the seed; the world is not"


@pytest.mark.parametrize("second", ["nowhere", "nats://127.0.0.1:1", "nats://127.0.0.1:1#x", "{0}#" + OTHER_RUN])
def test_runs_that_cannot_be_compared_are_reported_with_status_2(stored: Streams, tmp_path: Path, second: str) -> None:
    status, said = with_servers(tmp_path, [derived(stored)], "diff", "{0}", second)
    assert status == 2, said
    assert "Traceback" not in said


def test_a_replay_with_another_setting_shows_the_change_in_the_tracks(stored: Streams, tmp_path: Path) -> None:
    arguments = ("replay", "--nats-url", "{0}", "--picture", str(tmp_path / "trails.png"))
    status, said = with_servers(
        tmp_path, [derived(stored)], *arguments, "--set", "tracker.confirm_probability=0.9999999"
    )
    assert status == 0, said
    rows = {line[:36].strip(): line[36:].split() for line in said.splitlines() if len(line) > 50}
    archived, changed = map(float, rows["confirmed tracks in a set, mean"])
    assert changed < archived
    assert "the first one is that of frame " in said
    assert (tmp_path / "trails.png").read_bytes().startswith(b"\x89PNG")


def test_a_replay_with_the_run_s_own_setting_changes_nothing(stored: Streams, tmp_path: Path) -> None:
    arguments = ("replay", "--nats-url", "{0}", "--set", "identity_policy.confirm_replies=4")
    status, said = with_servers(tmp_path, [derived(stored)], *arguments)
    assert status == 0, said
    assert f"0 of {len(stored[TRACKS])} sets of tracks differ" in said


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("tracker.confirm_probability=2", "tracker.confirm_probability: "),
        ("tracker.confirm_probabilty=0.5", "did you mean 'confirm_probability'?"),
        ("guard_rules.collision.distance_m=far", "guard_rules[0].distance_m: "),
        ("guard_rules.none.distance_m=5", "there is no 'none'"),
        ("components.radar-long.max_range_m=5", "depend on tracker, identity_policy, guard_rules only"),
        ("tracker", "expected PATH=VALUE"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_with_its_field(setting: str, reason: str) -> None:
    status, said = asyncio.run(qiki("replay", "--nats-url", "nats://127.0.0.1:1", "--set", setting))
    assert status == 2, said
    assert reason in said
