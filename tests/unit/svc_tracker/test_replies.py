"""Transponder replies: identities taken, kept, switched and confirmed."""

import dataclasses

import numpy as np
import pytest

from svc_tracker.domain.frame import Detections
from svc_tracker.domain.identity.policy import NOT_LISTED, FriendFoe, IdentityPolicy, KnownPlatform
from svc_tracker.domain.identity.replies import IdentityRecords, empty, is_confirmed, key_of, update_replies
from svc_tracker.domain.state.types import Indices

S = 1_000_000_000
POLICY = IdentityPolicy(
    platforms=(
        KnownPlatform("A", FriendFoe.FRIEND, max_speed_mps=100.0),
        KnownPlatform("A", FriendFoe.FOE, is_prefix=True),
        KnownPlatform("AB", FriendFoe.FRIEND, is_prefix=True, max_speed_mps=50.0),
    )
)


def detections(*replies: str | None, rcs_dbsm: float = 3.0) -> Detections:
    """Return a detection for each reply: an identity, "" for a reply without one, None for no reply."""
    count = len(replies)
    real = np.full(count, 1.0)
    on = np.array([reply is not None for reply in replies], dtype=np.bool_)
    return Detections(
        range_m=real,
        bearing_deg=real,
        elev_deg=real,
        vr_mps=real,
        snr_db=real,
        rcs_dbsm=np.full(count, rcs_dbsm),
        transponder_on=on,
        transponder_mode=on.astype(np.int64),
        transponder_id=tuple(reply or "" for reply in replies),
        id_present=np.array([bool(reply) for reply in replies], dtype=np.bool_),
        range_band=np.ones(count, dtype=np.int64),
    )


def rows(*numbers: int) -> Indices:
    return np.array(numbers, dtype=np.intp)


def received(*scans: str | None, policy: IdentityPolicy = POLICY, period_s: float = 1.0) -> list[IdentityRecords]:
    """Return the identity records of one track after each of these replies."""
    identities, found = empty(1), []
    for step, reply in enumerate(scans, start=1):
        time_ns = round(step * period_s * S)
        identities = update_replies(identities, rows(0), detections(reply), rows(0), time_ns=time_ns, policy=policy)
        found.append(identities)
    return found


@pytest.mark.parametrize(
    ("replies", "expected"),
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
def test_another_identity_is_taken_after_three_replies_in_a_row(replies: str, expected: str) -> None:
    """Each character is one reply: an identity, or a dash for no reply."""
    taken = [
        identities.identity[0]
        for identities in received(*(None if character == "-" else character for character in replies))
    ]
    assert taken == ["" if character == "-" else character for character in expected]


def test_a_transponder_counts_as_off_after_three_detections_without_a_reply() -> None:
    found = received("A", None, None, None, "A")
    assert [bool(identities.transponder_on[0]) for identities in found] == [True, True, True, False, True]
    assert [int(identities.transponder_mode[0]) for identities in found] == [1, 1, 1, 0, 1]


def test_a_track_without_a_detection_keeps_its_identity_record() -> None:
    identities = empty(3)
    after = update_replies(identities, rows(1), detections("X", "A"), rows(1), time_ns=S, policy=POLICY)
    assert after.identity.tolist() == ["", "A", ""]
    assert after.rcs_count.tolist() == [0, 1, 0]
    for column in dataclasses.fields(IdentityRecords):
        before_values, values = getattr(identities, column.name)[..., [0, 2]], getattr(after, column.name)[..., [0, 2]]
        assert np.array_equal(before_values, values), column.name


def test_an_identity_is_confirmed_by_enough_replies_over_enough_time() -> None:
    confirmed = [
        bool(is_confirmed(identities.replies, identities.first_ns, identities.received_ns, POLICY)[0])
        for identities in received(*"AAAAA")
    ]
    assert confirmed == [False, False, False, True, True]
    faster = [
        bool(is_confirmed(identities.replies, identities.first_ns, identities.received_ns, POLICY)[0])
        for identities in received(*"AAAAAAAA", period_s=0.5)
    ]
    assert faster == [False] * 6 + [True] * 2


def test_confirmation_starts_again_with_another_identity() -> None:
    found = received(*"AAAAAABBB")
    assert found[-1].replies.tolist() == [3]
    assert found[-1].first_ns.tolist() == [9 * S]
    assert [bool(identities.was_confirmed[0]) for identities in found] == [False] * 3 + [True] * 5 + [False]


def test_confirmation_starts_again_after_a_long_silence_but_stays_recorded() -> None:
    identities = received(*"AAAAA")[-1]
    later = update_replies(identities, rows(0), detections("A"), rows(0), time_ns=36 * S, policy=POLICY)
    assert (later.replies[0], later.first_ns[0], bool(later.was_confirmed[0])) == (1, 36 * S, True)
    sooner = update_replies(identities, rows(0), detections("A"), rows(0), time_ns=35 * S, policy=POLICY)
    assert (sooner.replies[0], sooner.first_ns[0]) == (6, S)


@pytest.mark.parametrize(
    ("identity", "platform"), [("A", 0), ("AX", 1), ("AB", 2), ("ABC", 2), ("B", NOT_LISTED), ("a", -1)]
)
def test_a_platform_is_found_by_identity_and_then_by_the_longest_prefix(identity: str, platform: int) -> None:
    assert received(identity)[0].platform.tolist() == [platform]


def test_a_first_identity_is_no_jump_and_the_next_one_is() -> None:
    found = received(*"AABBB")
    assert [float(identities.jump_memory_s[0]) for identities in found] == [0.0, 0.0, 0.0, 0.0, 60.0]
    assert found[-1].previous.tolist() == ["A"]


@pytest.mark.parametrize("late", [0, 1, 2])
def test_two_tracks_that_swap_their_identities_have_not_jumped(late: int) -> None:
    """The tracker swapped two targets where they met; `late` replies of the second were missed."""
    identities = empty(2)
    scans: list[tuple[str | None, str | None]] = [("A", "B")] * 3
    scans += [("B", None if step < late else "A") for step in range(3 + late)]
    for step, replies in enumerate(scans, start=1):
        identities = update_replies(
            identities, rows(0, 1), detections(*replies), rows(0, 1), time_ns=step * S, policy=POLICY
        )
    assert identities.identity.tolist() == ["B", "A"]
    assert identities.jump_memory_s.tolist() == [0.0, 0.0]


def test_a_track_that_takes_the_identity_another_track_keeps_has_jumped() -> None:
    identities = empty(2)
    for step, replies in enumerate([("A", "B")] * 3 + [("B", "B")] * 3, start=1):
        identities = update_replies(
            identities, rows(0, 1), detections(*replies), rows(0, 1), time_ns=step * S, policy=POLICY
        )
    assert identities.jump_memory_s.tolist() == [60.0, 0.0]


def test_the_cross_section_is_the_mean_of_the_measured_ones() -> None:
    identities = empty(1)
    for step, value in enumerate((2.0, 4.0, 9.0), start=1):
        seen = detections(None, rcs_dbsm=value)
        identities = update_replies(identities, rows(0), seen, rows(0), time_ns=step * S, policy=POLICY)
    assert identities.rcs_dbsm[0] == pytest.approx(5.0)
    assert identities.rcs_count.tolist() == [3]


def test_the_key_of_an_identity_is_never_zero() -> None:
    assert key_of("") > 0
    assert key_of("A") == key_of("A") != key_of("B")
    assert key_of("\ud800") > 0


def test_no_tracks_have_no_replies() -> None:
    identities = empty(0)
    assert update_replies(identities, rows(), detections(), rows(), time_ns=S, policy=POLICY) is identities


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
def test_an_invalid_policy_is_refused_by_its_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(POLICY, **{field: value})  # type: ignore[arg-type]


def test_an_identity_of_two_platforms_is_refused() -> None:
    with pytest.raises(ValueError, match="listed twice"):
        IdentityPolicy(platforms=(KnownPlatform("A", FriendFoe.FRIEND), KnownPlatform("A", FriendFoe.FOE)))
    with pytest.raises(ValueError, match="identity"):
        KnownPlatform("", FriendFoe.FRIEND)
    with pytest.raises(ValueError, match="iff"):
        KnownPlatform("A", FriendFoe.UNKNOWN)
    with pytest.raises(ValueError, match="min_speed_mps"):
        KnownPlatform("A", FriendFoe.FRIEND, min_speed_mps=5.0, max_speed_mps=5.0)
    with pytest.raises(ValueError, match="max_acceleration_mps2"):
        KnownPlatform("A", FriendFoe.FRIEND, max_acceleration_mps2=float("nan"))
