"""An identity is taken when heard, kept through silence, and changed only for one that insists."""

import dataclasses

import numpy as np
import pytest

from svc_tracker.domain import Tracker, TrackerModel, TrackTable
from tracker_scenes import LONG, empty_frame, frame, scene

RADAR = dataclasses.replace(
    LONG, detection_probability=1.0, clutter_per_scan=0.0, transponder_reply_probability=1.0, transponder_range_m=1e6
)


def heard(*identities: str) -> list[TrackTable]:
    """Return the tables after one thing answered so, scan by scan; empty for no answer."""
    tracker, tables = Tracker(TrackerModel()), []
    for step, identity in enumerate(identities, start=1):
        thing = scene(((0, 20_000, 2_000), (100, 0, 0)), identity=(identity,) if identity else ())
        tables.append(tracker.step(frame(RADAR, thing.after(step), float(step), step)))
    assert tables[-1].number.tolist() == [1]
    return tables


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("A", "A"),
        ("-A", "-A"),
        ("A--", "AAA"),
        ("ABA", "AAA"),
        ("ABB", "AAA"),
        ("ABBB", "AAAB"),
        ("ABBABB", "AAAAAA"),
        ("AB-B-B", "AAAAAB"),
        ("ABCBCBC", "AAAAAAA"),
        ("ABBBAAA", "AAABBBA"),
    ],
)
def test_another_identity_stands_after_three_in_a_row(answers: str, expected: str) -> None:
    """A letter is an identity, a dash none."""
    told = [tracks.transponder_id[0] for tracks in heard(*(letter.strip("-") for letter in answers))]
    assert told == [letter.strip("-") for letter in expected]


def test_a_transponder_counts_as_silent_after_three_detections_without_a_reply() -> None:
    tables = heard("A", "", "", "", "A")
    assert [bool(tracks.transponder_on[0]) for tracks in tables] == [True, True, True, False, True]
    assert [int(tracks.transponder_mode[0]) for tracks in tables] == [1, 1, 1, 0, 1]


def test_the_last_detection_is_what_is_told_of_strength() -> None:
    tracker = Tracker(TrackerModel())
    for step in (1, 2, 3):
        seen = frame(RADAR, scene(((0, 20_000, 2_000), (100, 0, 0))).after(step), float(step), step)
        tracks = tracker.step(seen)
    assert tracks.snr_db.tolist() == seen.detections.snr_db.tolist()
    assert tracks.rcs_dbsm.tolist() == seen.detections.rcs_dbsm.tolist()
    assert tracks.range_band.tolist() == [1]
    assert tracks.measured_ns.tolist() == [seen.time_ns]
    later = tracker.step(empty_frame(4.0))
    assert later.snr_db.tolist() == tracks.snr_db.tolist()
    assert later.measured_ns.tolist() == [seen.time_ns]


def test_an_identity_goes_with_its_own_track() -> None:
    tracker = Tracker(TrackerModel())
    pair = scene(((0, 20_000, 2_000), (100, 0, 0)), ((9_000, -20_000, 2_000), (0, 100, 0)), identity=("N", "S"))
    for step in (1, 2, 3):
        tracks = tracker.step(frame(RADAR, pair.after(step), float(step), step))
    north = int(np.argmax(tracks.position_m[:, 1]))
    assert (tracks.transponder_id[north], tracks.transponder_id[1 - north]) == ("N", "S")
