"""The guard behind the tracker: alarms of a run with a spoofer, and the same ones after a restart."""

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from mesh.clock import NS_PER_S
from mesh.feeds import identity
from mesh.feeds.token import Token, decode
from qiki.radar.v1.track_pb2 import FriendFoe, RadarTrack, SpoofEvidence
from qiki.tracker.v1 import tracker_service_pb2 as pb
from qiki.tracker.v1.guard_pb2 import GuardEvent, GuardKind, GuardPhase
from qiki_sdk import HistoryDivergedError, InvalidFieldError
from qiki_sdk.errors import from_rpc_error
from watch_cases import DERIVED_CASES, WAIT_S, Served, serve

pytestmark = pytest.mark.asyncio

GUARD, TRACKS = (next(case for case in DERIVED_CASES if case.feed_name == name) for name in ("guard", "tracks"))
SPOOFING = GuardKind.GUARD_KIND_SPOOFING_DETECTED
RAISED = GuardPhase.GUARD_PHASE_RAISED
# Longer than evidence must last; the spoofer of the example scenario replies with another's identity from the start.
SECONDS = 10


async def simulate(served: Served, seconds: int) -> None:
    """Let the run continue to this many seconds, with the tracker behind it."""
    run = served.feed.run
    assert run is not None
    for tick in range(served.simulation.tick + 1, 20 * seconds + 1):
        served.simulation.compute(tick)
        reached_ns = run.start_time.ToNanoseconds() + (tick // 10) * NS_PER_S // 2
        await served.until(lambda reached_ns=reached_ns: served.feed.reached_ns >= reached_ns)  # type: ignore[misc]


def events(served: Served, first: int = 1) -> list[GuardEvent]:
    ring = served.feed.store
    found = [ring.get(sequence) for sequence in range(first, ring.last_sequence + 1)]
    return [pb.WatchGuardResponse.FromString(entry.response).guard_event for entry in found if entry is not None]


async def tracks_by_frame(served: Served) -> dict[int, list[RadarTrack]]:
    """Return the tracks after each frame, by its sequence."""
    found: dict[int, list[RadarTrack]] = {}
    last = (await served.stub.GetTracks(pb.GetTracksRequest())).context.sequence
    call, reached = served.stub.WatchTracks(pb.WatchTracksRequest(from_oldest=True)), 0
    async with asyncio.timeout(WAIT_S):
        while reached < last:
            response = await call.read()
            if response.HasField("track_set"):
                reached = response.context.sequence
                found.setdefault(response.track_set.frame_sequence, []).extend(response.track_set.tracks)
    call.cancel()
    return found


async def test_an_identity_in_two_places_is_an_alarm_over_both_tracks(tmp_path: Path) -> None:
    async with serve(GUARD, tmp_path) as served:
        await simulate(served, SECONDS)
        found = events(served)
        raised = [event for event in found if event.kind == SPOOFING and event.phase == RAISED]
        assert [event.rule for event in raised] == ["spoofing", "spoofing"]
        assert {event.track.transponder_id for event in raised} == {"QK-AIR-7"}
        assert len({event.track_id.value for event in raised}) == len({event.alarm_id for event in raised}) == 2
        for event in raised:
            assert event.track.track_id == event.track_id
            assert SpoofEvidence.SPOOF_EVIDENCE_TWO_PLACES in event.track.spoof_evidence
            assert event.track.iff != FriendFoe.FRIEND_FOE_FRIEND
            assert event.severity == 3
        (newest,) = (await served.stub.GetTracks(pb.GetTracksRequest())).track_sets
        duplicates = [track for track in newest.tracks if track.transponder_id == "QK-AIR-7"]
        slow, fast = sorted(duplicates, key=lambda track: track.velocity.x**2 + track.velocity.y**2)
        assert (slow.iff, fast.iff) == (FriendFoe.FRIEND_FOE_FOE, FriendFoe.FRIEND_FOE_FRIEND), "their speeds differ"


async def test_every_alarm_refers_to_the_frame_that_caused_it(tmp_path: Path) -> None:
    async with serve(GUARD, tmp_path) as served:
        await simulate(served, SECONDS)
        ring = served.feed.store
        responses = [pb.WatchGuardResponse.FromString(ring.get(n).response) for n in range(1, ring.last_sequence + 1)]  # type: ignore[union-attr]
        assert responses
        sets = await tracks_by_frame(served)
        for response in responses:
            event, context = response.guard_event, response.context
            assert context.time == event.time == event.track.timestamp
            assert context.subject == event.rule
            assert event.frame_id.value == identity.event_id(context.run_id, "frames", event.frame_sequence)
            assert event.track in sets[event.frame_sequence], "the track equals the one in the set after that frame"
        cleared = [event for event in events(served) if event.phase != RAISED]
        raised_ids = [event.alarm_id for event in events(served) if event.phase == RAISED]
        assert all(event.alarm_id in raised_ids for event in cleared)


def safe_frame(directory: Path) -> int:
    """Return the frame of the newest checkpoint recorded as safe, 0 for none; there are three frames a second."""
    record = directory / "safe"
    if not record.exists():
        return 0
    body = record.read_bytes()[len(b"QIKI-SAFE 1\n") + 32 :]
    return max(int(name.split(".")[0]) for name in json.loads(body)["safe"])


async def test_after_a_restart_from_a_checkpoint_the_alarms_are_the_same(tmp_path: Path) -> None:
    async with serve(GUARD, tmp_path / "calm", tmp_path / "calm-tracker") as calm:
        await simulate(calm, SECONDS)
        expected = [event.SerializeToString(deterministic=True) for event in events(calm)]
        tokens = [calm.feed.place(sequence).encode() for sequence in range(len(expected) + 1)]
    assert len(expected) >= 2
    async with serve(TRACKS, tmp_path / "first", tmp_path / "tracker") as tracks:
        await simulate(tracks, 6)
        await tracks.confirm("bridge", tracks.feed.place(tracks.feed.store.last_sequence).encode())
        request = pb.ConfirmGuardRequest(reader="bridge", resume_token=tokens[2])
        assert (await tracks.stub.ConfirmGuard(request)).confirmed_sequence == 2
        await simulate(tracks, 7)
        await tracks.until(lambda: safe_frame(tmp_path / "tracker") == 3 * 6 - 1)
    async with serve(GUARD, tmp_path / "again", tmp_path / "tracker") as again:
        assert again.feed.store.last_sequence == 2, "the feed resumes at the checkpoint"
        await simulate(again, SECONDS)
        found = [event.SerializeToString(deterministic=True) for event in events(again, first=3)]
        assert found == expected[2:]
        assert [again.feed.place(n).encode() for n in range(2, len(tokens))] == tokens[2:]


async def test_a_feed_without_new_events_after_a_restart_still_knows_its_position(tmp_path: Path) -> None:
    async with serve(TRACKS, tmp_path / "first", tmp_path / "tracker") as tracks:
        await simulate(tracks, 6)
        await tracks.confirm("bridge", tracks.feed.place(tracks.feed.store.last_sequence).encode())
        place = decode((await guard_heartbeat(tracks)).resume_token)
        assert place.sequence == 2
        token = place.encode()
        await tracks.stub.ConfirmGuard(pb.ConfirmGuardRequest(reader="bridge", resume_token=token))
        await simulate(tracks, 7)
        await tracks.until(lambda: safe_frame(tmp_path / "tracker") == 3 * 6 - 1)
    async with serve(GUARD, tmp_path / "again", tmp_path / "tracker") as again:
        again.feed.replayed()
        heartbeat = (await guard_heartbeat(again, token)).heartbeat
        assert (heartbeat.last_sequence, heartbeat.replaying) == (2, False)
        other = Token(place.epoch, place.feed, place.sequence, b"\x00" * 8).encode()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await guard_heartbeat(again, other)
        assert isinstance(from_rpc_error(caught.value), HistoryDivergedError)


async def test_a_filter_names_rules_of_the_bot_spec(tmp_path: Path) -> None:
    async with serve(GUARD, tmp_path) as served:
        await served.produce(1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.watch(filter=pb.GuardFilter(rules=["spoofing", "boredom"])).read()
        error = from_rpc_error(caught.value)
        assert isinstance(error, InvalidFieldError)
        assert error.metadata["field"] == "filter.rules[1]"
        assert "collision, spoofing, silent-foe, unknown-close" in str(error)


async def guard_heartbeat(served: Served, resume_token: str = "") -> Any:
    call = served.stub.WatchGuard(pb.WatchGuardRequest(resume_token=resume_token))
    try:
        return await call.read()
    finally:
        call.cancel()
