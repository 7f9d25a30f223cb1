"""The attributes of a picture are counted by hand, and its continuity by trying every choice of segments."""

import math
from collections import defaultdict
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.continuity import Continuity
from evaluation.identity import IdentityCounts, identity_counts
from evaluation.picture import Objects, Picture, nearest
from evaluation.siap import Siap, siap

LIMIT_M = 10.0


def objects(**positions: float) -> Objects:
    """Static targets or tracks on a line, by name."""
    position_m = np.array(list(positions.values()), dtype=np.float64).reshape(-1, 1)
    return Objects(list(positions), position_m, np.zeros_like(position_m))


def measured(*pictures: Picture, step_s: float = 1.0) -> Siap:
    times_s = step_s * np.arange(len(pictures))
    return siap(times_s, pictures, [nearest(one, LIMIT_M) for one in pictures])


# --- attributes -------------------------------------------------------------------------------------------------------


def test_the_attributes_are_ratios_of_targets_and_tracks() -> None:
    truth = objects(alone=0.0, shared=100.0, unseen=200.0)
    found = measured(Picture(truth, objects(one=3.0, two=99.0, three=105.0, false=300.0))).overall
    assert (found.truths, found.tracked, found.tracks, found.assigned) == (3, 2, 4, 3)
    assert found.completeness == pytest.approx(2 / 3)
    assert found.ambiguity == pytest.approx(3 / 2)
    assert found.spuriousness == pytest.approx(1 / 4)
    assert found.position_accuracy_m == pytest.approx((3.0 + 1.0 + 5.0) / 3)
    assert found.velocity_accuracy_mps == 0.0


def test_an_attribute_without_a_denominator_is_none() -> None:
    found = measured(Picture(objects(), objects()))
    for name in ("completeness", "ambiguity", "spuriousness", "position_accuracy_m", "velocity_accuracy_mps"):
        assert getattr(found.overall, name) is None, name
    assert found.continuity.track_change_rate_hz is None
    assert found.continuity.longest_segment is None
    assert siap([], [], []).overall.completeness is None


def test_an_overall_attribute_is_the_ratio_of_the_sums() -> None:
    empty, full = Picture(objects(a=0.0), objects()), Picture(objects(a=0.0, b=50.0), objects(x=1.0, y=51.0))
    found = measured(empty, full)
    assert [one.completeness for one in found.at_times] == [0.0, 1.0]
    assert found.overall.completeness == pytest.approx(2 / 3)


def test_the_velocity_accuracy_is_none_where_a_velocity_is_unknown() -> None:
    still = Objects(["x"], np.zeros((1, 1)))
    assert measured(Picture(objects(a=0.0), still)).overall.velocity_accuracy_mps is None


def test_a_track_is_associated_with_its_nearest_target_within_the_limit() -> None:
    picture = Picture(objects(a=0.0, b=8.0), objects(x=5.0, y=18.0, z=-9.9))
    assert nearest(picture, LIMIT_M).tolist() == [[1, 0], [0, 2]]
    assert nearest(Picture(objects(), objects(x=1.0)), LIMIT_M).shape == (0, 2)
    assert nearest(Picture(objects(a=1.0), objects()), LIMIT_M).shape == (0, 2)


# --- continuity -------------------------------------------------------------------------------------------------------


def test_one_track_throughout_has_perfect_continuity() -> None:
    found = measured(*(Picture(objects(a=0.0), objects(x=1.0)) for _ in range(5))).continuity
    assert found == Continuity(track_changes=0, tracked_s=4.0, longest_s=4.0, lifetime_s=4.0)
    assert (found.track_change_rate_hz, found.longest_segment) == (0.0, 1.0)


def test_a_takeover_is_a_track_change_and_its_step_belongs_to_neither_track() -> None:
    names = ("x", "x", "x", "y", "y")
    found = measured(*(Picture(objects(a=0.0), objects(**{name: 1.0})) for name in names), step_s=2.0)
    assert found.continuity == Continuity(track_changes=1, tracked_s=6.0, longest_s=4.0, lifetime_s=8.0)
    assert found.continuity.track_change_rate_hz == pytest.approx(1 / 6)
    assert found.continuity.longest_segment == pytest.approx(1 / 2)


SCANS, TARGETS, TRACKS = 6, 2, 3
CHOICES = st.lists(
    st.lists(st.integers(-1, TARGETS - 1), min_size=TRACKS, max_size=TRACKS), min_size=SCANS, max_size=SCANS
)


@settings(max_examples=200, deadline=None)
@given(choices=CHOICES, steps_s=st.lists(st.integers(1, 4), min_size=SCANS, max_size=SCANS))
def test_continuity_counts_the_fewest_segments_that_cover_all_tracked_times(
    choices: list[list[int]], steps_s: list[int]
) -> None:
    times_s = np.cumsum(steps_s).tolist()
    targets, tracks = objects(a=0.0, b=100.0), objects(x=0.0, y=0.0, z=0.0)
    pictures = [Picture(targets, tracks)] * SCANS
    pairs = [[(target, track) for track, target in enumerate(chosen) if target >= 0] for chosen in choices]
    found = siap(times_s, pictures, [np.array(one, dtype=np.intp).reshape(-1, 2) for one in pairs]).continuity
    changes, tracked_s, longest_s = 0, 0, 0
    for target in range(TARGETS):
        segments = segments_of(target, choices)
        of_track: dict[int, int] = defaultdict(int)
        steps: set[int] = set()
        for track, first, last in segments:
            of_track[track] += times_s[last] - times_s[first]
            steps |= set(range(first, last))
        changes += max(0, fewest(segments) - 1)
        tracked_s += sum(times_s[step + 1] - times_s[step] for step in steps)
        longest_s += max(of_track.values(), default=0)
    assert found == Continuity(changes, tracked_s, longest_s, TARGETS * (times_s[-1] - times_s[0]))


def segments_of(target: int, choices: list[list[int]]) -> list[tuple[int, int, int]]:
    """The consecutive scans at which a track is on the target: the track, the first scan, the last."""
    found = []
    for track in range(TRACKS):
        on = [chosen[track] == target for chosen in choices]
        firsts = [n for n in range(SCANS) if on[n] and not (n and on[n - 1])]
        lasts = [n for n in range(SCANS) if on[n] and not (n + 1 < SCANS and on[n + 1])]
        found.extend((track, first, last) for first, last in zip(firsts, lasts, strict=True))
    return found


def fewest(segments: list[tuple[int, int, int]]) -> int:
    def covered(some: Any) -> set[int]:
        return {scan for _, first, last in some for scan in range(first, last + 1)}

    return next(
        n for n in range(len(segments) + 1) if any(covered(s) == covered(segments) for s in combinations(segments, n))
    )


# --- identity ---------------------------------------------------------------------------------------------------------


def test_targets_are_unknown_correct_wrong_or_ambiguous_by_all_their_tracks() -> None:
    truth = ("own", "own", "own", "own", "", "unseen")
    tracks = ("", "own", "own", "other", "own", "", "other")
    rows = np.array([(0, 0), (1, 1), (1, 2), (2, 3), (3, 4), (3, 5), (4, 6)])
    found = identity_counts(truth, tracks, rows)
    assert found == IdentityCounts(tracked=5, unknown=1, correct=1, wrong=2)
    assert (found.completeness, found.correctness, found.ambiguity) == pytest.approx((4 / 5, 1 / 5, 1 / 5))
    assert found + found == IdentityCounts(10, 2, 2, 4)


def test_without_tracks_every_identity_count_is_zero() -> None:
    found = identity_counts(["own"], ["own"], np.empty((0, 2), dtype=np.intp))
    assert (found.completeness, found.correctness, found.ambiguity) == (None, None, None)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ids", (["a", "a"], np.zeros((2, 2)))),
        ("position_m", (["a"], np.zeros((2, 2)))),
        ("position_m", (["a"], np.zeros(1))),
        ("position_m", (["a"], np.array([[math.nan]]))),
        ("velocity_mps", (["a"], np.zeros((1, 2)), np.zeros((1, 3)))),
        ("velocity_mps", (["a"], np.zeros((1, 2)), np.array([[math.inf, 0.0]]))),
    ],
)
def test_invalid_objects_are_refused_by_field(name: str, arguments: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} "):
        Objects(*arguments)


def test_a_picture_has_one_number_of_coordinates() -> None:
    with pytest.raises(ValueError, match=r"^tracks "):
        Picture(objects(a=0.0), Objects(["x"], np.zeros((1, 2))))


@pytest.mark.parametrize("limit_m", [0.0, -1.0, math.nan, math.inf])
def test_an_invalid_limit_is_refused(limit_m: float) -> None:
    with pytest.raises(ValueError, match=r"^limit_m "):
        nearest(Picture(objects(a=0.0), objects(x=0.0)), limit_m)


@pytest.mark.parametrize(
    "rows", [np.zeros((1, 3), np.intp), np.zeros((1, 2)), [[1, 0]], [[0, 2]], [[-1, 0]], [[0, 0], [0, 0]]]
)
def test_pairs_that_are_not_of_the_picture_are_refused(rows: Any) -> None:
    picture = Picture(objects(a=0.0), objects(x=0.0, y=1.0))
    with pytest.raises(ValueError, match=r"^pairs "):
        siap([0.0], [picture], [np.asarray(rows)])


@pytest.mark.parametrize("times_s", [[0.0], [0.0, 0.0], [1.0, 0.0], [0.0, math.nan], [[0.0, 1.0]]])
def test_times_that_do_not_rise_with_the_pictures_are_refused(times_s: Any) -> None:
    picture, none = Picture(objects(), objects()), np.empty((0, 2), dtype=np.intp)
    with pytest.raises(ValueError, match=r"^time_s "):
        siap(times_s, [picture, picture], [none, none])


def test_pictures_without_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^pairs "):
        siap([0.0], [Picture(objects(), objects())], [])


@pytest.mark.parametrize("rows", [np.zeros((1, 3), np.intp), np.array([[1, 0]]), np.array([[0, -1]])])
def test_pairs_without_identities_are_refused(rows: Any) -> None:
    with pytest.raises(ValueError, match=r"^pairs "):
        identity_counts(["a"], ["a"], rows)
