"""Identity switches and breaks are counted as the MOT benchmarks count them."""

from typing import Any

import pytest

from evaluation.switches import IdSwitches


def counted(*scans: dict[str, int], present: Any = None) -> tuple[int, int]:
    """The switches and breaks of scans; each scan maps targets to the tracks that follow them."""
    counter = IdSwitches()
    for scan in scans:
        counter.take(list(scan), list(scan.values()), present)
    return counter.switches, counter.breaks


def test_empty_scans_have_no_switches_or_breaks() -> None:
    assert counted() == counted({}, {}) == (0, 0)


def test_the_first_track_and_the_same_track_are_no_switch() -> None:
    assert counted({"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2}) == (0, 0)


def test_every_change_of_track_is_a_switch() -> None:
    assert counted({"a": 1}, {"a": 2}, {"a": 2}, {"a": 1}) == (2, 0)


def test_swapped_tracks_are_two_switches() -> None:
    assert counted({"a": 1, "b": 2}, {"a": 2, "b": 1}) == (2, 0)


def test_a_gap_of_any_length_is_one_break_and_keeps_the_last_track() -> None:
    assert counted({"a": 1}, {}, {}, {"a": 1}) == (0, 1)
    assert counted({"a": 1}, {}, {"a": 2}) == (1, 1)
    assert counted({"a": 1}, {}, {"a": 1}, {}, {"a": 1}) == (0, 2)


def test_a_target_that_is_never_tracked_again_has_no_break() -> None:
    assert counted({"a": 1}, {}, {}) == (0, 0)


def test_a_track_that_moves_to_a_new_target_is_no_switch_of_that_target() -> None:
    assert counted({"a": 1}, {"b": 1}) == (0, 0)


def test_an_absent_target_has_no_break_and_its_return_under_another_track_is_a_switch() -> None:
    counter = IdSwitches()
    for targets, tracks, present in ((["a"], [1], {"a"}), ([], [], set[str]()), (["a"], [2], {"a"})):
        counter.take(targets, tracks, present)
    assert (counter.switches, counter.breaks) == (1, 0)
    counter.take([], [], {"a"})
    counter.take([], [], set())
    counter.take(["a"], [2], {"a"})
    assert counter.breaks == 1


@pytest.mark.parametrize(
    ("name", "truth_ids", "track_ids"),
    [("track_ids", ["a"], []), ("truth_ids", ["a", "a"], [1, 2]), ("track_ids", ["a", "b"], [1, 1])],
)
def test_an_inconsistent_scan_is_refused_and_not_counted(name: str, truth_ids: Any, track_ids: Any) -> None:
    counter = IdSwitches()
    counter.take(["a"], [9])
    with pytest.raises(ValueError, match=rf"^{name} "):
        counter.take(truth_ids, track_ids)
    counter.take(["a"], [9])
    assert (counter.switches, counter.breaks) == (0, 0)
