"""IFF: every row of the decision table, and the evidence of spoofing."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest

from svc_tracker.domain.frame import Detections
from svc_tracker.domain.identity.iff import Identification, IdentitySource, SpoofEvidence, classify
from svc_tracker.domain.identity.policy import FriendFoe, HostileApproach, IdentityPolicy, KnownPlatform, ObjectType
from svc_tracker.domain.identity.replies import IdentityRecords, empty, update_replies
from svc_tracker.domain.identity.spoofing import update_evidence
from svc_tracker.domain.state.tracks import Kinematics, TrackStatus

S = 1_000_000_000
FRIEND, FOE, UNKNOWN = int(FriendFoe.FRIEND), int(FriendFoe.FOE), int(FriendFoe.UNKNOWN)
POLICY = IdentityPolicy(
    platforms=(
        KnownPlatform("F-1", FriendFoe.FRIEND, min_speed_mps=50.0, max_speed_mps=200.0, max_acceleration_mps2=20.0),
        KnownPlatform("F-2", FriendFoe.FRIEND, max_speed_mps=300.0, object_type=ObjectType.AIRCRAFT),
        KnownPlatform("RAID", FriendFoe.FOE, is_prefix=True),
    ),
    hostile_approach=HostileApproach(range_m=10_000.0, closing_speed_mps=100.0, duration_s=4.0),
)
JUMP, TWO, MOTION = (kind.bit for kind in SpoofEvidence)


@dataclass
class Target:
    """A target: its initial position, its velocity, and its reply each second; None is no reply."""

    replies: list[str | None]
    position_m: tuple[float, float, float] = (0.0, 30_000.0, 1_000.0)
    velocity_mps: tuple[float, float, float] = (100.0, 0.0, 0.0)
    later_velocity_mps: tuple[float, float, float] | None = None
    rcs_dbsm: float = 15.0
    sigma_mps: float = 1.0
    status: TrackStatus = field(default=TrackStatus.TRACKED)

    def velocity(self, step: int) -> tuple[float, float, float]:
        return self.later_velocity_mps if self.later_velocity_mps and step > 6 else self.velocity_mps


def identified(*targets: Target, policy: IdentityPolicy = POLICY) -> list[Identification]:
    """Return the identification of the targets, second by second."""
    count = len(targets)
    identities, found = empty(count), []
    rows = np.arange(count)
    status = np.array([int(target.status) for target in targets])
    position = np.array([target.position_m for target in targets]).T.reshape(3, count)
    for step in range(1, len(targets[0].replies) + 1):
        time_ns = step * S
        velocity = np.array([target.velocity(step) for target in targets]).T.reshape(3, count)
        position = position + velocity
        covariance = np.zeros((6, 6, count))
        for index, target in enumerate(targets):
            covariance[:, :, index] = np.diag([20.0**2] * 3 + [target.sigma_mps**2] * 3)
        replies = [target.replies[step - 1] for target in targets]
        seen = detections(targets, replies)
        identities = update_replies(identities, rows, seen, rows, time_ns=time_ns, policy=policy)
        kinematics = Kinematics(time_ns, 1.0, position, velocity, covariance, np.zeros(3), np.zeros(3))
        identities = update_evidence(identities, kinematics, policy)
        found.append(classify(identities, status, kinematics, policy))
    return found


def detections(targets: tuple[Target, ...], replies: list[str | None]) -> Detections:
    real = np.full(len(targets), 1.0)
    on = np.array([reply is not None for reply in replies], dtype=np.bool_)
    return Detections(
        range_m=real,
        bearing_deg=real,
        elev_deg=real,
        vr_mps=real,
        snr_db=real,
        rcs_dbsm=np.array([target.rcs_dbsm for target in targets]),
        transponder_on=on,
        transponder_mode=on.astype(np.int64),
        transponder_id=tuple(reply or "" for reply in replies),
        id_present=on,
        range_band=np.ones(len(targets), dtype=np.int64),
    )


def iff(found: list[Identification], track: int = 0) -> list[int]:
    return [int(identification.iff[track]) for identification in found]


def evidence(found: list[Identification], track: int = 0) -> list[int]:
    return [int(identification.spoof_evidence[track]) for identification in found]


# -- friends ----------------------------------------------------------------------------------------------------------


def test_a_friend_needs_a_listed_and_confirmed_identity() -> None:
    found = identified(Target(["F-1"] * 6))
    assert iff(found) == [UNKNOWN, UNKNOWN, UNKNOWN, FRIEND, FRIEND, FRIEND]
    assert [int(identification.identity_source[0]) for identification in found] == [0, 0, 0, 1, 1, 1]
    assert not found[-1].identity_conflict[0]


def test_an_identity_that_is_not_listed_makes_no_friend() -> None:
    assert set(iff(identified(Target(["X-9"] * 20)))) == {UNKNOWN}


def test_an_empty_policy_has_no_friends() -> None:
    assert set(iff(identified(Target(["F-1"] * 20), policy=IdentityPolicy()))) == {UNKNOWN}


def test_a_silent_friend_remains_one_until_its_identity_is_too_old() -> None:
    found = identified(Target(["F-1"] * 5 + [None] * 32))
    assert iff(found)[4:35] == [FRIEND] * 31
    assert iff(found)[35:] == [UNKNOWN] * 2
    assert found[-1].identity_age_s[0] == 32.0


def test_a_rival_identity_suspends_a_friend() -> None:
    found = identified(Target([*["F-1"] * 5, "F-2", "F-1"]))
    assert iff(found)[3:] == [FRIEND, FRIEND, UNKNOWN, FRIEND]
    assert [bool(identification.identity_conflict[0]) for identification in found[3:]] == [False, False, True, False]


def test_a_target_class_that_is_not_the_platforms_makes_no_friend() -> None:
    slow_and_small = Target(["F-2"] * 8, velocity_mps=(70.0, 0.0, 0.0), rcs_dbsm=-6.0)
    found = identified(slow_and_small)
    assert found[-1].object_type[0] == ObjectType.DRONE
    assert iff(found)[-1] == UNKNOWN
    assert found[-1].identity_conflict[0]
    assert iff(identified(Target(["F-2"] * 8, velocity_mps=(220.0, 0.0, 0.0))))[-1] == FRIEND


def test_a_track_that_is_not_confirmed_is_not_identified() -> None:
    found = identified(Target(["F-1"] * 6, status=TrackStatus.NEW))
    assert set(iff(found)) == {0}


# -- foes -------------------------------------------------------------------------------------------------------------


def test_a_confirmed_foe_remains_one_when_it_falls_silent() -> None:
    found = identified(Target(["RAIDER"] * 5 + [None] * 60))
    assert iff(found) == [UNKNOWN] * 3 + [FOE] * 62
    assert found[-1].identity_source[0] == IdentitySource.TRANSPONDER


def test_a_long_fast_near_approach_without_replies_makes_a_foe() -> None:
    target = Target([None] * 12, position_m=(0.0, 11_000.0, 0.0), velocity_mps=(0.0, -250.0, 0.0))
    found = identified(target)
    assert iff(found)[:7] == [UNKNOWN] * 6 + [FOE]
    assert found[-1].identity_source[0] == IdentitySource.BEHAVIOUR


@pytest.mark.parametrize(
    "target",
    [
        Target([None] * 12, position_m=(0.0, 9_000.0, 0.0), velocity_mps=(0.0, -90.0, 0.0)),
        Target([None] * 12, position_m=(0.0, 9_000.0, 0.0), velocity_mps=(0.0, 250.0, 0.0)),
        Target([None] * 12, position_m=(0.0, 50_000.0, 0.0), velocity_mps=(0.0, -250.0, 0.0)),
        Target(["X"] * 12, position_m=(0.0, 9_000.0, 0.0), velocity_mps=(0.0, -250.0, 0.0)),
    ],
    ids=["slow", "away", "far", "replies"],
)
def test_any_other_approach_makes_no_foe(target: Target) -> None:
    assert set(iff(identified(target))) == {UNKNOWN}


def test_without_a_rule_for_hostile_approach_no_approach_makes_a_foe() -> None:
    target = Target([None] * 12, position_m=(0.0, 9_000.0, 0.0), velocity_mps=(0.0, -250.0, 0.0))
    assert set(iff(identified(target, policy=dataclasses.replace(POLICY, hostile_approach=None)))) == {UNKNOWN}


# -- kinematic violations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed_mps", [20.0, 260.0], ids=["too slow", "too fast"])
def test_sustained_impossible_motion_marks_a_spoofer(speed_mps: float) -> None:
    found = identified(Target(["F-1"] * 8, velocity_mps=(speed_mps, 0.0, 0.0)))
    assert evidence(found) == [0] * 4 + [MOTION] * 4
    assert iff(found) == [UNKNOWN] * 4 + [FOE] * 4
    assert found[-1].identity_source[0] == IdentitySource.SPOOF_EVIDENCE
    assert found[-1].identity_conflict[0]


def test_an_uncertain_speed_is_no_kinematic_violation() -> None:
    assert set(evidence(identified(Target(["F-1"] * 20, velocity_mps=(260.0, 0.0, 0.0), sigma_mps=20.0)))) == {0}


def test_an_impossible_acceleration_marks_a_spoofer() -> None:
    """Two changes of velocity of 35 m/s2 over the span of 4 s follow one another."""
    found = identified(Target(["F-1"] * 5))
    assert set(evidence(found)) == {0}
    turning = Target(["F-1"] * 16)
    turning.velocity = lambda step: (100.0 * np.cos(0.35 * step), 100.0 * np.sin(0.35 * step), 0.0)  # type: ignore[method-assign]
    assert MOTION in evidence(identified(turning))
    gentle = Target(["F-1"] * 16)
    gentle.velocity = lambda step: (100.0 * np.cos(0.1 * step), 100.0 * np.sin(0.1 * step), 0.0)  # type: ignore[method-assign]
    assert set(evidence(identified(gentle))) == {0}


def test_evidence_ends_after_the_evidence_memory() -> None:
    found = identified(Target(["F-1"] * 80, velocity_mps=(260.0, 0.0, 0.0), later_velocity_mps=(100.0, 0.0, 0.0)))
    kinds = evidence(found)
    assert kinds.index(MOTION) == 4
    assert kinds[4:65] == [MOTION] * 61
    assert set(kinds[75:]) == {0}
    assert iff(found)[-1] == FRIEND


def test_a_policy_may_identify_a_spoofer_as_unknown() -> None:
    mild = dataclasses.replace(POLICY, spoofer=FriendFoe.UNKNOWN)
    found = identified(Target(["F-1"] * 8, velocity_mps=(260.0, 0.0, 0.0)), policy=mild)
    assert set(iff(found)) == {UNKNOWN}
    assert found[-1].identity_source[0] == IdentitySource.SPOOF_EVIDENCE


# -- duplicate identities ---------------------------------------------------------------------------------------------


def elsewhere(replies: list[str | None], velocity_mps: tuple[float, float, float] = (100.0, 0.0, 0.0)) -> Target:
    return Target(replies, position_m=(9_000.0, 10_000.0, 500.0), velocity_mps=velocity_mps)


def test_a_duplicate_identity_makes_neither_track_a_friend() -> None:
    found = identified(Target(["F-1"] * 8), elsewhere(["F-1"] * 8))
    for track in (0, 1):
        assert evidence(found, track) == [0] * 4 + [TWO] * 4
        assert set(iff(found, track)) == {UNKNOWN}
    assert found[-1].identity_source.tolist() == [int(IdentitySource.SPOOF_EVIDENCE)] * 2


def test_a_duplicate_identity_need_not_be_listed() -> None:
    found = identified(Target(["X"] * 8), elsewhere(["X"] * 8))
    assert found[-1].spoof_evidence.tolist() == [TWO, TWO]


def test_two_tracks_of_one_target_are_no_duplicate() -> None:
    twin = Target(["F-1"] * 12, position_m=(30.0, 30_020.0, 1_000.0))
    found = identified(Target(["F-1"] * 12), twin)
    assert found[-1].spoof_evidence.tolist() == [0, 0]
    assert found[-1].iff.tolist() == [FRIEND, FRIEND]


def test_a_kinematic_violation_of_the_duplicate_clears_the_other_track() -> None:
    found = identified(Target(["F-1"] * 12), elsewhere(["F-1"] * 12, velocity_mps=(5.0, 0.0, 0.0)))
    assert found[-1].spoof_evidence.tolist() == [0, TWO | MOTION]
    assert found[-1].iff.tolist() == [FRIEND, FOE]


def test_a_track_that_no_longer_replies_is_no_duplicate() -> None:
    """A target whose old track coasts beside its new one replies on the new one only."""
    old, new = Target(["F-1"] * 4 + [None] * 10), elsewhere([None] * 4 + ["F-1"] * 10)
    found = identified(old, new)
    assert all(identification.spoof_evidence.tolist() == [0, 0] for identification in found)


def test_duplicates_are_found_among_many_identities() -> None:
    targets = [Target([name] * 8, position_m=(4_000.0 * place, 0.0, 0.0)) for place, name in enumerate("ABCADEB")]
    found = identified(*targets)
    assert found[-1].spoof_evidence.tolist() == [TWO, TWO, 0, TWO, 0, 0, TWO]


# -- jumps ------------------------------------------------------------------------------------------------------------


def test_an_identity_jump_makes_no_friend() -> None:
    found = identified(Target(["X"] * 3 + ["F-1"] * 20))
    assert evidence(found)[5:] == [JUMP] * 18
    assert iff(found)[-1] == UNKNOWN


def test_two_kinds_of_evidence_mark_a_spoofer() -> None:
    found = identified(Target(["F-1"] * 20), elsewhere(["X"] * 3 + ["F-1"] * 17))
    assert found[-1].spoof_evidence.tolist() == [TWO, JUMP | TWO]
    assert found[-1].iff.tolist() == [UNKNOWN, FOE]


def test_no_tracks_give_no_identification() -> None:
    none, status = np.empty((3, 0)), np.empty(0, dtype=np.int64)
    kinematics = Kinematics(S, 1.0, none, none, np.empty((6, 6, 0)), np.zeros(3), np.zeros(3))
    identities: IdentityRecords = update_evidence(empty(0), kinematics, POLICY)
    assert len(classify(identities, status, kinematics, POLICY).iff) == 0
