"""A tracker restored from its snapshot goes on to the same bytes; other bytes are refused."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_tracker.domain import SnapshotError, Tracker, TrackerModel
from tracker_scenes import LONG, SHORT, bits, crowd, frame

MODEL = TrackerModel()
SCENE = dataclasses.replace(crowd(15, 10e3, 6), identity=tuple(f"Flüg {number}" for number in range(15)))


def steps(tracker: Tracker, first: int, last: int) -> list[object]:
    """Return the tables of two radars' frames, exactly."""
    return [
        bits(tracker.step(frame(radar, SCENE.after(step), float(step), step)))
        for step in range(first, last + 1)
        for radar in (LONG, SHORT)
    ]


def test_equal_frames_give_equal_bytes() -> None:
    one, two = Tracker(MODEL), Tracker(MODEL)
    assert steps(one, 1, 20) == steps(two, 1, 20)
    assert one.snapshot() == two.snapshot()


@pytest.mark.parametrize("cut", [0, 1, 10, 25])
def test_what_is_restored_goes_on_to_the_same_bytes(cut: int) -> None:
    tracker = Tracker(MODEL)
    steps(tracker, 1, cut)
    data = tracker.snapshot()
    restored = Tracker.restore(MODEL, data)
    assert restored.snapshot() == data
    assert steps(restored, cut + 1, cut + 10) == steps(tracker, cut + 1, cut + 10)
    assert restored.snapshot() == tracker.snapshot()


def test_a_snapshot_of_another_model_is_refused() -> None:
    with pytest.raises(SnapshotError, match="another model"):
        Tracker.restore(TrackerModel(max_coast_s=11.0), Tracker(MODEL).snapshot())


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


def test_bytes_behind_a_snapshot_are_refused() -> None:
    with pytest.raises(SnapshotError):
        Tracker.restore(MODEL, DATA + b"\0")
