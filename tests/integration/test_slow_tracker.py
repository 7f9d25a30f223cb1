"""A live chain does not wait for a slow tracker: it goes on behind the frames that it missed, and says so."""

import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from chain import chain, facts, published_all, read_all, recorded_events, until
from qiki.radar.v1.track_pb2 import TrackSet

# Long against what the transport buffers for a reader that does not read.
DURATION_S = 180.0
STOPPED_S = 140
RETENTION_S = "30"
FRAMES_PER_S = 3

pytestmark = pytest.mark.asyncio


async def test_a_live_tracker_that_fell_behind_goes_on_with_its_tracks_and_reports_the_gap(
    tmp_path: Path,
) -> None:
    settings = (("radar", "retention_s", RETENTION_S),)
    async with chain(tmp_path, DURATION_S, speed="20", flow_control="live", settings=settings) as mesh:
        await until(lambda: facts(mesh, "tracker").get("track_sets", 0) >= 8 * FRAMES_PER_S, "8 s of tracks")
        tracker = int(mesh.endpoints()["tracker"]["pid"])
        os.kill(tracker, signal.SIGSTOP)
        wanted = (8 + STOPPED_S) * FRAMES_PER_S  # the radar may be far behind the simulator
        await until(lambda: facts(mesh, "radar").get("frames", 0) >= wanted, "the radar goes on without it")
        os.kill(tracker, signal.SIGCONT)
        await until(lambda: published_all(mesh), "everything published")
        gaps = await recorded_events(mesh, "GAP", "svc_tracker")
        stored = (await read_all(mesh))["qiki.radar.v1.tracks"]
        assert int(mesh.endpoints()["tracker"]["pid"]) == tracker, "it was never restarted"
    sets = [TrackSet.FromString(message.data) for message in stored]
    frames = [each.frame_sequence for each in sets]
    (missing,) = [(before, after) for before, after in pairwise(frames) if after > before + 1]
    reported = [{each.name: each.value for each in event.attributes} for event in gaps]
    (gap,) = [each for each in reported if each["first"] != "1"]  # one is possible before its first frame
    assert (int(gap["first"]), int(gap["last"])) == (missing[0] + 1, missing[1] - 1)
    assert [int(message.headers["ce-sequence"]) for message in stored] == list(range(1, len(stored) + 1))
    ids = [{track.track_id.value for track in each.tracks} for each in sets]
    assert any(ids[frames.index(missing[0])] & each for each in ids[frames.index(missing[1]) :]), "its tracks go on"
