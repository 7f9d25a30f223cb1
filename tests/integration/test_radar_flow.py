"""The radar's frames on JetStream, from the real chain, as a client of the older wire contract reads them."""

import asyncio
import math
from pathlib import Path

import pytest

import legacy_radar
from chain import Stored, run_to_the_end
from legacy_radar import LegacyRadar

DURATION_S = 6.0
LONG, SHORT = "6f3d1f0e-6f0a-4d5c-9a59-0b6c1a2f7e11", "6f3d1f0e-6f0a-4d5c-9a59-0b6c1a2f7e12"
START_S = 1_767_225_600  # 2026-01-01T00:00:00Z


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Stored]]:
    directory: Path = tmp_path_factory.mktemp("flow")
    return asyncio.run(run_to_the_end(directory, DURATION_S))


@pytest.fixture(scope="module")
def legacy() -> LegacyRadar:
    return legacy_radar.load()


@pytest.fixture(scope="module")
def frames(stored: dict[str, list[Stored]], legacy: LegacyRadar) -> list:
    return [legacy.frame.FromString(message.data) for message in stored["qiki.radar.v1.frames"]]


def test_there_is_exactly_one_frame_for_every_scan_slot(frames: list) -> None:
    slots = [(frame.sensor_id.value, frame.timestamp.ToNanoseconds() - START_S * 10**9) for frame in frames]
    due = [(LONG, second * 10**9) for second in range(1, 7)] + [(SHORT, half * 5 * 10**8) for half in range(1, 13)]
    assert slots == sorted(due, key=lambda slot: (slot[1], slot[0])), "by time, then in the BotSpec's order"


def test_every_frame_has_a_schema_and_a_unique_id(frames: list, stored: dict[str, list[Stored]]) -> None:
    assert {frame.schema_version for frame in frames} == {1}
    ids = [frame.frame_id.value for frame in frames]
    assert len(set(ids)) == len(ids)
    assert ids == [message.headers["ce-id"] for message in stored["qiki.radar.v1.frames"]]


def test_detections_comply_with_the_contract(frames: list) -> None:
    detections = [(frame, detection) for frame in frames for detection in frame.detections]
    assert len(detections) > len(frames), "two targets in view of both radars, each detected nine times out of ten"
    for frame, detection in detections:
        assert detection.range_m > 0
        assert 0 <= detection.bearing_deg < 360
        assert -90 <= detection.elev_deg <= 90
        assert all(map(math.isfinite, (detection.vr_mps, detection.snr_db, detection.rcs_dbsm)))
        assert detection.range_band == (1 if frame.sensor_id.value == LONG else 2)
        assert detection.transponder_on == bool(detection.transponder_id) == detection.id_present


def test_detections_are_at_the_positions_of_the_scenario(frames: list) -> None:
    """At 0.5 s the short-range radar sees `straight`, which answers with its identity and flies west."""
    (seen,) = [detection for detection in frames[0].detections if detection.transponder_id == "QK-1"]
    own = 10 * 0.5 * math.sqrt(0.5)
    east, north, up = 5000 - 60 - own, 2000 - own, 900
    assert abs(seen.range_m - math.hypot(east, north, up)) < 5 * 5.0
    assert abs(seen.bearing_deg - math.degrees(math.atan2(east, north))) < 5 * 0.4
    assert abs(seen.elev_deg - math.degrees(math.atan2(up, math.hypot(east, north)))) < 5 * 0.4
    assert seen.vr_mps < -80, "it closes"
    assert seen.transponder_mode == 1


def test_a_silent_transponder_gives_no_reply(frames: list) -> None:
    assert {detection.transponder_id for frame in frames for detection in frame.detections} == {"", "QK-1"}
