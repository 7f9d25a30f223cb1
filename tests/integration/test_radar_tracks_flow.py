"""The tracks on JetStream, from the real chain: a set after every frame, targets tracked with stable ids."""

import asyncio
import math
from pathlib import Path

import pytest

import legacy_radar
from chain import Stored, run_to_the_end
from legacy_radar import LegacyRadar
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import RadarTrack, RadarTrackStatus, TrackSet
from qiki.sim.v1.world_pb2 import WorldSnapshot

DURATION_S = 20.0
CONFIRMED = (RadarTrackStatus.RADAR_TRACK_STATUS_TRACKED, RadarTrackStatus.RADAR_TRACK_STATUS_COASTING)
LOST = RadarTrackStatus.RADAR_TRACK_STATUS_LOST
Streams = dict[str, list[Stored]]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Streams:
    directory: Path = tmp_path_factory.mktemp("tracks")
    return asyncio.run(run_to_the_end(directory, DURATION_S))


@pytest.fixture(scope="module")
def track_sets(stored: Streams) -> list[TrackSet]:
    return [TrackSet.FromString(message.data) for message in stored["qiki.radar.v1.tracks"]]


def confirmed(track_set: TrackSet) -> list[RadarTrack]:
    return [track for track in track_set.tracks if track.status in CONFIRMED]


def test_every_frame_is_followed_by_its_set_of_tracks(stored: Streams, track_sets: list[TrackSet]) -> None:
    frames = [RadarFrame.FromString(message.data) for message in stored["qiki.radar.v1.frames"]]
    assert [track_set.frame_id for track_set in track_sets] == [frame.frame_id for frame in frames]
    assert [track_set.frame_sequence for track_set in track_sets] == list(range(1, len(frames) + 1))
    assert [track_set.time for track_set in track_sets] == [frame.timestamp for frame in frames]
    assert {(track_set.part, track_set.parts) for track_set in track_sets} == {(1, 1)}


def test_at_the_end_exactly_the_two_targets_have_live_tracks(stored: Streams, track_sets: list[TrackSet]) -> None:
    world = WorldSnapshot.FromString(stored["qiki.sim.v1.world"][-1].data)
    tracks = confirmed(track_sets[-1])
    assert len(tracks) == len(world.contacts) == 2
    for contact in world.contacts:
        truth = (contact.position.x, contact.position.y, contact.position.z)
        nearest = min(tracks, key=lambda track: math.dist(truth, position(track)))
        assert math.dist(truth, position(nearest)) < 100.0
        speed = math.dist((contact.velocity.x, contact.velocity.y, contact.velocity.z), velocity(nearest))
        assert speed < 15.0


def test_ids_are_stable_once_a_track_is_confirmed(track_sets: list[TrackSet]) -> None:
    settled = [frozenset(track.track_id.value for track in confirmed(track_set)) for track_set in track_sets[12:]]
    assert len(set(settled)) == 1


def test_a_track_has_the_identity_of_the_transponder(track_sets: list[TrackSet]) -> None:
    assert sorted(track.transponder_id for track in confirmed(track_sets[-1])) == ["", "QK-1"]


def test_a_lost_track_is_reported_once_and_its_id_is_not_reused(track_sets: list[TrackSet]) -> None:
    lost_at: dict[str, int] = {}
    for index, track_set in enumerate(track_sets):
        for track in track_set.tracks:
            assert track.track_id.value not in lost_at, "it was lost before"
            if track.status == LOST:
                lost_at[track.track_id.value] = index
    assert lost_at, "clutter initiates tracks, which are deleted"


def test_tracks_carry_the_fields_of_the_contract(track_sets: list[TrackSet]) -> None:
    for track in track_sets[-1].tracks:
        assert 0.0 <= track.quality <= 1.0
        assert len(track.position_covariance) == len(track.velocity_covariance) == 6
        assert all(map(math.isfinite, (*track.position_covariance, *track.velocity_covariance)))
        assert track.position_covariance[0] > 0
        assert 0 <= track.bearing_deg < 360
        assert track.age_s >= 0


def test_a_client_of_the_older_contract_reads_the_tracks(track_sets: list[TrackSet]) -> None:
    legacy: LegacyRadar = legacy_radar.load()
    for track in track_sets[-1].tracks:
        older = legacy.track.FromString(track.SerializeToString())
        assert older.track_id.value == track.track_id.value  # type: ignore[attr-defined]
        assert older.range_m == track.range_m  # type: ignore[attr-defined]
        assert older.status == track.status  # type: ignore[attr-defined]
        assert older.position.x == track.position.x  # type: ignore[attr-defined]


def test_frames_and_tracks_of_one_scan_share_one_trace(stored: Streams) -> None:
    frames = [message.headers["ce-traceparent"].split("-")[1] for message in stored["qiki.radar.v1.frames"]]
    tracks = [message.headers["ce-traceparent"].split("-")[1] for message in stored["qiki.radar.v1.tracks"]]
    assert frames == tracks


def position(track: RadarTrack) -> tuple[float, float, float]:
    return track.position.x, track.position.y, track.position.z


def velocity(track: RadarTrack) -> tuple[float, float, float]:
    return track.velocity.x, track.velocity.y, track.velocity.z
