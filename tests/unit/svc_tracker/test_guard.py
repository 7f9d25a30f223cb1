"""The guard: the conditions that raise and clear alarms, and its state."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_tracker.domain.guard.closest_approach import ClosestApproaches
from svc_tracker.domain.guard.guard import MAX_RULES, Guard, GuardPhase, GuardStateError
from svc_tracker.domain.guard.relative import Relative
from svc_tracker.domain.guard.rules import GuardInput, GuardKind, GuardRule, probability_within
from svc_tracker.domain.identity.iff import Identification
from svc_tracker.domain.identity.policy import FriendFoe
from svc_tracker.domain.identity.replies import empty
from svc_tracker.domain.state.records import TrackRecords
from svc_tracker.domain.state.tracks import Kinematics, TrackStatus
from svc_tracker.domain.table import TrackTable

S = 1_000_000_000
CLOSE = GuardRule("close", GuardKind.UNKNOWN_CONTACT_CLOSE, 2, range_m=1_000.0)
SILENT = GuardRule(
    "silent", GuardKind.FOE_TRANSPONDER_OFF_APPROACH, 4, range_m=10_000.0, closing_speed_mps=50.0, hysteresis=0.1
)
SPOOF = GuardRule("spoof", GuardKind.SPOOFING_DETECTED, 3)
CPA = GuardRule(
    "cpa",
    GuardKind.CLOSEST_POINT_OF_APPROACH,
    4,
    distance_m=500.0,
    within_s=60.0,
    probability=0.6,
    hysteresis=0.2,
)


@dataclass(frozen=True)
class Seen:
    """One track in a table."""

    number: int = 1
    status: TrackStatus = TrackStatus.TRACKED
    iff: FriendFoe = FriendFoe.UNKNOWN
    transponder_on: bool = False
    evidence: int = 0
    range_m: float = 500.0
    vr_mps: float = -100.0
    distance_m: float = 5_000.0
    sigma_m: float = 10.0
    time_s: float = 30.0


def guard_input(time_s: float, *seen: Seen) -> GuardInput:
    def column(name: str, dtype: Any = np.float64) -> Any:
        return np.array([getattr(track, name) for track in seen], dtype=dtype)

    count = len(seen)
    records, zeros, numbers = TrackRecords.zeros(count), np.zeros(count), np.zeros(count, dtype=np.int64)
    records.number, records.status = column("number", np.int64), column("status", np.int64)
    vectors = np.zeros((3, count))
    kinematics = Kinematics(round(time_s * S), 1.0, vectors, vectors, np.zeros((6, 6, count)), np.zeros(3), np.zeros(3))
    identification = Identification(
        object_type=numbers,
        object_type_probability=zeros,
        iff=column("iff", np.int64),
        identity_source=numbers,
        identity_age_s=zeros,
        identity_conflict=zeros > 0.0,
        spoof_evidence=column("evidence", np.int64),
    )
    table = TrackTable(
        records=records,
        kinematics=kinematics,
        modes=("cv",),
        mode_probability=np.ones((count, 1)),
        identities=dataclasses.replace(empty(count), transponder_on=column("transponder_on", np.bool_)),
        identification=identification,
        not_initiated=0,
    )
    return GuardInput(
        table,
        Relative(column("range_m"), zeros, zeros, column("vr_mps")),
        ClosestApproaches(column("distance_m"), column("sigma_m"), column("time_s"), zeros),
    )


def phases(guard: Guard, *steps: Seen, period_s: float = 1.0) -> str:
    """Return the events of one track, step by step: R raised, C cleared, a dot for none."""
    symbols = ""
    for step, seen in enumerate(steps):
        events = guard.step(guard_input(step * period_s, seen))
        assert len(events) <= 1
        symbols += {GuardPhase.RAISED: "R", GuardPhase.CLEARED: "C"}[events[0].phase] if events else "."
    return symbols


def ranges(*range_m: float) -> Iterator[Seen]:
    return (Seen(range_m=distance) for distance in range_m)


# -- the kinds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "seen", "met"),
    [
        (CLOSE, Seen(), True),
        (CLOSE, Seen(range_m=1_000.0), True),
        (CLOSE, Seen(range_m=1_001.0), False),
        (CLOSE, Seen(iff=FriendFoe.FRIEND), False),
        (CLOSE, Seen(iff=FriendFoe.FOE), False),
        (CLOSE, Seen(iff=FriendFoe.UNSPECIFIED), False),
        (CLOSE, Seen(status=TrackStatus.NEW), False),
        (CLOSE, Seen(status=TrackStatus.LOST), False),
        (CLOSE, Seen(status=TrackStatus.COASTING), True),
        (SILENT, Seen(iff=FriendFoe.FOE), True),
        (SILENT, Seen(iff=FriendFoe.FOE, transponder_on=True), False),
        (SILENT, Seen(iff=FriendFoe.UNKNOWN), False),
        (SILENT, Seen(iff=FriendFoe.FOE, vr_mps=-50.0), False),
        (SILENT, Seen(iff=FriendFoe.FOE, vr_mps=100.0), False),
        (SILENT, Seen(iff=FriendFoe.FOE, range_m=10_001.0), False),
        (dataclasses.replace(SILENT, closing_speed_mps=0.0), Seen(iff=FriendFoe.FOE, vr_mps=0.0), False),
        (SPOOF, Seen(evidence=4), True),
        (SPOOF, Seen(evidence=0), False),
        (SPOOF, Seen(evidence=2, iff=FriendFoe.FRIEND, range_m=90_000.0), True),
        (CPA, Seen(distance_m=400.0), True),
        (CPA, Seen(distance_m=400.0, iff=FriendFoe.FRIEND), True),
        (CPA, Seen(distance_m=600.0), False),
        (CPA, Seen(distance_m=400.0, time_s=61.0), False),
        (CPA, Seen(distance_m=400.0, time_s=0.0), True),
        (CPA, Seen(distance_m=400.0, sigma_m=0.0), True),
        (CPA, Seen(distance_m=500.0, sigma_m=0.0), False),
        (CPA, Seen(distance_m=450.0, sigma_m=2_000.0), False),
    ],
)
def test_an_alarm_is_raised_if_and_only_if_the_rule_is_met(rule: GuardRule, seen: Seen, met: bool) -> None:
    assert phases(Guard([rule]), seen) == ("R" if met else ".")


def test_the_probability_of_a_distance_is_that_of_a_monte_carlo_sample() -> None:
    rng = np.random.default_rng(2)
    for mean, sigma, limit in ((400.0, 100.0, 500.0), (100.0, 200.0, 300.0), (900.0, 200.0, 500.0)):
        sample = rng.normal(mean, sigma, 200_000)
        sample = sample[sample >= 0.0]
        closest = ClosestApproaches(np.array([mean]), np.array([sigma]), np.zeros(1), np.zeros(1))
        assert probability_within(limit, closest)[0] == pytest.approx((sample < limit).mean(), abs=0.005)


# -- duration, hysteresis, cooldown -----------------------------------------------------------------------------------


def test_an_alarm_stays_raised_until_the_rule_is_no_longer_met() -> None:
    assert phases(Guard([CLOSE]), *ranges(2_000, 900, 900, 900, 2_000, 2_000)) == ".R..C."


def test_a_rule_must_be_met_for_its_duration_without_a_break() -> None:
    lasting = dataclasses.replace(CLOSE, min_duration_s=2.0)
    assert phases(Guard([lasting]), *ranges(900, 900, 2_000, 900, 900, 900, 900)) == ".....R."


def test_an_alarm_is_cleared_beyond_the_hysteresis() -> None:
    relaxed = dataclasses.replace(CLOSE, hysteresis=0.2)
    assert phases(Guard([relaxed]), *ranges(900, 1_100, 1_200, 1_201, 1_100, 900)) == "R..C.R"


def test_hysteresis_applies_to_every_limit() -> None:
    foe = Seen(iff=FriendFoe.FOE)
    relaxed = (dataclasses.replace(foe, vr_mps=-46.0), dataclasses.replace(foe, range_m=10_900.0))
    assert phases(Guard([SILENT]), foe, *relaxed, dataclasses.replace(foe, vr_mps=-44.0)) == "R..C"
    near = Seen(distance_m=400.0)
    nearly = (Seen(distance_m=590.0), Seen(distance_m=400.0, time_s=71.0), Seen(distance_m=400.0, sigma_m=900.0))
    assert phases(Guard([CPA]), near, *nearly[:2], Seen(distance_m=650.0)) == "R..C"
    assert phases(Guard([CPA]), near, nearly[2]) == "RC"


def test_no_alarm_is_raised_during_the_cooldown() -> None:
    pausing = dataclasses.replace(CLOSE, cooldown_s=3.0)
    assert phases(Guard([pausing]), *ranges(900, 2_000, 900, 900, 900, 900, 2_000)) == "RC..R.C"


def test_a_rule_met_throughout_the_cooldown_raises_an_alarm_at_its_end() -> None:
    both = dataclasses.replace(CLOSE, cooldown_s=2.0, min_duration_s=2.0)
    assert phases(Guard([both]), *ranges(900, 900, 900, 2_000, 900, 900, 900)) == "..RC..R"


def test_two_alarms_of_a_rule_and_a_track_never_have_the_same_time() -> None:
    guard = Guard([CLOSE])
    assert phases(guard, *ranges(900, 2_000, 900, 900), period_s=0.0) == "RC.."
    assert guard.step(guard_input(1.0, Seen()))[0].raised_ns == S


def test_an_event_has_the_times_since_which_the_rule_is_met_and_at_which_it_was_raised() -> None:
    guard = Guard([dataclasses.replace(CLOSE, min_duration_s=2.0)])
    events = [event for step in range(8) for event in guard.step(guard_input(step, Seen(range_m=900.0 + 30.0 * step)))]
    assert [(event.phase, event.since_ns, event.raised_ns) for event in events] == [
        (GuardPhase.RAISED, 0, 2 * S),
        (GuardPhase.CLEARED, 0, 2 * S),
    ]


# -- tracks -----------------------------------------------------------------------------------------------------------


def test_a_lost_track_clears_its_alarms_once() -> None:
    guard = Guard([CLOSE, SPOOF])
    guard.step(guard_input(0.0, Seen(evidence=2), Seen(number=2)))
    events = guard.step(guard_input(1.0, Seen(evidence=2, status=TrackStatus.LOST), Seen(number=2)))
    assert [(event.rule.name, event.phase, event.number) for event in events] == [
        ("close", GuardPhase.CLEARED, 1),
        ("spoof", GuardPhase.CLEARED, 1),
    ]
    assert guard.step(guard_input(2.0, Seen(number=2))) == []


def test_events_are_ordered_by_rule_and_then_by_track() -> None:
    guard = Guard([SPOOF, CLOSE])
    seen = [Seen(number=3, evidence=2), Seen(number=5), Seen(number=9, evidence=4)]
    events = guard.step(guard_input(0.0, *seen))
    assert [(event.rule.name, event.number, event.row) for event in events] == [
        ("spoof", 3, 0),
        ("spoof", 9, 2),
        ("close", 3, 0),
        ("close", 5, 1),
        ("close", 9, 2),
    ]


def test_tracks_do_not_disturb_each_other() -> None:
    guard = Guard([CLOSE])
    assert len(guard.step(guard_input(0.0, Seen(number=4)))) == 1
    assert [event.number for event in guard.step(guard_input(1.0, Seen(number=4), Seen(number=7)))] == [7]
    assert [event.number for event in guard.step(guard_input(2.0, Seen(number=4, range_m=9e3), Seen(number=7)))] == [4]


def test_the_state_is_bounded_by_the_live_tracks() -> None:
    guard = Guard([CLOSE])
    guard.step(guard_input(0.0, *(Seen(number=number) for number in range(1, 200))))
    lost = [Seen(number=number, status=TrackStatus.LOST) for number in range(1, 200)]
    assert len(guard.step(guard_input(1.0, *lost))) == 199
    assert len(guard.snapshot()) < 200


@pytest.mark.parametrize("rules", [[], [CLOSE]])
def test_no_rules_or_no_tracks_give_no_events(rules: list[GuardRule]) -> None:
    guard = Guard(rules)
    assert guard.step(guard_input(0.0)) == []
    assert Guard.restore(rules, guard.snapshot()).step(guard_input(1.0)) == []
    assert len(guard.step(guard_input(2.0, Seen()))) == len(rules)


# -- the saved state --------------------------------------------------------------------------------------------------

RULES = [dataclasses.replace(rule, min_duration_s=2.0, cooldown_s=3.0) for rule in (CLOSE, SILENT, SPOOF, CPA)]
seen_track = st.builds(
    Seen,
    iff=st.sampled_from(FriendFoe),
    transponder_on=st.booleans(),
    evidence=st.sampled_from([0, 2, 8]),
    range_m=st.sampled_from([500.0, 1_050.0, 20_000.0]),
    distance_m=st.sampled_from([100.0, 550.0, 9_000.0]),
)


@settings(max_examples=40, deadline=None)
@given(tables=st.lists(st.lists(seen_track, min_size=3, max_size=3), min_size=2, max_size=25), data=st.data())
def test_a_restored_guard_continues_to_the_same_events(tables: list[list[Seen]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(tables) - 1))
    straight, restored = Guard(RULES), Guard(RULES)
    for step, table in enumerate(tables):
        now = guard_input(step, *(dataclasses.replace(seen, number=n) for n, seen in enumerate(table, start=1)))
        if step == cut:
            restored = Guard.restore(RULES, restored.snapshot())
        assert straight.step(now) == restored.step(now)
    assert straight.snapshot() == restored.snapshot()


def test_the_state_of_other_rules_is_refused() -> None:
    data = Guard([CLOSE]).snapshot()
    with pytest.raises(GuardStateError, match="other rules"):
        Guard.restore([dataclasses.replace(CLOSE, range_m=5.0)], data)


@pytest.mark.parametrize("change", [b"", b"{", b"[]", b"null", b'{"version": 1}'])
def test_bytes_that_are_not_a_state_are_refused(change: bytes) -> None:
    with pytest.raises(GuardStateError):
        Guard.restore([CLOSE], change)


@pytest.mark.parametrize(
    ("key", "value"), [("version", 9), ("watched", [[7, 0, 1, 2, 3]]), ("watched", [[0, 0, 1]]), ("numbers", ["x"])]
)
def test_a_state_with_other_contents_is_refused(key: str, value: object) -> None:
    guard = Guard([CLOSE])
    guard.step(guard_input(0.0, Seen()))
    state = json.loads(guard.snapshot())
    with pytest.raises(GuardStateError):
        Guard.restore([CLOSE], json.dumps({**state, key: value}).encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_duration_s", -1.0),
        ("cooldown_s", float("nan")),
        ("hysteresis", 1.1),
        ("probability", -0.1),
        ("range_m", float("inf")),
        ("distance_m", float("nan")),
    ],
)
def test_an_invalid_rule_is_refused_by_its_field(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(CLOSE, **{field: value})  # type: ignore[arg-type]


def test_too_many_rules_or_two_of_the_same_name_are_refused() -> None:
    with pytest.raises(ValueError, match="guard_rules"):
        Guard([dataclasses.replace(CLOSE, name=f"r{number}") for number in range(MAX_RULES + 1)])
    with pytest.raises(ValueError, match="its own name"):
        Guard([CLOSE, CLOSE])
