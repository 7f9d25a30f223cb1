"""The grid finds every detection in a window, also across north, each pair once."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_tracker.domain.association.grid import GateWindows, candidate_pairs

Floats = npt.NDArray[np.float64]
TURN = 2.0 * np.pi

DETECTION = st.tuples(st.floats(1e-3, 1e9), st.floats(0.0, TURN))
WINDOW = st.tuples(st.floats(1e-3, 1e9), st.floats(1e-3, 1e9), st.floats(-np.pi, np.pi), st.floats(1e-6, 20.0))
# Smaller scenes, where cells and windows are of one size.
CLOSE_DETECTION = st.tuples(st.floats(100.0, 200.0), st.sampled_from([0.0, 1e-9, 0.1, np.pi, TURN - 1e-9, TURN]))
CLOSE_WINDOW = st.tuples(
    st.floats(50.0, 250.0),
    st.floats(0.1, 60.0),
    st.sampled_from([-np.pi, -0.05, 0.0, 0.05, np.pi]),
    st.floats(1e-3, 1.0),
)


def windows(*rows: Floats) -> GateWindows:
    return GateWindows(*(np.asarray(row, dtype=np.float64) for row in rows))


def inside(range_m: Floats, bearing_rad: Floats, within: GateWindows) -> set[tuple[int, int]]:
    """Return the pairs of window and detection that are inside by more than a rounding error."""
    apart = np.abs(bearing_rad - within.bearing_rad[:, None])
    apart = np.abs(np.mod(apart + np.pi, TURN) - np.pi)
    held = np.abs(range_m - within.range_m[:, None]) <= within.half_m[:, None] * (1.0 - 1e-6) - 1e-6
    held &= apart <= within.half_rad[:, None] * (1.0 - 1e-6) - 1e-9
    return {(int(window), int(detection)) for window, detection in np.argwhere(held)}


def check(detections: list[tuple[float, float]], opened: list[tuple[float, float, float, float]]) -> None:
    range_m, bearing_rad = np.array(detections, dtype=np.float64).reshape(-1, 2).T
    within = windows(*np.array(opened, dtype=np.float64).reshape(-1, 4).T)
    window, detection = candidate_pairs(range_m, bearing_rad, within)
    found = list(zip(window.tolist(), detection.tolist(), strict=True))
    assert len(found) == len(set(found))
    assert inside(range_m, bearing_rad, within) <= set(found)


@settings(max_examples=200, deadline=None)
@given(detections=st.lists(DETECTION, min_size=1, max_size=12), opened=st.lists(WINDOW, min_size=1, max_size=6))
def test_every_detection_in_a_window_is_found_once(
    detections: list[tuple[float, float]], opened: list[tuple[float, float, float, float]]
) -> None:
    check(detections, opened)


@settings(max_examples=200, deadline=None)
@given(
    detections=st.lists(CLOSE_DETECTION, min_size=1, max_size=12), opened=st.lists(CLOSE_WINDOW, min_size=1, max_size=6)
)
def test_every_detection_in_a_window_across_north_or_south_is_found_once(
    detections: list[tuple[float, float]], opened: list[tuple[float, float, float, float]]
) -> None:
    check(detections, opened)


@pytest.mark.parametrize("seed", range(5))
def test_dense_scenes_give_every_pair_and_few_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    range_m, bearing_rad = 50e3 * np.sqrt(rng.random(3_000)), TURN * rng.random(3_000)
    own = 50e3 * np.sqrt(rng.random(800))
    within = windows(own, np.full(800, 200.0), TURN * rng.random(800) - np.pi, np.minimum(600.0 / own, np.pi))
    window, detection = candidate_pairs(range_m, bearing_rad, within)
    found = set(zip(window.tolist(), detection.tolist(), strict=True))
    needed = inside(range_m, bearing_rad, within)
    assert needed <= found
    assert len(found) == len(window) < 12 * len(needed)


def test_windows_without_detections_give_no_pairs() -> None:
    window, detection = candidate_pairs(
        np.array([5.0, 50.0]), np.array([6.2, 6.2]), windows([5.0], [1.0], [0.0], [0.1])
    )
    assert list(zip(window.tolist(), detection.tolist(), strict=True)) == [(0, 0)]
    window, detection = candidate_pairs(np.array([50.0]), np.array([3.0]), windows([5.0], [1.0], [0.0], [0.1]))
    assert len(window) == len(detection) == 0
