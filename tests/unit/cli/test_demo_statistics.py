"""Demo statistics: the recorded events of a run, counted, scored and judged, on small runs made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from cli.demo.checks.comparison import SubjectCount
from cli.demo.health_log import HealthLog
from cli.demo.outcome import Outcome
from cli.demo.record import Coverage, RecordedScan, RunRecord, TrackPart, Truth
from cli.demo.report import contacts_text, report_lines, title_text
from cli.demo.score import GOSPA_C_M
from cli.demo.statistics import WARM_UP_SCANS, latency, score, statistics_of, track_set_problems
from cli.local_mesh.probe import ServiceStatus

LONG, SHORT = "sensor-long", "sensor-short"
EMPTY = RunRecord(
    radars={LONG: "radar-long", SHORT: "radar-short"},
    contacts={},
    truth={},
    scans=(),
    track_parts=(),
    audit={},
    begun_ns=0,
    ended_ns=0,
    first_time_ns=0,
    last_time_ns=0,
)
FOLLOWED, MISSED, BEYOND = (10_000.0, 0.0, 100.0), (0.0, 20_000.0, 100.0), (200_000.0, 0.0, 100.0)
FALSE = (-30_000.0, 0.0, 100.0)
Points = dict[str, tuple[float, float, float]]


def rows(*points: tuple[float, float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array(points, dtype=np.float64).reshape(-1, 3)


def scan(sequence: int, sensor_id: str = LONG, detections: int = 2, produced_ns: int = 0) -> RecordedScan:
    farthest_m = 100_000.0 if sensor_id == LONG else 12_000.0
    coverage = Coverage(np.zeros(3), 1_000.0, farthest_m, -30.0, 60.0)
    return RecordedScan(
        sequence, f"frame-{sequence}", sensor_id, sequence, produced_ns, coverage, np.ones((detections, 3))
    )


def part(frame: int, number: int = 1, of: int = 1, *, stored_ns: int = 0, tracks: Points | None = None) -> TrackPart:
    """A part of a set; tracks by name, those whose name begins with `new` not confirmed."""
    tracks = tracks or {}
    return TrackPart(
        frame_sequence=frame,
        frame_id=f"frame-{frame}",
        part=number,
        parts=of,
        stored_ns=stored_ns,
        track_ids=tuple(tracks),
        identities=("",) * len(tracks),
        confirmed=np.array([not name.startswith("new") for name in tracks], dtype=np.bool_),
        position_m=rows(*tracks.values()),
    )


def scored(scans: int, **tracks: tuple[float, float, float]) -> RunRecord:
    """A run of so many scans of the long-range radar, with the same truth and the same tracks in each."""
    truth = Truth(("followed", "missed", "beyond"), rows(FOLLOWED, MISSED, BEYOND))
    numbers = range(1, scans + 1)
    return replace(
        EMPTY,
        contacts=dict.fromkeys(truth.contact_ids, "aircraft"),
        truth=dict.fromkeys(numbers, truth),
        scans=tuple(map(scan, numbers)),
        track_parts=tuple(part(number, tracks=tracks) for number in numbers),
    )


# --- what happened ----------------------------------------------------------------------------------------------------


def test_an_empty_run_has_printable_statistics() -> None:
    found = statistics_of(EMPTY)
    assert (found.simulated_s, found.speed, found.contacts, found.in_view) == (0.0, 0.0, {}, 0)
    assert (found.confirmed, found.live, found.score, found.latency) == (0, 0, None, None)
    assert [(radar.name, radar.scans, radar.detections) for radar in found.radars] == [
        ("radar-long", 0, 0),
        ("radar-short", 0, 0),
    ]
    text = "\n".join(report_lines("nothing", found))
    assert "nothing ran" in text
    assert "not known" in text
    assert "nan" not in text


def test_scans_and_detections_are_counted_by_radar() -> None:
    record = replace(EMPTY, scans=(scan(1, SHORT, 3), scan(2, LONG, 5), scan(3, SHORT, 0), scan(4, SHORT, 1)))
    assert [(radar.name, radar.scans, radar.detections) for radar in statistics_of(record).radars] == [
        ("radar-long", 1, 5),
        ("radar-short", 3, 4),
    ]


def test_contacts_count_all_targets_of_the_run_and_in_view_those_that_a_scan_could_detect() -> None:
    found = statistics_of(scored(1))
    assert (found.contacts, found.in_view) == ({"aircraft": 3}, 2)


def test_confirmed_tracks_are_counted_once_and_live_ones_are_those_of_the_last_set() -> None:
    first: Points = {"a": FOLLOWED, "new": FALSE}
    third: Points = {"c": FALSE}
    parts = (part(1, tracks=first), part(2, 1, 2, tracks={"a": FOLLOWED, "b": MISSED}), part(2, 2, 2, tracks=third))
    found = statistics_of(replace(EMPTY, track_parts=parts))
    assert (found.confirmed, found.live) == (3, 3)
    found = statistics_of(replace(EMPTY, track_parts=(*parts, part(3, tracks={"b": MISSED, "new2": FALSE}))))
    assert (found.confirmed, found.live) == (3, 1)


def test_speed_is_simulation_time_by_the_wall_clock_from_the_first_production_to_the_last_storing() -> None:
    record = replace(EMPTY, begun_ns=5 * 10**9, ended_ns=15 * 10**9, first_time_ns=10**9, last_time_ns=301 * 10**9)
    assert statistics_of(record).speed == pytest.approx(30.0)


def test_contacts_of_one_kind_give_the_title_their_name_and_others_do_not() -> None:
    assert contacts_text({"aircraft": 33}) == "33 aircraft"
    assert contacts_text({"drone": 4, "ship": 1}) == "4 drones, 1 ship"
    found = statistics_of(scored(1))
    assert title_text("paris", found).startswith("paris: 3 aircraft, ")
    assert title_text("x", replace(found, contacts={"drone": 4, "ship": 1})).startswith("x: 5 contacts, ")


# --- GOSPA ------------------------------------------------------------------------------------------------------------


def test_the_first_scans_are_not_scored() -> None:
    assert score(scored(WARM_UP_SCANS, track=FOLLOWED)) is None
    found = score(scored(WARM_UP_SCANS + 3, track=FOLLOWED))
    assert found is not None
    assert (found.radar, found.scans) == ("radar-long", 3)


def test_the_score_has_the_parts_that_its_definition_gives_and_their_squares_add_up() -> None:
    near = (FOLLOWED[0] + 300.0, FOLLOWED[1] + 400.0, FOLLOWED[2])
    found = score(scored(WARM_UP_SCANS + 4, track=near, clutter=FALSE, new=MISSED))
    assert found is not None
    assert (found.followed, found.missed, found.false) == (1.0, 1.0, 1.0)
    assert found.localisation_m == pytest.approx(500.0)
    assert found.missed_m == found.false_m == pytest.approx(np.sqrt(GOSPA_C_M**2 / 2))
    parts = (found.localisation_m, found.missed_m, found.false_m)
    assert found.total_m == pytest.approx(np.sqrt(sum(one**2 for one in parts)))


def test_a_target_out_of_view_is_neither_missed_nor_false() -> None:
    found = score(scored(WARM_UP_SCANS + 1, track=FOLLOWED, other=MISSED, away=BEYOND))
    assert found is not None
    assert (found.followed, found.missed, found.false, found.total_m) == (2.0, 0.0, 0.0, 0.0)


def test_scans_of_a_radar_of_shorter_range_are_not_scored() -> None:
    record = scored(WARM_UP_SCANS + 1, track=FOLLOWED)
    short = tuple(scan(number, SHORT) for number in range(100, 200))
    found = score(replace(record, scans=(*short, *record.scans)))
    assert found is not None
    assert found.scans == 1


def test_coverage_is_bounded_by_range_and_elevation() -> None:
    coverage = Coverage(np.array([0.0, 0.0, 50.0]), 1_000.0, 10_000.0, -10.0, 45.0)
    points = rows((2e3, 0, 50), (0, 500, 50), (0, 11e3, 50), (2e3, 0, 2.1e3), (2e3, 0, 1.9e3), (0, -2e3, -400))
    assert coverage.holds(points).tolist() == [True, False, False, False, True, False]
    assert coverage.holds(np.empty((0, 3))).tolist() == []


# --- SIAP and identity ------------------------------------------------------------------------------------------------


def test_siap_attributes_are_ratios_over_all_scored_scans() -> None:
    beside = (FOLLOWED[0] + 900.0, FOLLOWED[1], FOLLOWED[2])
    found = score(scored(WARM_UP_SCANS + 2, track=FOLLOWED, second=beside, clutter=FALSE, new=MISSED))
    assert found is not None
    assert (found.completeness, found.ambiguity, found.spuriousness) == pytest.approx((1 / 2, 2.0, 1 / 3))
    assert (found.switches, found.breaks) == (0, 0)


def test_a_ratio_without_a_denominator_is_none_and_printable() -> None:
    record = scored(WARM_UP_SCANS + 1)
    found = score(record)
    assert found is not None
    assert (found.completeness, found.ambiguity, found.spuriousness) == (0.0, None, None)
    assert "completeness 0.000, ambiguity not known, spuriousness not known" in "\n".join(
        report_lines("x", statistics_of(record))
    )


def test_another_track_on_a_contact_is_a_switch_and_a_track_after_a_gap_a_break() -> None:
    found = score(followed_by("a", "a", "b", None, None, "b", None, "a"))
    assert found is not None
    assert (found.switches, found.breaks) == (2, 2)


def test_changes_during_track_initiation_or_out_of_view_are_not_counted() -> None:
    record = followed_by("a", None, "a")
    found = score(replace(record, truth={**record.truth, WARM_UP_SCANS + 2: Truth(("followed",), rows(BEYOND))}))
    assert found is not None
    assert (found.switches, found.breaks) == (0, 0)


def followed_by(*tracks: str | None) -> RunRecord:
    """A run in which a contact has these tracks, scan by scan, after tracks with other names were initiated."""
    names = [*(f"early-{number}" for number in range(WARM_UP_SCANS)), *tracks]
    truth = Truth(("followed",), rows(FOLLOWED))
    parts = (part(n, tracks={name: FOLLOWED} if name else {}) for n, name in enumerate(names, start=1))
    numbers = range(1, len(names) + 1)
    return replace(
        EMPTY,
        contacts={"followed": "aircraft"},
        truth=dict.fromkeys(numbers, truth),
        scans=tuple(map(scan, numbers)),
        track_parts=tuple(parts),
    )


# --- latency ----------------------------------------------------------------------------------------------------------


def test_latency_is_measured_to_the_last_part_and_over_complete_track_sets_only() -> None:
    record = replace(
        EMPTY,
        scans=(scan(1, produced_ns=10**9), scan(2, produced_ns=2 * 10**9), scan(3), scan(4)),
        track_parts=(
            part(1, 2, 2, stored_ns=4 * 10**9),
            part(1, 1, 2, stored_ns=3 * 10**9),
            part(2, stored_ns=3 * 10**9),
            part(3, 1, 2, stored_ns=9 * 10**9),
        ),
    )
    found = latency(record)
    assert found is not None
    assert found.frames == 2
    assert found.p50_s == pytest.approx(2.0)
    assert 2.9 < found.p99_s <= 3.0


# --- judgement --------------------------------------------------------------------------------------------------------


def test_a_run_with_a_complete_track_set_for_every_frame_has_no_problems() -> None:
    assert track_set_problems(0, []) == []
    assert track_set_problems(3, [part(1), part(3), part(2, 2, 2), part(2, 1, 2)]) == []


@pytest.mark.parametrize(
    ("frames", "parts", "problem"),
    [
        (3, [part(1), part(3)], "1 of 3 frames have no set of tracks: 2."),
        (2, [], "2 of 2 frames have no set of tracks: 1, 2."),
        (9, [], "9 of 9 frames have no set of tracks: 1, 2, 3, 4, 5 and 4 more."),
        (2, [part(1), part(2, 2, 2)], "1 of 2 frames lack a part of their set of tracks: 2."),
        (1, [part(1), part(1)], "1 of 1 frames have a part of their set of tracks twice: 1."),
        (1, [part(1), part(2)], "1 of 1 frames have a set of tracks and are not there themselves: 2."),
    ],
)
def test_problems_of_track_sets_are_reported_in_plain_words(frames: int, parts: list[TrackPart], problem: str) -> None:
    assert track_set_problems(frames, parts) == [problem]


def status(name: str, says: str = "SERVING", detail: str = "") -> ServiceStatus:
    return ServiceStatus(name, says, detail)


def test_a_mesh_that_served_at_every_check_has_no_problems() -> None:
    log = HealthLog({"sim": 7, "nats": 8})
    for _ in range(3):
        log.look([status("sim"), status("nats")], {"sim": 7, "nats": 8})
    assert log.problems() == []


def test_a_service_that_stopped_serving_once_or_was_restarted_is_remembered() -> None:
    log = HealthLog({"sim": 7, "radar": 8})
    log.look([status("sim"), status("radar")], {"sim": 7, "radar": 8})
    log.look([status("sim", "NOT_SERVING", "the loop stands still"), status("radar", "UNREACHABLE")], {"sim": 7})
    log.look([status("sim"), status("radar")], {"sim": 7, "radar": 9})
    log.look([status("sim", "NOT_SERVING", "again"), status("radar")], {"sim": 7, "radar": 9})
    assert log.problems() == [
        "sim was NOT_SERVING: the loop stands still.",
        "radar was UNREACHABLE.",
        "radar died and was started again.",
    ]


def test_any_problem_with_counts_tracks_or_health_fails_the_run() -> None:
    good = SubjectCount("a", 5, 5, 5, True, 1, 5)
    twice = SubjectCount("b", 5, 6, 5, False, 1, 5)
    assert Outcome("x", EMPTY, (good,), (), (), (), {}).problems() == []
    outcome = Outcome("x", EMPTY, (good, twice), ("a frame has no tracks.",), ("wrong payload.",), ("sim died.",), {})
    assert outcome.problems() == [
        "b: 1 messages are there twice.",
        "a frame has no tracks.",
        "wrong payload.",
        "sim died.",
    ]
