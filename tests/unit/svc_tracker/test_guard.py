"""The guard rules: when an alarm is raised, when it is cleared, and that nothing else makes a difference."""

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
from svc_tracker.domain.guard.rules import GuardKind, GuardRule, Situation, probability_within
from svc_tracker.domain.identity.policy import FriendFoe
from svc_tracker.domain.state.tracks import TrackStatus
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


def situation(time_s: float, *seen: Seen) -> Situation:
    def column(name: str, dtype: Any = np.float64) -> Any:
        return np.array([getattr(each, name) for each in seen], dtype=dtype)

    count = len(seen)
    given_: dict[str, Any] = {
        "time_ns": round(time_s * S),
        "not_initiated": 0,
        "modes": ("cv",),
        "transponder_id": ("",) * count,
        "number": column("number", np.int64),
        "status": column("status", np.int64),
        "iff": column("iff", np.int64),
        "transponder_on": column("transponder_on", np.bool_),
        "spoof_evidence": column("evidence", np.int64),
    }
    columns = {each.name: given_.get(each.name, np.zeros(count)) for each in dataclasses.fields(TrackTable)}
    still = np.zeros(count)
    return Situation(
        TrackTable(**columns),
        Relative(column("range_m"), still, still, column("vr_mps")),
        ClosestApproaches(column("distance_m"), column("sigma_m"), column("time_s"), still),
    )


def told(guard: Guard, *steps: Seen, period_s: float = 1.0) -> str:
    """Return what one track brings about, step by step: R raised, C cleared, a dot for nothing."""
    letters = ""
    for step, seen in enumerate(steps):
        events = guard.step(situation(step * period_s, seen))
        assert len(events) <= 1
        letters += {GuardPhase.RAISED: "R", GuardPhase.CLEARED: "C"}[events[0].phase] if events else "."
    return letters


def ranges(*range_m: float) -> Iterator[Seen]:
    return (Seen(range_m=each) for each in range_m)


# -- the kinds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "seen", "holds"),
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
def test_an_alarm_is_raised_where_the_rule_holds_and_only_there(rule: GuardRule, seen: Seen, holds: bool) -> None:
    assert told(Guard([rule]), seen) == ("R" if holds else ".")


def test_how_probable_a_distance_is_is_what_drawing_them_says() -> None:
    rng = np.random.default_rng(2)
    for mean, sigma, limit in ((400.0, 100.0, 500.0), (100.0, 200.0, 300.0), (900.0, 200.0, 500.0)):
        drawn = rng.normal(mean, sigma, 200_000)
        drawn = drawn[drawn >= 0.0]
        closest = ClosestApproaches(np.array([mean]), np.array([sigma]), np.zeros(1), np.zeros(1))
        assert probability_within(limit, closest)[0] == pytest.approx((drawn < limit).mean(), abs=0.005)


# -- duration, hysteresis, cooldown -----------------------------------------------------------------------------------


def test_an_alarm_stands_until_the_rule_holds_no_more() -> None:
    assert told(Guard([CLOSE]), *ranges(2_000, 900, 900, 900, 2_000, 2_000)) == ".R..C."


def test_a_rule_must_hold_for_its_duration_without_a_break() -> None:
    lasting = dataclasses.replace(CLOSE, min_duration_s=2.0)
    assert told(Guard([lasting]), *ranges(900, 900, 2_000, 900, 900, 900, 900)) == ".....R."


def test_an_alarm_is_cleared_beyond_the_hysteresis() -> None:
    eased = dataclasses.replace(CLOSE, hysteresis=0.2)
    assert told(Guard([eased]), *ranges(900, 1_100, 1_200, 1_201, 1_100, 900)) == "R..C.R"


def test_every_limit_is_eased() -> None:
    foe = Seen(iff=FriendFoe.FOE)
    eased = (dataclasses.replace(foe, vr_mps=-46.0), dataclasses.replace(foe, range_m=10_900.0))
    assert told(Guard([SILENT]), foe, *eased, dataclasses.replace(foe, vr_mps=-44.0)) == "R..C"
    near = Seen(distance_m=400.0)
    nearly = (Seen(distance_m=590.0), Seen(distance_m=400.0, time_s=71.0), Seen(distance_m=400.0, sigma_m=900.0))
    assert told(Guard([CPA]), near, *nearly[:2], Seen(distance_m=650.0)) == "R..C"
    assert told(Guard([CPA]), near, nearly[2]) == "RC"


def test_no_other_alarm_is_raised_before_the_cooldown_is_over() -> None:
    pausing = dataclasses.replace(CLOSE, cooldown_s=3.0)
    assert told(Guard([pausing]), *ranges(900, 2_000, 900, 900, 900, 900, 2_000)) == "RC..R.C"


def test_a_rule_that_goes_on_holding_through_the_cooldown_is_raised_at_its_end() -> None:
    both = dataclasses.replace(CLOSE, cooldown_s=2.0, min_duration_s=2.0)
    assert told(Guard([both]), *ranges(900, 900, 900, 2_000, 900, 900, 900)) == "..RC..R"


def test_two_alarms_of_a_rule_and_a_track_never_have_one_time() -> None:
    guard = Guard([CLOSE])
    assert told(guard, *ranges(900, 2_000, 900, 900), period_s=0.0) == "RC.."
    assert guard.step(situation(1.0, Seen()))[0].raised_ns == S


def test_how_long_it_held_and_when_it_was_raised_is_told() -> None:
    guard = Guard([dataclasses.replace(CLOSE, min_duration_s=2.0)])
    events = [event for step in range(8) for event in guard.step(situation(step, Seen(range_m=900.0 + 30.0 * step)))]
    assert [(event.phase, event.since_ns, event.raised_ns) for event in events] == [
        (GuardPhase.RAISED, 0, 2 * S),
        (GuardPhase.CLEARED, 0, 2 * S),
    ]


# -- tracks -----------------------------------------------------------------------------------------------------------


def test_a_track_that_is_lost_clears_its_alarms_once() -> None:
    guard = Guard([CLOSE, SPOOF])
    guard.step(situation(0.0, Seen(evidence=2), Seen(number=2)))
    events = guard.step(situation(1.0, Seen(evidence=2, status=TrackStatus.LOST), Seen(number=2)))
    assert [(event.rule.name, event.phase, event.number) for event in events] == [
        ("close", GuardPhase.CLEARED, 1),
        ("spoof", GuardPhase.CLEARED, 1),
    ]
    assert guard.step(situation(2.0, Seen(number=2))) == []


def test_events_come_by_rule_and_then_by_track_with_their_rows() -> None:
    guard = Guard([SPOOF, CLOSE])
    seen = [Seen(number=3, evidence=2), Seen(number=5), Seen(number=9, evidence=4)]
    events = guard.step(situation(0.0, *seen))
    assert [(event.rule.name, event.number, event.row) for event in events] == [
        ("spoof", 3, 0),
        ("spoof", 9, 2),
        ("close", 3, 0),
        ("close", 5, 1),
        ("close", 9, 2),
    ]


def test_tracks_do_not_disturb_each_other() -> None:
    guard = Guard([CLOSE])
    assert len(guard.step(situation(0.0, Seen(number=4)))) == 1
    assert [event.number for event in guard.step(situation(1.0, Seen(number=4), Seen(number=7)))] == [7]
    assert [event.number for event in guard.step(situation(2.0, Seen(number=4, range_m=9e3), Seen(number=7)))] == [4]


def test_what_is_remembered_is_bounded_by_the_live_tracks() -> None:
    guard = Guard([CLOSE])
    guard.step(situation(0.0, *(Seen(number=number) for number in range(1, 200))))
    lost = [Seen(number=number, status=TrackStatus.LOST) for number in range(1, 200)]
    assert len(guard.step(situation(1.0, *lost))) == 199
    assert len(guard.snapshot()) < 200


@pytest.mark.parametrize("rules", [[], [CLOSE]])
def test_nothing_happens_with_nothing_there(rules: list[GuardRule]) -> None:
    guard = Guard(rules)
    assert guard.step(situation(0.0)) == []
    assert Guard.restore(rules, guard.snapshot()).step(situation(1.0)) == []
    assert len(guard.step(situation(2.0, Seen()))) == len(rules)


# -- what is kept -----------------------------------------------------------------------------------------------------

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
def test_a_guard_restored_anywhere_goes_on_to_the_same_events(tables: list[list[Seen]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(tables) - 1))
    straight, restored = Guard(RULES), Guard(RULES)
    for step, table in enumerate(tables):
        now = situation(step, *(dataclasses.replace(seen, number=n) for n, seen in enumerate(table, start=1)))
        if step == cut:
            restored = Guard.restore(RULES, restored.snapshot())
        assert straight.step(now) == restored.step(now)
    assert straight.snapshot() == restored.snapshot()


def test_the_state_of_other_rules_is_refused() -> None:
    data = Guard([CLOSE]).snapshot()
    with pytest.raises(GuardStateError, match="other rules"):
        Guard.restore([dataclasses.replace(CLOSE, range_m=5.0)], data)


@pytest.mark.parametrize("change", [b"", b"{", b"[]", b"null", b'{"version": 1}'])
def test_bytes_that_are_no_state_are_refused(change: bytes) -> None:
    with pytest.raises(GuardStateError):
        Guard.restore([CLOSE], change)


@pytest.mark.parametrize(
    ("key", "value"), [("version", 9), ("watched", [[7, 0, 1, 2, 3]]), ("watched", [[0, 0, 1]]), ("numbers", ["x"])]
)
def test_a_state_with_something_else_in_it_is_refused(key: str, value: object) -> None:
    guard = Guard([CLOSE])
    guard.step(situation(0.0, Seen()))
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
def test_a_rule_that_is_none_is_refused_with_its_field(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(CLOSE, **{field: value})  # type: ignore[arg-type]


def test_too_many_rules_and_two_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="guard_rules"):
        Guard([dataclasses.replace(CLOSE, name=f"r{number}") for number in range(MAX_RULES + 1)])
    with pytest.raises(ValueError, match="different names"):
        Guard([CLOSE, CLOSE])
