"""Transponder replies: the identity of each track, robust against single wrong replies and missing ones."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from svc_tracker.domain.frame import Detections
from svc_tracker.domain.identity.policy import NOT_LISTED, IdentityPolicy
from svc_tracker.domain.state.selection import Columns
from svc_tracker.domain.state.types import Booleans, Floats, Indices, Integers, Texts, texts

NS_PER_S: Final = 1_000_000_000
# The running mean of the cross section for classification follows the last detections, about this many.
RCS_MEMORY: Final = 50


@dataclass(frozen=True, slots=True, eq=False)
class IdentityRecords(Columns):
    """The replies and the evidence of n tracks; arrays are (n,) unless said otherwise, and never written to.

    `identity` is the current identity, "" for none, `key` its hash (0 for none), `platform` its row in the policy's
    table; `previous` is the identity before it. `rival` is another identity, received `rival_replies` times in a row.
    `replies` counts the replies with the current identity since `first_ns`, the last one at `received_ns`;
    `was_confirmed` is true once the identity has been confirmed. `unanswered` counts detections in a row without reply.

    A contradiction has lasted for `duplicate_s`, `violation_s` or `approach_s` without a break, and remains evidence
    for `jump_memory_s`, `duplicate_memory_s` or `violation_memory_s`. Accelerations are measured from a reference
    velocity (3, n) with its variance, -1 for none; `is_too_agile` is the result of the last measurement.
    """

    transponder_on: Booleans
    transponder_mode: Integers
    unanswered: Integers
    identity: Texts
    key: Integers
    platform: Integers
    previous: Texts
    rival: Texts
    rival_replies: Integers
    replies: Integers
    first_ns: Integers
    received_ns: Integers
    was_confirmed: Booleans
    jump_memory_s: Floats
    duplicate_s: Floats
    duplicate_memory_s: Floats
    violation_s: Floats
    violation_memory_s: Floats
    approach_s: Floats
    reference_ns: Integers
    reference_velocity_mps: Floats
    reference_variance_m2ps2: Floats
    is_too_agile: Booleans
    rcs_dbsm: Floats
    rcs_count: Integers


def empty(count: int) -> IdentityRecords:
    """Return the identity records of new tracks, without any reply."""
    number, false, real = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_), np.zeros(count)
    no_text = texts([""] * count)
    return IdentityRecords(
        transponder_on=false,
        transponder_mode=number,
        unanswered=number,
        identity=no_text,
        key=number,
        platform=np.full(count, NOT_LISTED, dtype=np.int64),
        previous=no_text,
        rival=no_text,
        rival_replies=number,
        replies=number,
        first_ns=number,
        received_ns=number,
        was_confirmed=false,
        jump_memory_s=real,
        duplicate_s=real,
        duplicate_memory_s=real,
        violation_s=real,
        violation_memory_s=real,
        approach_s=real,
        reference_ns=number,
        reference_velocity_mps=np.zeros((3, count)),
        reference_variance_m2ps2=np.full(count, -1.0),
        is_too_agile=false,
        rcs_dbsm=real,
        rcs_count=number,
    )


def update_replies(
    identities: IdentityRecords,
    rows: Indices,
    detections: Detections,
    received: Indices,
    *,
    time_ns: int,
    policy: IdentityPolicy,
) -> IdentityRecords:
    """Return the identity records after tracks `rows` (k,), each once, took the detections `received` (k,).

    The first identity is taken at once, another one after enough replies in a row. A reply with the current identity
    resets the rival; a missing reply neither resets nor confirms it.
    """
    if len(rows) == 0:
        return identities
    answered = detections.transponder_on[received]
    unanswered = np.where(answered, 0, identities.unanswered[rows] + 1)
    on = answered | (identities.transponder_on[rows] & (unanswered < policy.transponder_silent_detections))
    kept = on & ~answered
    mode = np.where(kept, identities.transponder_mode[rows], detections.transponder_mode[received])
    count = np.minimum(identities.rcs_count[rows] + 1, RCS_MEMORY)
    mean = identities.rcs_dbsm[rows]
    identities = replace(
        identities,
        transponder_on=_with_rows(identities.transponder_on, rows, on),
        transponder_mode=_with_rows(identities.transponder_mode, rows, mode),
        unanswered=_with_rows(identities.unanswered, rows, unanswered),
        rcs_dbsm=_with_rows(identities.rcs_dbsm, rows, mean + (detections.rcs_dbsm[received] - mean) / count),
        rcs_count=_with_rows(identities.rcs_count, rows, count),
    )
    with_id = np.flatnonzero(detections.id_present[received])
    if len(with_id) == 0:
        return identities
    reported = texts([detections.transponder_id[index] for index in received[with_id].tolist()])
    valid = reported != ""
    return _update_identities(identities, rows[with_id[valid]], reported[valid], time_ns, policy)


def _update_identities(
    identities: IdentityRecords, rows: Indices, reported: Texts, time_ns: int, policy: IdentityPolicy
) -> IdentityRecords:
    """Return the identity records after tracks `rows` (k,) replied with `reported` (k,), none of which is empty."""
    before = identities.select(rows)
    same = reported == before.identity
    rival_replies = np.where(same, 0, np.where(reported == before.rival, before.rival_replies, 0) + 1)
    switched = ~same & ((before.key == 0) | (rival_replies >= policy.identity_switch_replies))
    agreed = same | switched

    # After too long a silence confirmation starts again, as for a new identity.
    stale = time_ns - before.received_ns > round(policy.max_identity_age_s * NS_PER_S)
    restarted = switched | (same & stale)
    first_ns = np.where(restarted, time_ns, before.first_ns)
    unchanged = np.where(switched, rival_replies, np.where(same, 1, before.replies))
    replies = np.where(same & ~stale, before.replies + 1, unchanged)
    received_ns = np.where(agreed, time_ns, before.received_ns)
    was_confirmed = is_confirmed(replies, first_ns, received_ns, policy) | (before.was_confirmed & ~switched)
    after = replace(
        before,
        identity=np.where(switched, reported, before.identity),
        rival=np.where(agreed, "", reported),
        rival_replies=np.where(agreed, 0, rival_replies),
        replies=replies,
        first_ns=first_ns,
        received_ns=received_ns,
        was_confirmed=was_confirmed,
    )
    identities = identities.replace_rows(rows, after)
    fresh = np.flatnonzero(switched)
    return _switch(identities, rows[fresh], before.identity[fresh], policy) if len(fresh) else identities


def is_confirmed(replies: Integers, first_ns: Integers, received_ns: Integers, policy: IdentityPolicy) -> Booleans:
    """Return which identities (n,) have enough replies, over a long enough time."""
    confirmed: Booleans = (replies >= policy.confirm_replies) & (
        received_ns - first_ns >= round(policy.confirm_time_s * NS_PER_S)
    )
    return confirmed


def key_of(identity: str) -> int:
    """Return a hash of the identity that is the same in every process, and never 0."""
    return int.from_bytes(hashlib.blake2b(identity.encode("utf-8", "replace"), digest_size=7).digest(), "little") + 1


def _switch(identities: IdentityRecords, rows: Indices, previous: Texts, policy: IdentityPolicy) -> IdentityRecords:
    """Return the identity records with the consequences of tracks `rows` (k,) having switched from `previous` (k,).

    A track that had an identity before has jumped; the evidence of motion starts again for the new platform.
    """
    switched = identities.select(rows)
    names: list[str] = switched.identity.tolist()
    jumped = previous != ""
    identities = identities.replace_rows(
        rows,
        replace(
            switched,
            key=np.array([key_of(name) for name in names], dtype=np.int64),
            platform=np.array([policy.known.index_of(name) for name in names], dtype=np.int64),
            previous=previous,
            jump_memory_s=np.where(jumped, policy.evidence_memory_s, switched.jump_memory_s),
            duplicate_s=np.zeros(len(rows)),
            violation_s=np.zeros(len(rows)),
            reference_variance_m2ps2=np.full(len(rows), -1.0),
            is_too_agile=np.zeros(len(rows), dtype=np.bool_),
        ),
    )
    swapped = [partner for row in rows[jumped].tolist() for partner in _swapped(identities, row)]
    if not swapped:
        return identities
    cleared = _with_rows(identities.jump_memory_s, np.array(swapped, dtype=np.intp), 0.0)
    return replace(identities, jump_memory_s=cleared)


def _swapped(identities: IdentityRecords, row: int) -> list[int]:
    """Return a track that jumped and those it swapped identities with; nothing if it jumped alone.

    Where two targets pass close by, the tracker may swap their tracks: then each track receives the other's identity,
    and nobody is spoofing. The partner has switched too, or is about to.
    """
    identity, previous = identities.identity[row], identities.previous[row]
    has_switched = (identities.identity == previous) & (identities.previous == identity)
    is_switching = (identities.identity == identity) & (identities.rival == previous)
    partners: list[int] = np.flatnonzero(has_switched | is_switching).tolist()
    return [row, *partners] if partners else []


def _with_rows(column: Any, rows: Indices, values: Any) -> Any:
    """Return a copy of the column with some rows replaced."""
    changed = column.copy()
    changed[rows] = values
    return changed
