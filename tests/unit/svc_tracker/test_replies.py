"""What is heard of tracks: identities taken, kept and changed, and how long a history of replies is."""

import dataclasses

import numpy as np
import pytest

from svc_tracker.domain.frame import Detections
from svc_tracker.domain.identity.policy import NOBODY, Bearer, FriendFoe, IdentityPolicy
from svc_tracker.domain.identity.replies import Identities, hear, is_confirmed, key_of, unheard
from svc_tracker.domain.state.types import Indices

S = 1_000_000_000
POLICY = IdentityPolicy(
    bearers=(
        Bearer("A", FriendFoe.FRIEND, max_speed_mps=100.0),
        Bearer("A", FriendFoe.FOE, is_prefix=True),
        Bearer("AB", FriendFoe.FRIEND, is_prefix=True, max_speed_mps=50.0),
    )
)


def detections(*answers: str | None, rcs_dbsm: float = 3.0) -> Detections:
    """Return a detection an answer: an identity, "" for a reply without one, None for silence."""
    count = len(answers)
    real = np.full(count, 1.0)
    on = np.array([answer is not None for answer in answers], dtype=np.bool_)
    return Detections(
        range_m=real,
        bearing_deg=real,
        elev_deg=real,
        vr_mps=real,
        snr_db=real,
        rcs_dbsm=np.full(count, rcs_dbsm),
        transponder_on=on,
        transponder_mode=on.astype(np.int64),
        transponder_id=tuple(answer or "" for answer in answers),
        id_present=np.array([bool(answer) for answer in answers], dtype=np.bool_),
        range_band=np.ones(count, dtype=np.int64),
    )


def rows(*numbers: int) -> Indices:
    return np.array(numbers, dtype=np.intp)


def listened(*scans: str | None, policy: IdentityPolicy = POLICY, period_s: float = 1.0) -> list[Identities]:
    """Return what is known of one track after each of these answers."""
    known, found = unheard(1), []
    for step, answer in enumerate(scans, start=1):
        time_ns = round(step * period_s * S)
        known = hear(known, rows(0), detections(answer), rows(0), time_ns=time_ns, policy=policy)
        found.append(known)
    return found


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("A", "A"),
        ("-A", "-A"),
        ("A--", "AAA"),
        ("ABA", "AAA"),
        ("ABB", "AAA"),
        ("ABBB", "AAAB"),
        ("ABBABB", "AAAAAA"),
        ("AB-B-B", "AAAAAB"),
        ("ABCBCBC", "AAAAAAA"),
        ("ABBBAAA", "AAABBBA"),
    ],
)
def test_another_identity_stands_after_three_in_a_row(answers: str, expected: str) -> None:
    """A letter is an identity, a dash none."""
    told = [known.identity[0] for known in listened(*(None if letter == "-" else letter for letter in answers))]
    assert told == ["" if letter == "-" else letter for letter in expected]


def test_a_transponder_counts_as_silent_after_three_detections_without_a_reply() -> None:
    found = listened("A", None, None, None, "A")
    assert [bool(known.transponder_on[0]) for known in found] == [True, True, True, False, True]
    assert [int(known.transponder_mode[0]) for known in found] == [1, 1, 1, 0, 1]


def test_a_track_that_had_no_detection_is_as_it_was() -> None:
    known = unheard(3)
    after = hear(known, rows(1), detections("X", "A"), rows(1), time_ns=S, policy=POLICY)
    assert after.identity.tolist() == ["", "A", ""]
    assert after.rcs_count.tolist() == [0, 1, 0]
    for column in dataclasses.fields(Identities):
        before_values, values = getattr(known, column.name)[..., [0, 2]], getattr(after, column.name)[..., [0, 2]]
        assert np.array_equal(before_values, values), column.name


def test_a_history_is_confirmed_by_its_replies_and_its_time() -> None:
    confirmed = [
        bool(is_confirmed(known.replies, known.first_ns, known.heard_ns, POLICY)[0]) for known in listened(*"AAAAA")
    ]
    assert confirmed == [False, False, False, True, True]
    quick = [
        bool(is_confirmed(known.replies, known.first_ns, known.heard_ns, POLICY)[0])
        for known in listened(*"AAAAAAAA", period_s=0.5)
    ]
    assert quick == [False] * 6 + [True] * 2


def test_another_identity_begins_its_own_history() -> None:
    found = listened(*"AAAAAABBB")
    assert found[-1].replies.tolist() == [3]
    assert found[-1].first_ns.tolist() == [9 * S]
    assert [bool(known.proven[0]) for known in found] == [False] * 3 + [True] * 5 + [False]


def test_one_that_was_silent_too_long_begins_its_history_anew_and_stays_proven() -> None:
    known = listened(*"AAAAA")[-1]
    later = hear(known, rows(0), detections("A"), rows(0), time_ns=36 * S, policy=POLICY)
    assert (later.replies[0], later.first_ns[0], bool(later.proven[0])) == (1, 36 * S, True)
    sooner = hear(known, rows(0), detections("A"), rows(0), time_ns=35 * S, policy=POLICY)
    assert (sooner.replies[0], sooner.first_ns[0]) == (6, S)


@pytest.mark.parametrize(("identity", "bearer"), [("A", 0), ("AX", 1), ("AB", 2), ("ABC", 2), ("B", NOBODY), ("a", -1)])
def test_a_bearer_is_found_by_name_and_then_by_the_longest_prefix(identity: str, bearer: int) -> None:
    assert listened(identity)[0].bearer.tolist() == [bearer]


def test_a_first_identity_is_no_jump_and_another_is_one() -> None:
    found = listened(*"AABBB")
    assert [float(known.jump_left_s[0]) for known in found] == [0.0, 0.0, 0.0, 0.0, 60.0]
    assert found[-1].former.tolist() == ["A"]


@pytest.mark.parametrize("late", [0, 1, 2])
def test_two_tracks_that_swap_their_identities_have_not_jumped(late: int) -> None:
    """The tracker took one thing for the other where they met; `late` replies of the second were missed."""
    known = unheard(2)
    scans: list[tuple[str | None, str | None]] = [("A", "B")] * 3
    scans += [("B", None if step < late else "A") for step in range(3 + late)]
    for step, answers in enumerate(scans, start=1):
        known = hear(known, rows(0, 1), detections(*answers), rows(0, 1), time_ns=step * S, policy=POLICY)
    assert known.identity.tolist() == ["B", "A"]
    assert known.jump_left_s.tolist() == [0.0, 0.0]


def test_one_that_takes_the_identity_of_another_that_keeps_it_has_jumped() -> None:
    known = unheard(2)
    for step, answers in enumerate([("A", "B")] * 3 + [("B", "B")] * 3, start=1):
        known = hear(known, rows(0, 1), detections(*answers), rows(0, 1), time_ns=step * S, policy=POLICY)
    assert known.jump_left_s.tolist() == [60.0, 0.0]


def test_the_cross_section_is_a_mean_of_what_was_measured() -> None:
    known = unheard(1)
    for step, value in enumerate((2.0, 4.0, 9.0), start=1):
        heard = detections(None, rcs_dbsm=value)
        known = hear(known, rows(0), heard, rows(0), time_ns=step * S, policy=POLICY)
    assert known.rcs_dbsm[0] == pytest.approx(5.0)
    assert known.rcs_count.tolist() == [3]


def test_the_key_of_an_identity_is_never_that_of_none() -> None:
    assert key_of("") > 0
    assert key_of("A") == key_of("A") != key_of("B")
    assert key_of("\ud800") > 0


def test_nothing_is_heard_of_nobody() -> None:
    known = unheard(0)
    assert hear(known, rows(), detections(), rows(), time_ns=S, policy=POLICY) is known


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("confirm_replies", 0),
        ("identity_switch_replies", 1_001),
        ("confirm_time_s", -1.0),
        ("confirm_time_s", float("nan")),
        ("max_identity_age_s", 0.0),
        ("evidence_memory_s", float("inf")),
        ("significance_sigma", 0.0),
        ("min_class_probability", 0.5),
        ("spoofer", FriendFoe.FRIEND),
    ],
)
def test_a_policy_that_is_none_is_refused_with_its_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(POLICY, **{field: value})  # type: ignore[arg-type]


def test_an_identity_of_two_bearers_is_refused() -> None:
    with pytest.raises(ValueError, match="given twice"):
        IdentityPolicy(bearers=(Bearer("A", FriendFoe.FRIEND), Bearer("A", FriendFoe.FOE)))
    with pytest.raises(ValueError, match="identity"):
        Bearer("", FriendFoe.FRIEND)
    with pytest.raises(ValueError, match="iff"):
        Bearer("A", FriendFoe.UNKNOWN)
    with pytest.raises(ValueError, match="min_speed_mps"):
        Bearer("A", FriendFoe.FRIEND, min_speed_mps=5.0, max_speed_mps=5.0)
    with pytest.raises(ValueError, match="max_acceleration_mps2"):
        Bearer("A", FriendFoe.FRIEND, max_acceleration_mps2=float("nan"))
