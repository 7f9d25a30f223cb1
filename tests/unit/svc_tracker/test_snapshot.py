"""A tracker restored from its snapshot continues to the same bytes; other bytes are refused."""

import dataclasses
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_tracker.domain import FrameError, SnapshotError, Tracker, TrackerModel
from svc_tracker.domain.identity.policy import FriendFoe, IdentityPolicy, KnownPlatform
from svc_tracker.domain.model import Mode
from tracker_scenes import LONG, SHORT, bits, crowd, empty_frame, frame
from tracker_truth import STRAIGHT

MODEL = TrackerModel()
POLICY = IdentityPolicy(platforms=(KnownPlatform("Flüg", FriendFoe.FRIEND, is_prefix=True, max_speed_mps=400.0),))
SCENE = dataclasses.replace(crowd(15, 10e3, 6), identity=tuple(f"Flüg {number}" for number in range(15)))


def steps(tracker: Tracker, first: int, last: int) -> list[object]:
    """Return the tables of two radars' frames, exactly."""
    return [
        bits(tracker.step(frame(radar, SCENE.after(step), float(step), step)))
        for step in range(first, last + 1)
        for radar in (LONG, SHORT)
    ]


def flat_steps(tracker: Tracker, first: int, last: int) -> list[object]:
    radar = dataclasses.replace(LONG, no_elevation=True, no_radial_velocity=True)
    return [bits(tracker.step(frame(radar, SCENE.after(step), float(step), step))) for step in range(first, last + 1)]


def test_equal_frames_give_equal_bytes() -> None:
    one, two = Tracker(MODEL, POLICY), Tracker(MODEL, POLICY)
    assert steps(one, 1, 20) == steps(two, 1, 20)
    assert one.snapshot() == two.snapshot()


@pytest.mark.parametrize("cut", [0, 1, 10, 25])
def test_a_restored_tracker_continues_to_the_same_bytes(cut: int) -> None:
    tracker = Tracker(MODEL, POLICY)
    steps(tracker, 1, cut)
    data = tracker.snapshot()
    restored = Tracker.restore(MODEL, data, POLICY)
    assert restored.snapshot() == data
    assert steps(restored, cut + 1, cut + 10) == steps(tracker, cut + 1, cut + 10)
    assert restored.snapshot() == tracker.snapshot()


def test_a_tracker_restored_before_every_scan_gives_the_same_bytes() -> None:
    whole, broken = Tracker(MODEL, POLICY), Tracker(MODEL, POLICY)
    for step in range(1, 15):
        broken = Tracker.restore(MODEL, broken.snapshot(), POLICY)
        assert steps(broken, step, step) == steps(whole, step, step)
        assert broken.snapshot() == whole.snapshot()


@pytest.mark.parametrize(
    "model", [TrackerModel(axes=2), TrackerModel(axes=2, modes=STRAIGHT), TrackerModel(axes=3, modes=STRAIGHT)]
)
def test_a_restored_tracker_in_the_plane_or_with_one_mode_continues_to_the_same_bytes(model: TrackerModel) -> None:
    tracker = Tracker(model)
    flat_steps(tracker, 1, 8)
    restored = Tracker.restore(model, tracker.snapshot())
    assert flat_steps(restored, 9, 14) == flat_steps(tracker, 9, 14)
    assert restored.snapshot() == tracker.snapshot()


def test_taking_a_snapshot_changes_nothing() -> None:
    one, two = Tracker(MODEL), Tracker(MODEL)
    for step in range(1, 8):
        one.snapshot()
        assert steps(one, step, step) == steps(two, step, step)


def test_a_restored_tracker_knows_the_last_frames_time_and_every_sensor() -> None:
    tracker = Tracker(MODEL)
    steps(tracker, 1, 3)
    restored = Tracker.restore(MODEL, tracker.snapshot())
    with pytest.raises(FrameError, match="timestamp"):
        restored.step(empty_frame(2.9))
    assert restored.snapshot() == tracker.snapshot()


@pytest.mark.parametrize(
    "other",
    [
        TrackerModel(max_coast_s=11.0),
        TrackerModel(axes=2),
        TrackerModel(modes=STRAIGHT),
        TrackerModel(modes=(*MODEL.modes[:-1], Mode("turn_left", -4.5, 8.0, 1.0, 12.0))),
        TrackerModel(compiled=True),
    ],
)
def test_a_snapshot_of_another_model_is_refused(other: TrackerModel) -> None:
    with pytest.raises(SnapshotError, match="another model"):
        Tracker.restore(other, Tracker(MODEL).snapshot())


def test_a_snapshot_of_another_policy_is_refused() -> None:
    data = Tracker(MODEL, POLICY).snapshot()
    for other in (None, IdentityPolicy(confirm_replies=5), dataclasses.replace(POLICY, spoofer=FriendFoe.UNKNOWN)):
        with pytest.raises(SnapshotError, match="another identity policy"):
            Tracker.restore(MODEL, data, other)


WHOLE = Tracker(MODEL)
steps(WHOLE, 1, 3)
DATA = WHOLE.snapshot()


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, len(DATA) - 1), flip=st.integers(1, 255))
def test_a_snapshot_with_any_byte_changed_is_refused(place: int, flip: int) -> None:
    damaged = bytearray(DATA)
    damaged[place] ^= flip
    with pytest.raises(SnapshotError):
        Tracker.restore(MODEL, bytes(damaged))


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.integers(0, len(DATA) - 1).map(lambda size: DATA[:size])))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(SnapshotError):
        Tracker.restore(MODEL, data)


def test_extra_bytes_after_a_snapshot_are_refused() -> None:
    with pytest.raises(SnapshotError):
        Tracker.restore(MODEL, DATA + b"\0")


@pytest.mark.parametrize(
    ("written", "instead", "reason"),
    [
        (b'"version": 5', b'"version": 4', "version 4"),
        (b'"hits"', b'"hots"', "other quantities"),
        (b'"status", "lost_reason"', b'"lost_reason", "status"', "other quantities"),
    ],
    ids=["version", "name", "order"],
)
def test_a_snapshot_of_another_version_or_of_other_quantities_is_refused(
    written: bytes, instead: bytes, reason: str
) -> None:
    """One that is whole: its checksum is right."""
    begin = len(b"QIKI-TRACKS\n")
    rest = DATA[begin + 32 :]
    other = rest.replace(written, instead, 1)
    assert other != rest
    with pytest.raises(SnapshotError, match=reason):
        Tracker.restore(MODEL, DATA[:begin] + hashlib.sha256(other).digest() + other)
