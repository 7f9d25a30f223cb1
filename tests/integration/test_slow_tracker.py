"""A live chain does not wait for a slow tracker: it goes on behind the frames that it missed, and says so."""

import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from chain import chain, facts, published_all, read_all, recorded_events, until
from cli.local_mesh.mesh import Mesh
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.sim.v1.sim_service_pb2 import ResumeSimulationRequest
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect

FRAMES_PER_S = 3
RETENTION_S = "30"
# Long against what the transport buffers for a reader that does not read.
STOPPED_FRAMES = 140 * FRAMES_PER_S
# More than the transport has buffered: those behind the gap are among them.
AFTERWARDS = 80 * FRAMES_PER_S
MAX_STOPS = 3
DURATION_S = 500.0

pytestmark = pytest.mark.asyncio


async def test_a_live_tracker_that_fell_behind_goes_on_with_its_tracks_and_reports_the_gap(tmp_path: Path) -> None:
    settings = (("radar", "retention_s", RETENTION_S), ("sim", "PAUSED", "true"))
    async with chain(tmp_path, DURATION_S, speed="20", flow_control="live", settings=settings) as mesh:
        tracker = int(mesh.endpoints()["tracker"]["pid"])
        await until(lambda: all_carrying(mesh), "every channel is followed before its first event")
        async with connect(f"127.0.0.1:{mesh.ports['sim']}") as channel:
            await SimServiceStub(channel).ResumeSimulation(ResumeSimulationRequest(), timeout=30)
        await fall_behind(mesh, tracker)
        await until(lambda: published_all(mesh), "everything published")
        reported = await gaps(mesh)
        stored = (await read_all(mesh))["qiki.radar.v1.tracks"]
        assert int(mesh.endpoints()["tracker"]["pid"]) == tracker, "it was never restarted"
    sets = [TrackSet.FromString(message.data) for message in stored]
    frames = [each.frame_sequence for each in sets]
    missing = [(before, after) for before, after in pairwise(frames) if after > before + 1]
    assert missing
    assert reported == [(before + 1, after - 1) for before, after in missing]
    assert [int(message.headers["ce-sequence"]) for message in stored] == list(range(1, len(stored) + 1))
    ids = [{track.track_id.value for track in each.tracks} for each in sets]
    before, after = missing[0]
    assert any(ids[frames.index(before)] & each for each in ids[frames.index(after) :]), "its tracks go on"


def all_carrying(mesh: Mesh) -> bool:
    """Return whether the bridge follows every feed: a retention of 1.5 s of wall-clock time waits for nobody."""
    channels = facts(mesh, "bridge").get("channels", {})
    return bool(channels) and all(channel["state"] == "carrying" for channel in channels.values())


async def fall_behind(mesh: Mesh, tracker: int) -> None:
    """Stop the tracker, which follows the radar, until it has missed frames."""
    for _ in range(MAX_STOPS):
        begin = facts(mesh, "tracker").get("track_sets", 0)
        await until(lambda at=begin: facts(mesh, "tracker").get("track_sets", 0) >= at + 10, "it tracks")
        begin = facts(mesh, "tracker").get("track_sets", 0)
        os.kill(tracker, signal.SIGSTOP)
        wanted = facts(mesh, "radar").get("frames", 0) + STOPPED_FRAMES  # the radar may be far behind the simulator
        await until(lambda at=wanted: facts(mesh, "radar").get("frames", 0) >= at, "the radar goes on without it")
        os.kill(tracker, signal.SIGCONT)
        await until(lambda at=begin: facts(mesh, "tracker").get("track_sets", 0) >= at + AFTERWARDS, "it goes on")
        if await gaps(mesh):
            return
    raise AssertionError(f"it missed nothing in {MAX_STOPS} stops")


async def gaps(mesh: Mesh) -> list[tuple[int, int]]:
    """Return the first and last frame of every gap that the tracker has reported."""
    events = await recorded_events(mesh, "GAP", "svc_tracker")
    found = [{each.name: each.value for each in event.attributes} for event in events]
    return [(int(each["first"]), int(each["last"])) for each in found]
