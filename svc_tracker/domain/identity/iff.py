"""Identification friend or foe (IFF): the first rule that holds, over identity, evidence and behaviour, decides.

| a confirmed track                                                             | is                 | source         |
|-------------------------------------------------------------------------------|--------------------|----------------|
| has a kinematic violation, or two kinds of spoofing evidence                   | policy's `spoofer` | spoof evidence |
| has one other kind: an identity jump, or a duplicate identity                  | UNKNOWN            | spoof evidence |
| has ever been confirmed as one of the policy's foes                            | FOE                | transponder    |
| replies as one of the policy's friends, confirmed, recent and uncontradicted   | FRIEND             | transponder    |
| does not reply, and approaches near and fast for long enough                   | FOE                | behaviour      |
| is any other                                                                   | UNKNOWN            | -              |

Contradictions are a rival identity, a duplicate identity, a kinematic violation and another target class. A track that
is not confirmed is not identified. A reply alone makes no friend: the policy must list the identity, enough replies
must confirm it, and nothing may contradict it. A contradiction ends FRIEND at once; to become evidence it must last.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from svc_tracker.domain.identity.classification import most_probable_type
from svc_tracker.domain.identity.policy import FriendFoe, IdentityPolicy, ObjectType
from svc_tracker.domain.identity.replies import NS_PER_S, IdentityRecords, is_confirmed
from svc_tracker.domain.state.tracks import Kinematics, TrackStatus
from svc_tracker.domain.state.types import Booleans, Floats, Integers


class IdentitySource(IntEnum):
    """The basis of an identification; the numbers are those on the wire."""

    UNSPECIFIED = 0
    TRANSPONDER = 1
    BEHAVIOUR = 2
    SPOOF_EVIDENCE = 3


class SpoofEvidence(IntEnum):
    """The kinds of spoofing evidence; the numbers are those on the wire, and bits in a mask."""

    IDENTITY_JUMP = 1
    TWO_PLACES = 2
    KINEMATICS = 3

    @property
    def bit(self) -> int:
        """The kind's bit in a mask."""
        return 1 << self


# The rows of the table above, from its top, and the result of each; a spoofer's IFF is the policy's.
_SPOOFER, _DOUBTED, _FOE, _FRIEND, _HOSTILE, _OTHER, _NOT_CONFIRMED = range(7)
_RESULTS: Final = (
    (FriendFoe.FOE, IdentitySource.SPOOF_EVIDENCE),
    (FriendFoe.UNKNOWN, IdentitySource.SPOOF_EVIDENCE),
    (FriendFoe.FOE, IdentitySource.TRANSPONDER),
    (FriendFoe.FRIEND, IdentitySource.TRANSPONDER),
    (FriendFoe.FOE, IdentitySource.BEHAVIOUR),
    (FriendFoe.UNKNOWN, IdentitySource.UNSPECIFIED),
    (FriendFoe.UNSPECIFIED, IdentitySource.UNSPECIFIED),
)
_IFF: Final = np.array([int(iff) for iff, _ in _RESULTS], dtype=np.int64)
_SOURCE: Final = np.array([int(source) for _, source in _RESULTS], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """The identification of n tracks, each array (n,); numbers are those on the wire, `spoof_evidence` a mask of bits.

    `object_type_probability` and `identity_age_s` are 0 where there is no type or identity.
    """

    object_type: Integers
    object_type_probability: Floats
    iff: Integers
    identity_source: Integers
    identity_age_s: Floats
    identity_conflict: Booleans
    spoof_evidence: Integers


def classify(
    identities: IdentityRecords, status: Integers, kinematics: Kinematics, policy: IdentityPolicy
) -> Identification:
    """Return the identification of n tracks with these statuses (n,)."""
    object_type, probability = most_probable_type(
        identities.rcs_dbsm,
        identities.rcs_count,
        kinematics.velocity_mps,
        kinematics.covariance,
        policy.min_class_probability,
    )
    identified = identities.key.any()
    by_identity = (
        _by_identity(identities, object_type, kinematics.time_ns, policy) if identified else _no_identity(len(status))
    )
    rule = policy.hostile_approach
    hostile = np.zeros(len(status), dtype=np.bool_) if rule is None else identities.approach_s >= rule.duration_s
    row = np.where(by_identity.row == _OTHER, np.where(hostile, _HOSTILE, _OTHER), by_identity.row)
    row = np.where(status == TrackStatus.NEW, _NOT_CONFIRMED, row)
    return Identification(
        object_type=object_type,
        object_type_probability=probability,
        iff=np.where(row == _SPOOFER, int(policy.spoofer), _IFF[row]),
        identity_source=_SOURCE[row],
        identity_age_s=by_identity.age_s,
        identity_conflict=by_identity.conflict,
        spoof_evidence=by_identity.evidence,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _ByIdentity:
    """The part of an identification that follows from the identity: the row of the table, age, conflict, evidence."""

    row: Integers
    age_s: Floats
    conflict: Booleans
    evidence: Integers


def _no_identity(count: int) -> _ByIdentity:
    return _ByIdentity(
        row=np.full(count, _OTHER),
        age_s=np.zeros(count),
        conflict=np.zeros(count, dtype=np.bool_),
        evidence=np.zeros(count, dtype=np.int64),
    )


def _by_identity(
    identities: IdentityRecords, object_type: Integers, time_ns: int, policy: IdentityPolicy
) -> _ByIdentity:
    has_identity = identities.key != 0
    age_s = np.where(has_identity, (time_ns - identities.received_ns) / NS_PER_S, 0.0)
    evidence = _evidence_mask(identities)
    listed_type = policy.known.object_type[identities.platform]
    known_types = (listed_type != ObjectType.UNSPECIFIED) & (object_type != ObjectType.UNSPECIFIED)
    other_type = known_types & (object_type != listed_type)
    doubted = (identities.rival_replies > 0) | (identities.duplicate_s > 0.0) | (identities.violation_s > 0.0)
    conflict = ((other_type | doubted) & has_identity) | (evidence != 0)

    listed_iff = policy.known.iff[identities.platform]
    confirmed = is_confirmed(identities.replies, identities.first_ns, identities.received_ns, policy)
    friend = (listed_iff == FriendFoe.FRIEND) & confirmed & (age_s <= policy.max_identity_age_s) & ~conflict
    foe = (listed_iff == FriendFoe.FOE) & identities.was_confirmed
    single = (evidence == SpoofEvidence.IDENTITY_JUMP.bit) | (evidence == SpoofEvidence.TWO_PLACES.bit)
    row = np.where(foe, _FOE, np.where(friend, _FRIEND, _OTHER))
    row = np.where(evidence == 0, row, np.where(single, _DOUBTED, _SPOOFER))
    return _ByIdentity(row, age_s, conflict, evidence)


def _evidence_mask(identities: IdentityRecords) -> Integers:
    mask: Integers = (
        (identities.jump_memory_s > 0.0) * SpoofEvidence.IDENTITY_JUMP.bit
        + (identities.duplicate_memory_s > 0.0) * SpoofEvidence.TWO_PLACES.bit
        + (identities.violation_memory_s > 0.0) * SpoofEvidence.KINEMATICS.bit
    )
    return mask
