"""Echoes of one resolution cell become one detection, nearer to the stronger; overlapping replies are garbled."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radar_scenes import PHYSICAL, at, scan, targets
from svc_radar.domain import SwerlingCase, TransponderMode
from svc_radar.domain.resolution import Cell, groups_of, merged
from svc_radar.domain.scene import Polar

# Echoes so strong that nothing but the floors of the errors is left, and no false detections.
CLEAR = dataclasses.replace(
    PHYSICAL,
    swerling=SwerlingCase.CASE_0,
    snr_ref_db=100.0,
    false_alarm_probability=1e-12,
    range_sigma_m=1e-3,
    bearing_sigma_deg=1e-5,
    elev_sigma_deg=1e-5,
    vr_sigma_mps=1e-3,
    transponder_garble_range_m=0.0,
)
EAST = (100.0, 0.0, 0.0)


def polar_of(*rows: tuple[float, float, float, float]) -> Polar:
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Polar(*columns)


@pytest.mark.parametrize(
    ("other", "velocity_mps", "resolved"),
    [
        (at(10_000.0 + 99.0, 0.0), (0.0, 0.0, 0.0), False),
        (at(10_000.0 + 101.0, 0.0), (0.0, 0.0, 0.0), True),
        (at(10_000.0, 1.9), (0.0, 0.0, 0.0), False),
        (at(10_000.0, 2.1), (0.0, 0.0, 0.0), True),
        (at(10_000.0, 358.2), (0.0, 0.0, 0.0), False),
        (at(10_000.0, 0.0, 2.9), (0.0, 0.0, 0.0), False),
        (at(10_000.0, 0.0, 3.1), (0.0, 0.0, 0.0), True),
        (at(10_000.0), (0.0, 9.9, 0.0), False),
        (at(10_000.0), (0.0, 10.1, 0.0), True),
    ],
)
def test_two_targets_are_one_detection_unless_they_differ_by_a_resolution_in_some_quantity(
    other: tuple[float, float, float], velocity_mps: tuple[float, float, float], resolved: bool
) -> None:
    seen = scan(CLEAR, targets(at(10_000.0), other, velocity_mps=[(0.0, 0.0, 0.0), velocity_mps]))
    assert len(seen) == (2 if resolved else 1)
    assert sorted(target for of in seen.of for target in of) == [0, 1]


def test_a_quantity_that_is_not_measured_does_not_resolve_targets() -> None:
    flat = dataclasses.replace(CLEAR, no_elevation=True, elev_resolution_deg=0.0)
    assert len(scan(flat, targets(at(10_000.0, 0.0, 0.0), at(10_000.0, 0.0, 30.0)))) == 1
    blunt = dataclasses.replace(CLEAR, no_radial_velocity=True, vr_resolution_mps=0.0)
    assert len(scan(blunt, targets(at(10_000.0), at(10_000.0), velocity_mps=[(0, 200, 0), (0, -200, 0)]))) == 1


def test_without_a_resolution_everything_is_resolved() -> None:
    ideal = dataclasses.replace(
        CLEAR,
        false_alarm_probability=0.0,
        detection_probability=1.0,
        range_resolution_m=0.0,
        bearing_resolution_deg=0.0,
    )
    assert len(scan(ideal, targets(*[at(10_000.0)] * 5))) == 5


def test_the_one_detection_lies_between_them_nearer_to_the_stronger() -> None:
    pair = targets(at(10_000.0, 359.5), at(10_060.0, 0.5), rcs_dbsm=[10.0, 10.0 + 10.0 * np.log10(3.0)])
    seen = scan(CLEAR, pair)
    assert seen.range_m == pytest.approx([10_045.0], abs=1.0)
    assert seen.bearing_deg == pytest.approx([0.25], abs=0.02)
    assert seen.snr_db == pytest.approx([100.0 + 10.0 * np.log10(4.0)], abs=0.1), "their powers add up"
    assert seen.of == ((1, 0),)


def test_a_merged_detection_is_the_mean_weighted_by_signal_to_noise_ratio() -> None:
    seen = polar_of((100.0, 350.0, 1.0, 5.0), (110.0, 10.0, 3.0, 9.0), (500.0, 0.0, 0.0, 0.0))
    together, snr, leaders = merged(seen, np.array([30.0, 10.0, 7.0]), {0: [1]})
    assert together.range_m.tolist() == [102.5, 500.0]
    assert together.bearing_deg.tolist() == [355.0, 0.0]
    assert together.elev_deg.tolist() == [1.5, 0.0]
    assert together.vr_mps.tolist() == [6.0, 0.0]
    assert (snr.tolist(), leaders.tolist()) == ([40.0, 7.0], [0, 2])


def test_a_row_of_targets_does_not_become_one_detection() -> None:
    row = polar_of(*[(60.0 * index, 0.0, 0.0, 0.0) for index in range(9)])
    strength = np.array([1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 5.0, 1.0, 1.0])
    assert groups_of(row, strength, Cell(100.0)) == {2: [1, 3], 6: [5, 7]}


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.integers(0, 20)] * 4), max_size=25),
    limits=st.tuples(st.integers(0, 6), st.integers(1, 6), st.integers(1, 6)),
)
def test_groups_are_resolved_and_each_member_is_within_a_resolution_of_the_strongest_one(
    rows: list[tuple[int, ...]], limits: tuple[int, int, int]
) -> None:
    seen = polar_of(*[(float(a), float(b), float(c), 0.0) for a, b, c, _ in rows])
    strength = np.array([1.0 + row[3] for row in rows])
    cell = Cell(*map(float, limits))
    groups = groups_of(seen, strength, cell)
    grouped = [index for leader, members in groups.items() for index in (leader, *members)]
    assert len(grouped) == len(set(grouped))

    def near(first: int, second: int) -> bool:
        offs = np.abs(np.subtract(rows[first][:3], rows[second][:3]))
        return bool(np.all(offs < limits))

    for leader, members in groups.items():
        assert all(near(leader, member) and strength[member] <= strength[leader] for member in members)
    leaders = [index for index in range(len(rows)) if index not in grouped or index in groups]
    assert not any(near(first, second) for first in leaders for second in leaders if first < second)


# -- replies -----------------------------------------------------------------------------------------------------------

GARBLING = dataclasses.replace(CLEAR, transponder_garble_range_m=500.0, transponder_garble_bearing_deg=3.0)


@pytest.mark.parametrize(
    ("other", "garbled"),
    [
        (at(10_400.0), True),
        (at(10_600.0), False),
        (at(10_400.0, 2.9), True),
        (at(10_400.0, 3.1), False),
        (at(10_400.0, 0.0, 20.0), True),
    ],
)
def test_two_overlapping_replies_are_both_received_and_neither_is_decoded(
    other: tuple[float, float, float], garbled: bool
) -> None:
    seen = scan(GARBLING, targets(at(10_000.0), other, mode=TransponderMode.ON))
    assert seen.transponder_on.tolist() == [True, True]
    assert seen.transponder_mode.tolist() == [TransponderMode.ON] * 2
    assert seen.id_present.tolist() == [not garbled] * 2
    assert set(seen.transponder_id) == ({""} if garbled else {"ID-0", "ID-1"})


@pytest.mark.parametrize("mode", [TransponderMode.OFF, TransponderMode.SILENT])
def test_a_target_without_a_reply_garbles_none(mode: TransponderMode) -> None:
    both = targets(at(10_000.0), at(10_300.0), mode=TransponderMode.ON)
    both = dataclasses.replace(both, transponder_mode=np.array([int(TransponderMode.ON), int(mode)]))
    seen = scan(GARBLING, both)
    assert set(seen.transponder_id) == {"ID-0", ""}
    assert seen.transponder_on.tolist().count(True) == 1


def test_the_reply_of_an_undetected_target_still_garbles_others() -> None:
    hidden = targets(at(10_000.0), at(10_300.0), mode=TransponderMode.ON, rcs_dbsm=[10.0, -190.0])
    seen = scan(GARBLING, hidden)
    assert (len(seen), seen.id_present.tolist(), seen.transponder_on.tolist()) == (1, [False], [True])


def test_a_merged_detection_of_two_replying_targets_has_no_identity() -> None:
    seen = scan(CLEAR, targets(at(10_000.0), at(10_010.0), mode=TransponderMode.ON))
    assert (seen.transponder_on.tolist(), seen.transponder_id) == ([True], ("",))


def test_a_merged_detection_has_the_identity_of_the_only_replying_target() -> None:
    both = targets(at(10_000.0), at(10_010.0), mode=TransponderMode.ON, rcs_dbsm=[10.0, 20.0])
    both = dataclasses.replace(both, transponder_mode=np.array([int(TransponderMode.SPOOF), 0]))
    seen = scan(CLEAR, both)
    assert (seen.transponder_on.tolist(), seen.transponder_id) == ([True], ("ID-0",))


def test_the_garbling_of_two_replies_does_not_depend_on_other_targets() -> None:
    crowd = [at(20_000.0 + 137.0 * index, 11.0 * index) for index in range(40)]
    seen = scan(GARBLING, targets(at(10_000.0), at(10_300.0), *crowd, mode=TransponderMode.ON))
    assert not {"ID-0", "ID-1"} & set(seen.transponder_id)
