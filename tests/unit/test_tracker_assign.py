"""The assignment is the best there is, and the gate lets through what it says."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_tracker.domain import Tracker, TrackerModel
from svc_tracker.domain.assign import assign
from svc_tracker.domain.gate import gate, gate_bound
from svc_tracker.domain.kalman import radial_velocity
from svc_tracker.domain.measurement import log_scan_volume, measure
from tracker_scenes import LONG, crowd, empty_frame, frame

PAIRS = st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 5)), st.floats(-5.0, 20.0), max_size=8)


def taken(pairs: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    table = sorted(pairs)
    track, detection = (np.array([pair[side] for pair in table], dtype=np.intp) for side in (0, 1))
    chosen = assign(track, detection, np.array([pairs[pair] for pair in table]))
    return [table[index] for index in chosen]


def test_of_nothing_nothing_is_taken() -> None:
    assert taken({}) == []


def test_a_pair_that_loses_is_not_taken_even_if_nothing_competes() -> None:
    assert taken({(0, 0): -0.1, (1, 1): 0.1}) == [(1, 1)]


def test_the_greatest_total_is_taken_not_the_greatest_pair() -> None:
    assert taken({(0, 0): 10.0, (0, 1): 9.0, (1, 0): 9.0}) == [(0, 1), (1, 0)]


@settings(max_examples=200, deadline=None)
@given(pairs=PAIRS)
def test_no_other_choice_gains_more(pairs: Any) -> None:
    most = 0.0
    for size in range(len(pairs) + 1):
        for choice in itertools.combinations(pairs, size):
            if len({t for t, _ in choice}) == len({d for _, d in choice}) == size:
                most = max(most, sum(pairs[pair] for pair in choice))
    found = taken(pairs)
    assert len({t for t, _ in found}) == len({d for _, d in found}) == len(found)
    assert sum(pairs[pair] for pair in found) == pytest.approx(most)


def test_the_gate_finds_exactly_the_pairs_and_likelihoods_of_the_textbooks_matrices() -> None:
    model, size_m = TrackerModel(), 6e3
    tracker, start = Tracker(model), crowd(25, size_m, 3)
    radar = dataclasses.replace(LONG, clutter_per_scan=2.0, min_range_m=0.0, max_range_m=15e3)
    for step in range(1, 4):
        tracker.step(frame(radar, start.after(step), float(step), step))
    tracks = Tracker.restore(model, tracker.snapshot())._state.tracks
    crowded = dataclasses.replace(radar, clutter_per_scan=300.0)
    seen = frame(crowded, start.after(3.0), 3.0, 4)
    measured = measure(seen)
    pairs = gate(tracks, np.ones(len(tracks), dtype=np.bool_), measured, seen, model)

    vr = radial_velocity(tracks.state, tracks.covariance, np.zeros(3), np.zeros(3))
    noise = measured.covariance_m2()
    expected = {}
    for t, d in itertools.product(range(len(tracks)), range(len(measured))):
        h = np.vstack([np.eye(3, 6), vr.h[:, t]])
        s = h @ tracks.covariance[:, :, t] @ h.T
        s[:3, :3] += noise[:, :, d]
        s[3, 3] += vr.excess_m2ps2[t] + measured.vr_variance_m2ps2[d]
        nu = np.append(measured.point_m[:, d] - tracks.state[:3, t], measured.vr_mps[d] - vr.mean_mps[t])
        distance = nu @ np.linalg.solve(s, nu)
        if distance <= gate_bound(model):
            _, log_determinant = np.linalg.slogdet(2.0 * np.pi * s)
            log_density = np.log(300.05) - log_scan_volume(seen) - measured.log_volume[d]
            expected[t, d] = np.log(0.9) - 0.5 * (distance + log_determinant) - log_density
    assert list(zip(pairs.track.tolist(), pairs.detection.tolist(), strict=True)) == list(expected)
    assert len(expected) > len(tracks) / 2
    np.testing.assert_allclose(pairs.evidence, list(expected.values()), rtol=1e-6)


def test_the_density_of_clutter_is_that_of_the_radars_clutter() -> None:
    """Drawn uniformly in what a scan measures over, clutter has the density in space that the gate assumes."""
    radar = dataclasses.replace(LONG, clutter_per_scan=50_000.0, max_detections=100_000)
    seen = frame(radar, crowd(0, 1.0, 1), 1.0, 1)
    measured = measure(seen)
    log_density = np.log(radar.clutter_per_scan) - log_scan_volume(seen) - measured.log_volume
    d = seen.detections
    box = (d.range_m > 40e3) & (d.range_m < 60e3) & (d.elev_deg > 0) & (d.elev_deg < 20) & (np.abs(d.vr_mps) < 100)
    # The mean of 1 / density over what falls into a volume, times how many fall, estimates that volume.
    volume = np.sum(1.0 / np.exp(log_density[box]))
    exact = 2.0 * np.pi * (60e3**3 - 40e3**3) / 3.0 * np.sin(np.radians(20.0)) * 200.0
    assert volume == pytest.approx(exact, rel=0.15)


def test_an_empty_gate_is_an_empty_gate() -> None:
    model = TrackerModel()
    tracks = Tracker(model)._state.tracks
    seen = empty_frame(1.0)
    pairs = gate(tracks, np.zeros(0, dtype=np.bool_), measure(seen), seen, model)
    assert len(pairs.track) == len(pairs.detection) == len(pairs.evidence) == 0
