"""Whose tracks are held to be: friend, foe or unknown, by rules of which the first that holds decides.

| a confirmed track                                                            | is held to be       | source         |
|------------------------------------------------------------------------------|---------------------|----------------|
| moves as its identity's bearer cannot, or gives two kinds of spoof evidence  | policy's `spoofer`  | spoof evidence |
| gives one other kind: an identity jump, or two places at once                | UNKNOWN             | spoof evidence |
| has been confirmed as one of the policy's foes, however long ago             | FOE                 | transponder    |
| answers as one of the policy's friends: confirmed, not too long ago, not     | FRIEND              | transponder    |
| contradicted by another identity, another place, its motion or its class     |                     |                |
| does not answer, and comes near and fast for long enough                     | FOE                 | behaviour      |
| does anything else                                                           | UNKNOWN             | -              |

A track that is not confirmed is not judged. No reply makes a friend by itself: the policy must know the identity, the
history of replies must be long enough, and nothing may speak against it. Doubt ends a friendship at once; to count as
evidence it must last.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from svc_tracker.domain.identity.classification import classify
from svc_tracker.domain.identity.policy import FriendFoe, IdentityPolicy, ObjectType
from svc_tracker.domain.identity.replies import NS_PER_S, Identities, is_confirmed
from svc_tracker.domain.state.tracks import TrackStatus
from svc_tracker.domain.state.types import Booleans, Floats, Integers


class IdentitySource(IntEnum):
    """What a judgement rests on; the numbers are those on the wire."""

    UNSPECIFIED = 0
    TRANSPONDER = 1
    BEHAVIOUR = 2
    SPOOF_EVIDENCE = 3


class SpoofEvidence(IntEnum):
    """Why an identity is held for false; the numbers are those on the wire, and bits in a mask."""

    IDENTITY_JUMP = 1
    TWO_PLACES = 2
    KINEMATICS = 3

    @property
    def bit(self) -> int:
        """The bit of a mask that stands for it."""
        return 1 << self


# The rows of the table above, from its top, and what each decides; whose a spoofer is, the policy says.
_SPOOFER, _DOUBTED, _FOE, _FRIEND, _HOSTILE, _ELSE, _NOT_JUDGED = range(7)
_DECIDED: Final = (
    (FriendFoe.FOE, IdentitySource.SPOOF_EVIDENCE),
    (FriendFoe.UNKNOWN, IdentitySource.SPOOF_EVIDENCE),
    (FriendFoe.FOE, IdentitySource.TRANSPONDER),
    (FriendFoe.FRIEND, IdentitySource.TRANSPONDER),
    (FriendFoe.FOE, IdentitySource.BEHAVIOUR),
    (FriendFoe.UNKNOWN, IdentitySource.UNSPECIFIED),
    (FriendFoe.UNSPECIFIED, IdentitySource.UNSPECIFIED),
)
_IFF: Final = np.array([int(iff) for iff, _ in _DECIDED], dtype=np.int64)
_SOURCE: Final = np.array([int(source) for _, source in _DECIDED], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What n tracks are held to be, each array (n,); numbers of the wire, `spoof_evidence` a mask of its bits.

    `object_type_probability` and `identity_age_s` are 0 where there is none.
    """

    object_type: Integers
    object_type_probability: Floats
    iff: Integers
    identity_source: Integers
    identity_age_s: Floats
    identity_conflict: Booleans
    spoof_evidence: Integers


def judge(
    identities: Identities,
    status: Integers,
    velocity_mps: Floats,
    covariance: Floats,
    *,
    time_ns: int,
    policy: IdentityPolicy,
) -> Judged:
    """Return what the tracks (n) are held to be; `velocity_mps` (3, n) and `covariance` (6, 6, n) are theirs in ENU."""
    object_type, probability = classify(
        identities.rcs_dbsm, identities.rcs_count, velocity_mps, covariance, policy.min_class_probability
    )
    heard = _heard(identities, object_type, time_ns, policy) if identities.key.any() else _nothing_heard(len(status))
    rule = policy.hostile_approach
    hostile = np.zeros(len(status), dtype=np.bool_) if rule is None else identities.approach_s >= rule.duration_s
    row = np.where(heard.row == _ELSE, np.where(hostile, _HOSTILE, _ELSE), heard.row)
    row = np.where(status == TrackStatus.NEW, _NOT_JUDGED, row)
    return Judged(
        object_type=object_type,
        object_type_probability=probability,
        iff=np.where(row == _SPOOFER, int(policy.spoofer), _IFF[row]),
        identity_source=_SOURCE[row],
        identity_age_s=heard.age_s,
        identity_conflict=heard.conflict,
        spoof_evidence=heard.evidence,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """What follows from the identities alone: which row of the table, and what is told beside it."""

    row: Integers
    age_s: Floats
    conflict: Booleans
    evidence: Integers


def _nothing_heard(count: int) -> _Heard:
    return _Heard(
        row=np.full(count, _ELSE),
        age_s=np.zeros(count),
        conflict=np.zeros(count, dtype=np.bool_),
        evidence=np.zeros(count, dtype=np.int64),
    )


def _heard(identities: Identities, object_type: Integers, time_ns: int, policy: IdentityPolicy) -> _Heard:
    has_identity = identities.key != 0
    age_s = np.where(has_identity, (time_ns - identities.heard_ns) / NS_PER_S, 0.0)
    evidence = _evidence(identities)
    expected = policy.known.object_type[identities.bearer]
    unlike = (expected != ObjectType.UNSPECIFIED) & (object_type != ObjectType.UNSPECIFIED) & (object_type != expected)
    doubted = (identities.rival_replies > 0) | (identities.apart_s > 0.0) | (identities.misfit_s > 0.0)
    conflict = ((unlike | doubted) & has_identity) | (evidence != 0)

    listed = policy.known.iff[identities.bearer]
    history = is_confirmed(identities.replies, identities.first_ns, identities.heard_ns, policy)
    friend = (listed == FriendFoe.FRIEND) & history & (age_s <= policy.max_identity_age_s) & ~conflict
    foe = (listed == FriendFoe.FOE) & identities.proven
    alone = (evidence == SpoofEvidence.IDENTITY_JUMP.bit) | (evidence == SpoofEvidence.TWO_PLACES.bit)
    row = np.where(foe, _FOE, np.where(friend, _FRIEND, _ELSE))
    row = np.where(evidence == 0, row, np.where(alone, _DOUBTED, _SPOOFER))
    return _Heard(row, age_s, conflict, evidence)


def _evidence(identities: Identities) -> Integers:
    mask: Integers = (
        (identities.jump_left_s > 0.0) * SpoofEvidence.IDENTITY_JUMP.bit
        + (identities.apart_left_s > 0.0) * SpoofEvidence.TWO_PLACES.bit
        + (identities.misfit_left_s > 0.0) * SpoofEvidence.KINEMATICS.bit
    )
    return mask
