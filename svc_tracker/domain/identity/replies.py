"""Who tracks say they are: what was heard of each, held against single contradictions and silences."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from svc_tracker.domain.frame import Detections
from svc_tracker.domain.identity.policy import NOBODY, IdentityPolicy
from svc_tracker.domain.state.selection import Columns
from svc_tracker.domain.state.types import Booleans, Floats, Indices, Integers, Texts, texts

NS_PER_S = 1_000_000_000
# The mean of the cross section forgets: what is older than so many detections weighs less and less.
RCS_MEMORY = 50


@dataclass(frozen=True, slots=True, eq=False)
class Identities(Columns):
    """What was heard of n tracks, one a track; arrays are (n,) unless said otherwise, and never written to.

    `identity` is the one that stands, "" for none, `key` its hash (0 for none), `bearer` its place in the policy.
    `former` is the one that stood before. `rival` is one heard `rival_replies` times in a row against it. `replies`
    counts how often the standing one was heard since `first_ns`, `heard_ns` is the last time; `proven` says that it was
    confirmed once. `unanswered` counts detections in a row without a reply.

    Evidence is kept in seconds: for how long a contradiction has held now (`apart_s`, `misfit_s`, `approach_s`), and
    for how long it is still remembered (`jump_left_s`, `apart_left_s`, `misfit_left_s`). The anchor is a past velocity
    (3, n) with its variance, -1 for none, that accelerations are taken from; `too_agile` is what came of the last one.
    """

    transponder_on: Booleans
    transponder_mode: Integers
    unanswered: Integers
    identity: Texts
    key: Integers
    bearer: Integers
    former: Texts
    rival: Texts
    rival_replies: Integers
    replies: Integers
    first_ns: Integers
    heard_ns: Integers
    proven: Booleans
    jump_left_s: Floats
    apart_s: Floats
    apart_left_s: Floats
    misfit_s: Floats
    misfit_left_s: Floats
    approach_s: Floats
    anchor_ns: Integers
    anchor_velocity_mps: Floats
    anchor_variance_m2ps2: Floats
    too_agile: Booleans
    rcs_dbsm: Floats
    rcs_count: Integers


def unheard(count: int) -> Identities:
    """Return the identities of tracks of which nothing was heard yet."""
    number, no, real = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_), np.zeros(count)
    nothing = texts([""] * count)
    return Identities(
        transponder_on=no,
        transponder_mode=number,
        unanswered=number,
        identity=nothing,
        key=number,
        bearer=np.full(count, NOBODY, dtype=np.int64),
        former=nothing,
        rival=nothing,
        rival_replies=number,
        replies=number,
        first_ns=number,
        heard_ns=number,
        proven=no,
        jump_left_s=real,
        apart_s=real,
        apart_left_s=real,
        misfit_s=real,
        misfit_left_s=real,
        approach_s=real,
        anchor_ns=number,
        anchor_velocity_mps=np.zeros((3, count)),
        anchor_variance_m2ps2=np.full(count, -1.0),
        too_agile=no,
        rcs_dbsm=real,
        rcs_count=number,
    )


def hear(
    identities: Identities,
    rows: Indices,
    detections: Detections,
    heard: Indices,
    *,
    time_ns: int,
    policy: IdentityPolicy,
) -> Identities:
    """Return the identities after tracks `rows` (k,), each once, got the detections `heard` (k,); others had none.

    The first identity is taken at once, another only after it was heard often enough in a row; hearing the own one
    again ends the doubt, silence neither ends nor feeds it.
    """
    if len(rows) == 0:
        return identities
    answered = detections.transponder_on[heard]
    unanswered = np.where(answered, 0, identities.unanswered[rows] + 1)
    on = answered | (identities.transponder_on[rows] & (unanswered < policy.transponder_silent_detections))
    kept = on & ~answered
    mode = np.where(kept, identities.transponder_mode[rows], detections.transponder_mode[heard])
    count = np.minimum(identities.rcs_count[rows] + 1, RCS_MEMORY)
    mean = identities.rcs_dbsm[rows]
    identities = replace(
        identities,
        transponder_on=_put(identities.transponder_on, rows, on),
        transponder_mode=_put(identities.transponder_mode, rows, mode),
        unanswered=_put(identities.unanswered, rows, unanswered),
        rcs_dbsm=_put(identities.rcs_dbsm, rows, mean + (detections.rcs_dbsm[heard] - mean) / count),
        rcs_count=_put(identities.rcs_count, rows, count),
    )
    telling = np.flatnonzero(detections.id_present[heard])
    if len(telling) == 0:
        return identities
    told = texts([detections.transponder_id[index] for index in heard[telling].tolist()])
    said = told != ""
    return _listen(identities, rows[telling[said]], told[said], time_ns, policy)


def _listen(identities: Identities, rows: Indices, told: Texts, time_ns: int, policy: IdentityPolicy) -> Identities:
    """Return the identities after tracks `rows` (k,) answered with `told` (k,), none of which is empty."""
    before = identities.chosen(rows)
    same = told == before.identity
    replies = np.where(same, 0, np.where(told == before.rival, before.rival_replies, 0) + 1)
    taken = ~same & ((before.key == 0) | (replies >= policy.identity_switch_replies))
    settled = same | taken

    # One that was silent for too long begins its history anew, as a new one does.
    stale = time_ns - before.heard_ns > round(policy.max_identity_age_s * NS_PER_S)
    begun = taken | (same & stale)
    first_ns = np.where(begun, time_ns, before.first_ns)
    history = np.where(same & ~stale, before.replies + 1, np.where(taken, replies, np.where(same, 1, before.replies)))
    heard_ns = np.where(settled, time_ns, before.heard_ns)
    proven = is_confirmed(history, first_ns, heard_ns, policy) | (before.proven & ~taken)
    after = replace(
        before,
        identity=np.where(taken, told, before.identity),
        rival=np.where(settled, "", told),
        rival_replies=np.where(settled, 0, replies),
        replies=history,
        first_ns=first_ns,
        heard_ns=heard_ns,
        proven=proven,
    )
    identities = identities.with_rows(rows, after)
    fresh = np.flatnonzero(taken)
    return _take(identities, rows[fresh], before.identity[fresh], policy) if len(fresh) else identities


def is_confirmed(replies: Integers, first_ns: Integers, heard_ns: Integers, policy: IdentityPolicy) -> Booleans:
    """Return whether histories of replies are long enough, in number and in time."""
    confirmed: Booleans = (replies >= policy.confirm_replies) & (
        heard_ns - first_ns >= round(policy.confirm_time_s * NS_PER_S)
    )
    return confirmed


def key_of(identity: str) -> int:
    """Return a number, never 0, that is the same for the same text in every process."""
    return int.from_bytes(hashlib.blake2b(identity.encode("utf-8", "replace"), digest_size=7).digest(), "little") + 1


def _take(identities: Identities, rows: Indices, former: Texts, policy: IdentityPolicy) -> Identities:
    """Return the identities with what follows from tracks `rows` (k,) having taken another one than `former` (k,).

    One that had an identity before has jumped, and what is known of its bearer's motion begins anew.
    """
    taken = identities.chosen(rows)
    told: list[str] = taken.identity.tolist()
    jumped = former != ""
    identities = identities.with_rows(
        rows,
        replace(
            taken,
            key=np.array([key_of(text) for text in told], dtype=np.int64),
            bearer=np.array([policy.known.bearer_of(text) for text in told], dtype=np.int64),
            former=former,
            jump_left_s=np.where(jumped, policy.evidence_memory_s, taken.jump_left_s),
            apart_s=np.zeros(len(rows)),
            misfit_s=np.zeros(len(rows)),
            anchor_variance_m2ps2=np.full(len(rows), -1.0),
            too_agile=np.zeros(len(rows), dtype=np.bool_),
        ),
    )
    swapped = [partner for row in rows[jumped].tolist() for partner in _swapped(identities, row)]
    if not swapped:
        return identities
    return replace(identities, jump_left_s=_put(identities.jump_left_s, np.array(swapped, dtype=np.intp), 0.0))


def _swapped(identities: Identities, row: int) -> list[int]:
    """Return a track that jumped and the one it has swapped identities with; none where it has jumped alone.

    Where two things pass close by, it is the tracker that may take one for the other: then both answer as they always
    did, and each track hears the other's identity. The partner has done it too, or is about to.
    """
    mine, before = identities.identity[row], identities.former[row]
    done = (identities.identity == before) & (identities.former == mine)
    doing = (identities.identity == mine) & (identities.rival == before)
    partners: list[int] = np.flatnonzero(done | doing).tolist()
    return [row, *partners] if partners else []


def _put(column: Any, rows: Indices, values: Any) -> Any:
    """Return a copy of the column with some rows set."""
    changed = column.copy()
    changed[rows] = values
    return changed
