"""Friend, foe or unknown: every row of the decision table, and what counts as evidence."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from svc_tracker.domain.frame import Detections
from svc_tracker.domain.identity.iff import IdentitySource, Judged, SpoofEvidence, judge
from svc_tracker.domain.identity.policy import Bearer, FriendFoe, HostileApproach, IdentityPolicy, ObjectType
from svc_tracker.domain.identity.replies import Identities, hear, unheard
from svc_tracker.domain.identity.spoofing import Kinematics, weigh
from svc_tracker.domain.state.tracks import TrackStatus

S = 1_000_000_000
FRIEND, FOE, UNKNOWN = int(FriendFoe.FRIEND), int(FriendFoe.FOE), int(FriendFoe.UNKNOWN)
POLICY = IdentityPolicy(
    bearers=(
        Bearer("F-1", FriendFoe.FRIEND, min_speed_mps=50.0, max_speed_mps=200.0, max_acceleration_mps2=20.0),
        Bearer("F-2", FriendFoe.FRIEND, max_speed_mps=300.0, object_type=ObjectType.AIRCRAFT),
        Bearer("RAID", FriendFoe.FOE, is_prefix=True),
    ),
    hostile_approach=HostileApproach(range_m=10_000.0, closing_speed_mps=100.0, duration_s=4.0),
)
JUMP, TWO, MOTION = (each.bit for each in SpoofEvidence)


@dataclass
class Thing:
    """What a thing does each second: where it is, how it moves, and what it answers; None is silence."""

    answers: list[str | None]
    position_m: tuple[float, float, float] = (0.0, 30_000.0, 1_000.0)
    velocity_mps: tuple[float, float, float] = (100.0, 0.0, 0.0)
    later_velocity_mps: tuple[float, float, float] | None = None
    rcs_dbsm: float = 15.0
    sigma_mps: float = 1.0
    status: TrackStatus = field(default=TrackStatus.TRACKED)

    def velocity(self, step: int) -> tuple[float, float, float]:
        return self.later_velocity_mps if self.later_velocity_mps and step > 6 else self.velocity_mps


def judged(*things: Thing, policy: IdentityPolicy = POLICY) -> list[Judged]:
    """Return what the things are held to be, second by second."""
    count = len(things)
    known, found = unheard(count), []
    every = np.arange(count)
    status = np.array([int(thing.status) for thing in things])
    position = np.array([thing.position_m for thing in things]).T.reshape(3, count)
    for step in range(1, len(things[0].answers) + 1):
        time_ns = step * S
        velocity = np.array([thing.velocity(step) for thing in things]).T.reshape(3, count)
        position = position + velocity
        covariance = np.zeros((6, 6, count))
        for index, thing in enumerate(things):
            covariance[:, :, index] = np.diag([20.0**2] * 3 + [thing.sigma_mps**2] * 3)
        answers = [thing.answers[step - 1] for thing in things]
        known = hear(known, every, detections(things, answers), every, time_ns=time_ns, policy=policy)
        moves = Kinematics(time_ns, 1.0, position, velocity, covariance, np.zeros(3), np.zeros(3))
        known = weigh(known, moves, policy)
        found.append(judge(known, status, velocity, covariance, time_ns=time_ns, policy=policy))
    return found


def detections(things: tuple[Thing, ...], answers: list[str | None]) -> Detections:
    real = np.full(len(things), 1.0)
    on = np.array([answer is not None for answer in answers], dtype=np.bool_)
    return Detections(
        range_m=real,
        bearing_deg=real,
        elev_deg=real,
        vr_mps=real,
        snr_db=real,
        rcs_dbsm=np.array([thing.rcs_dbsm for thing in things]),
        transponder_on=on,
        transponder_mode=on.astype(np.int64),
        transponder_id=tuple(answer or "" for answer in answers),
        id_present=on,
        range_band=np.ones(len(things), dtype=np.int64),
    )


def iff(found: list[Judged], track: int = 0) -> list[int]:
    return [int(each.iff[track]) for each in found]


def evidence(found: list[Judged], track: int = 0) -> list[int]:
    return [int(each.spoof_evidence[track]) for each in found]


# -- friends ----------------------------------------------------------------------------------------------------------


def test_a_friend_needs_a_known_identity_and_a_long_enough_history() -> None:
    found = judged(Thing(["F-1"] * 6))
    assert iff(found) == [UNKNOWN, UNKNOWN, UNKNOWN, FRIEND, FRIEND, FRIEND]
    assert [int(each.identity_source[0]) for each in found] == [0, 0, 0, 1, 1, 1]
    assert not found[-1].identity_conflict[0]


def test_an_identity_that_the_policy_does_not_know_makes_no_friend() -> None:
    assert set(iff(judged(Thing(["X-9"] * 20)))) == {UNKNOWN}


def test_no_policy_knows_no_friends() -> None:
    assert set(iff(judged(Thing(["F-1"] * 20), policy=IdentityPolicy()))) == {UNKNOWN}


def test_a_friend_that_falls_silent_is_one_until_its_identity_is_too_old() -> None:
    found = judged(Thing(["F-1"] * 5 + [None] * 32))
    assert iff(found)[4:35] == [FRIEND] * 31
    assert iff(found)[35:] == [UNKNOWN] * 2
    assert found[-1].identity_age_s[0] == 32.0


def test_one_that_is_contradicted_by_another_identity_is_no_friend_while_it_is() -> None:
    found = judged(Thing([*["F-1"] * 5, "F-2", "F-1"]))
    assert iff(found)[3:] == [FRIEND, FRIEND, UNKNOWN, FRIEND]
    assert [bool(each.identity_conflict[0]) for each in found[3:]] == [False, False, True, False]


def test_one_whose_class_is_not_its_bearers_is_no_friend() -> None:
    slow_and_small = Thing(["F-2"] * 8, velocity_mps=(70.0, 0.0, 0.0), rcs_dbsm=-6.0)
    found = judged(slow_and_small)
    assert found[-1].object_type[0] == ObjectType.DRONE
    assert iff(found)[-1] == UNKNOWN
    assert found[-1].identity_conflict[0]
    assert iff(judged(Thing(["F-2"] * 8, velocity_mps=(220.0, 0.0, 0.0))))[-1] == FRIEND


def test_one_that_is_not_confirmed_is_not_judged() -> None:
    found = judged(Thing(["F-1"] * 6, status=TrackStatus.NEW))
    assert set(iff(found)) == {0}


# -- foes -------------------------------------------------------------------------------------------------------------


def test_a_foe_once_confirmed_stays_one_when_it_falls_silent() -> None:
    found = judged(Thing(["RAIDER"] * 5 + [None] * 60))
    assert iff(found) == [UNKNOWN] * 3 + [FOE] * 62
    assert found[-1].identity_source[0] == IdentitySource.TRANSPONDER


def test_one_that_does_not_answer_and_comes_near_and_fast_for_long_enough_is_a_foe() -> None:
    thing = Thing([None] * 12, position_m=(0.0, 11_000.0, 0.0), velocity_mps=(0.0, -250.0, 0.0))
    found = judged(thing)
    assert iff(found)[:7] == [UNKNOWN] * 6 + [FOE]
    assert found[-1].identity_source[0] == IdentitySource.BEHAVIOUR


@pytest.mark.parametrize(
    "thing",
    [
        Thing([None] * 12, position_m=(0.0, 9_000.0, 0.0), velocity_mps=(0.0, -90.0, 0.0)),
        Thing([None] * 12, position_m=(0.0, 9_000.0, 0.0), velocity_mps=(0.0, 250.0, 0.0)),
        Thing([None] * 12, position_m=(0.0, 50_000.0, 0.0), velocity_mps=(0.0, -250.0, 0.0)),
        Thing(["X"] * 12, position_m=(0.0, 9_000.0, 0.0), velocity_mps=(0.0, -250.0, 0.0)),
    ],
    ids=["slow", "away", "far", "answers"],
)
def test_any_other_approach_is_none(thing: Thing) -> None:
    assert set(iff(judged(thing))) == {UNKNOWN}


def test_without_a_rule_for_behaviour_nothing_is_a_foe_by_it() -> None:
    thing = Thing([None] * 12, position_m=(0.0, 9_000.0, 0.0), velocity_mps=(0.0, -250.0, 0.0))
    assert set(iff(judged(thing, policy=dataclasses.replace(POLICY, hostile_approach=None)))) == {UNKNOWN}


# -- motion that does not fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed_mps", [20.0, 260.0], ids=["too slow", "too fast"])
def test_one_that_moves_as_its_bearer_cannot_is_a_spoofer_once_it_has_lasted(speed_mps: float) -> None:
    found = judged(Thing(["F-1"] * 8, velocity_mps=(speed_mps, 0.0, 0.0)))
    assert evidence(found) == [0] * 4 + [MOTION] * 4
    assert iff(found) == [UNKNOWN] * 4 + [FOE] * 4
    assert found[-1].identity_source[0] == IdentitySource.SPOOF_EVIDENCE
    assert found[-1].identity_conflict[0]


def test_a_speed_that_is_not_well_known_is_no_contradiction() -> None:
    assert set(evidence(judged(Thing(["F-1"] * 20, velocity_mps=(260.0, 0.0, 0.0), sigma_mps=20.0)))) == {0}


def test_one_that_turns_as_its_bearer_cannot_is_a_spoofer() -> None:
    """Two changes of velocity of 35 m/s2 over the span of 4 s follow one another."""
    found = judged(Thing(["F-1"] * 5))
    assert set(evidence(found)) == {0}
    turning = Thing(["F-1"] * 16)
    turning.velocity = lambda step: (100.0 * np.cos(0.35 * step), 100.0 * np.sin(0.35 * step), 0.0)  # type: ignore[method-assign]
    assert MOTION in evidence(judged(turning))
    gentle = Thing(["F-1"] * 16)
    gentle.velocity = lambda step: (100.0 * np.cos(0.1 * step), 100.0 * np.sin(0.1 * step), 0.0)  # type: ignore[method-assign]
    assert set(evidence(judged(gentle))) == {0}


def test_evidence_is_remembered_and_then_forgotten() -> None:
    found = judged(Thing(["F-1"] * 80, velocity_mps=(260.0, 0.0, 0.0), later_velocity_mps=(100.0, 0.0, 0.0)))
    told = evidence(found)
    assert told.index(MOTION) == 4
    assert told[4:65] == [MOTION] * 61
    assert set(told[75:]) == {0}
    assert iff(found)[-1] == FRIEND


def test_a_policy_may_hold_a_spoofer_for_unknown() -> None:
    mild = dataclasses.replace(POLICY, spoofer=FriendFoe.UNKNOWN)
    found = judged(Thing(["F-1"] * 8, velocity_mps=(260.0, 0.0, 0.0)), policy=mild)
    assert set(iff(found)) == {UNKNOWN}
    assert found[-1].identity_source[0] == IdentitySource.SPOOF_EVIDENCE


# -- two places -------------------------------------------------------------------------------------------------------


def elsewhere(answers: list[str | None], velocity_mps: tuple[float, float, float] = (100.0, 0.0, 0.0)) -> Thing:
    return Thing(answers, position_m=(9_000.0, 10_000.0, 500.0), velocity_mps=velocity_mps)


def test_one_identity_from_two_places_makes_neither_a_friend() -> None:
    found = judged(Thing(["F-1"] * 8), elsewhere(["F-1"] * 8))
    for track in (0, 1):
        assert evidence(found, track) == [0] * 4 + [TWO] * 4
        assert set(iff(found, track)) == {UNKNOWN}
    assert found[-1].identity_source.tolist() == [int(IdentitySource.SPOOF_EVIDENCE)] * 2


def test_it_holds_for_identities_that_the_policy_does_not_know() -> None:
    found = judged(Thing(["X"] * 8), elsewhere(["X"] * 8))
    assert found[-1].spoof_evidence.tolist() == [TWO, TWO]


def test_two_tracks_of_one_thing_are_one_place() -> None:
    twin = Thing(["F-1"] * 12, position_m=(30.0, 30_020.0, 1_000.0))
    found = judged(Thing(["F-1"] * 12), twin)
    assert found[-1].spoof_evidence.tolist() == [0, 0]
    assert found[-1].iff.tolist() == [FRIEND, FRIEND]


def test_the_one_that_moves_as_the_bearer_can_is_cleared_by_the_others_motion() -> None:
    found = judged(Thing(["F-1"] * 12), elsewhere(["F-1"] * 12, velocity_mps=(5.0, 0.0, 0.0)))
    assert found[-1].spoof_evidence.tolist() == [0, TWO | MOTION]
    assert found[-1].iff.tolist() == [FRIEND, FOE]


def test_a_track_that_no_longer_answers_is_not_a_second_place() -> None:
    """A thing whose old track coasts beside its new one answers only on the new one."""
    old, new = Thing(["F-1"] * 4 + [None] * 10), elsewhere([None] * 4 + ["F-1"] * 10)
    found = judged(old, new)
    assert all(each.spoof_evidence.tolist() == [0, 0] for each in found)


def test_pairs_of_many_identities_are_told_apart() -> None:
    things = [Thing([name] * 8, position_m=(4_000.0 * place, 0.0, 0.0)) for place, name in enumerate("ABCADEB")]
    found = judged(*things)
    assert found[-1].spoof_evidence.tolist() == [TWO, TWO, 0, TWO, 0, 0, TWO]


# -- jumps ------------------------------------------------------------------------------------------------------------


def test_one_that_changes_its_identity_is_doubted_and_no_friend() -> None:
    found = judged(Thing(["X"] * 3 + ["F-1"] * 20))
    assert evidence(found)[5:] == [JUMP] * 18
    assert iff(found)[-1] == UNKNOWN


def test_two_kinds_of_evidence_make_a_spoofer() -> None:
    found = judged(Thing(["F-1"] * 20), elsewhere(["X"] * 3 + ["F-1"] * 17))
    assert found[-1].spoof_evidence.tolist() == [TWO, JUMP | TWO]
    assert found[-1].iff.tolist() == [UNKNOWN, FOE]


def test_nothing_is_judged_of_nobody() -> None:
    none = np.empty((3, 0))
    moves = Kinematics(S, 1.0, none, none, np.empty((6, 6, 0)), np.zeros(3), np.zeros(3))
    known: Identities = weigh(unheard(0), moves, POLICY)
    status: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
    assert len(judge(known, status, none, np.empty((6, 6, 0)), time_ns=S, policy=POLICY).iff) == 0
