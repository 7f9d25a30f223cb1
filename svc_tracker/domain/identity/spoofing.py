"""What speaks against an identity: two places at once, and motion that its bearer is not capable of."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from svc_tracker.domain.identity.policy import IdentityPolicy
from svc_tracker.domain.identity.replies import NS_PER_S, Identities
from svc_tracker.domain.state.types import Booleans, Floats, Indices

# Added to the covariance of a difference of positions: tracks nearer than about this are never two places.
MIN_SEPARATION_M: Final = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Kinematics:
    """How n tracks move at a time: `position_m`, `velocity_mps` (3, n), `covariance` (6, 6, n), in ENU.

    `dt_s` is the time since it was last asked, `own_position_m` and `own_velocity_mps` (3,) are the own ship's.
    """

    time_ns: int
    dt_s: float
    position_m: Floats
    velocity_mps: Floats
    covariance: Floats
    own_position_m: Floats
    own_velocity_mps: Floats


def weigh(identities: Identities, kinematics: Kinematics, policy: IdentityPolicy) -> Identities:
    """Return the identities with the evidence of another `dt_s` seconds.

    A contradiction becomes evidence once it has held for `evidence_time_s` without a break: single errors of the
    tracker or of a reply do not.
    """
    identities = _faded(identities, kinematics.dt_s)
    bearing = np.flatnonzero(identities.key)
    if len(bearing):
        identities = _misfits(identities, bearing, kinematics, policy)
        identities = _two_places(identities, bearing, kinematics, policy)
    if policy.hostile_approach is not None and len(identities):
        identities = _approaches(identities, kinematics, policy)
    return identities


def _faded(identities: Identities, step_s: float) -> Identities:
    left = ("jump_left_s", "apart_left_s", "misfit_left_s")
    return replace(identities, **{name: np.maximum(getattr(identities, name) - step_s, 0.0) for name in left})


def _misfits(identities: Identities, bearing: Indices, kinematics: Kinematics, policy: IdentityPolicy) -> Identities:
    """Hold the motion of those whose bearers are known against what these can do.

    Too fast: |v| - k sigma > max; too slow: |v| + k sigma < min, with sigma^2 = v'Pv / |v|^2. Too agile: the velocity
    has changed over the span by more than max_acceleration * span + k sigma, sigma^2 being the sum of both velocities'
    variances (their traces, and as if they were independent: both make it larger than it is).
    """
    limited = bearing[policy.known.is_limited[identities.bearer[bearing]]]
    if len(limited) == 0:
        return identities
    rows = identities.chosen(limited)
    # In one memory layout, whatever theirs is: in another one sums may round otherwise.
    velocity = np.ascontiguousarray(kinematics.velocity_mps[:, limited])
    P = np.ascontiguousarray(kinematics.covariance[3:, 3:, limited])
    variance = P[0, 0] + P[1, 1] + P[2, 2]
    speed = _length(velocity)
    unit = velocity / np.maximum(speed, 1.0)
    sigma = np.sqrt(np.maximum(np.einsum("in,ijn,jn->n", unit, P, unit), 0.0))
    doubt = policy.significance_sigma * np.where(speed < 1.0, np.sqrt(variance), sigma)
    known, bearer = policy.known, rows.bearer
    fast, slow = speed - doubt > known.max_speed_mps[bearer], speed + doubt < known.min_speed_mps[bearer]

    anchored = rows.anchor_variance_m2ps2 >= 0.0
    span_s = (kinematics.time_ns - rows.anchor_ns) / NS_PER_S
    due = anchored & (span_s >= policy.acceleration_span_s)
    change = _length(velocity - rows.anchor_velocity_mps)
    margin = policy.significance_sigma * np.sqrt(np.maximum(variance + rows.anchor_variance_m2ps2, 0.0))
    allowed = known.max_acceleration_mps2[bearer] * np.where(due, span_s, 1.0) + margin
    agile = np.where(due, change > allowed, rows.too_agile)

    renewed = due | ~anchored
    answering = _heard_within(rows, kinematics.time_ns, policy.max_identity_age_s)
    held_s, left_s = _held(
        rows.misfit_s, rows.misfit_left_s, (fast | slow | agile) & answering, kinematics.dt_s, policy
    )
    after = replace(
        rows,
        misfit_s=held_s,
        misfit_left_s=left_s,
        anchor_ns=np.where(renewed, kinematics.time_ns, rows.anchor_ns),
        anchor_velocity_mps=np.where(renewed, velocity, rows.anchor_velocity_mps),
        anchor_variance_m2ps2=np.where(renewed, variance, rows.anchor_variance_m2ps2),
        too_agile=agile,
    )
    return identities.with_rows(limited, after)


def _two_places(identities: Identities, bearing: Indices, kinematics: Kinematics, policy: IdentityPolicy) -> Identities:
    """Find tracks that answer with one identity from places that cannot be one.

    All of an identity are held against the oldest of them that moves as the bearer can: d'(P + P0)^-1 d > k^2 is two
    places. It speaks against each of the two, except that a track whose fellows are all disproved by their motion is
    cleared: it is they who lie.
    """
    rows = identities.chosen(bearing)
    fresh = _heard_within(rows, kinematics.time_ns, policy.simultaneous_s) & (rows.rival_replies == 0)
    disproved = rows.misfit_left_s > 0.0
    apart, cleared = np.zeros(len(bearing), dtype=np.bool_), np.zeros(len(bearing), dtype=np.bool_)
    live = np.flatnonzero(fresh)
    # By identity; in it the ones not disproved first; of these the oldest first.
    order = live[np.lexsort((live, disproved[live], rows.key[live]))]
    begins = np.flatnonzero(np.diff(rows.key[order], prepend=0))
    if len(begins) < len(order):
        sizes = np.diff(begins, append=len(order))
        first = np.repeat(order[begins], sizes)
        far = _is_apart(kinematics, bearing[order], bearing[first], policy)
        apart[order] = far
        against = np.add.reduceat((far & ~disproved[order]).astype(np.int64), begins) > 0
        apart[order[begins]] = against
        cleared[order[begins]] = ~against & ~disproved[order[begins]] & (sizes > 1)
    held_s, left_s = _held(rows.apart_s, rows.apart_left_s, apart, kinematics.dt_s, policy)
    after = replace(rows, apart_s=held_s, apart_left_s=np.where(cleared, 0.0, left_s))
    return identities.with_rows(bearing, after)


def _is_apart(kinematics: Kinematics, one: Indices, other: Indices, policy: IdentityPolicy) -> Booleans:
    d = np.ascontiguousarray((kinematics.position_m[:, one] - kinematics.position_m[:, other]).T)
    P = kinematics.covariance[:3, :3]
    S = (P[:, :, one] + P[:, :, other]).transpose(2, 0, 1) + MIN_SEPARATION_M**2 * np.eye(3)
    apart: Booleans = (
        np.einsum("ni,ni->n", d, np.linalg.solve(S, d[:, :, None])[:, :, 0]) > policy.significance_sigma**2
    )
    return apart


def _approaches(identities: Identities, kinematics: Kinematics, policy: IdentityPolicy) -> Identities:
    """Count for how long tracks that do not answer have come towards the own ship, near and fast."""
    rule = policy.hostile_approach
    assert rule is not None
    r = kinematics.position_m - kinematics.own_position_m[:, None]
    v = kinematics.velocity_mps - kinematics.own_velocity_mps[:, None]
    range_m = _length(r)
    closing = -(r[0] * v[0] + r[1] * v[1] + r[2] * v[2]) >= rule.closing_speed_mps * range_m
    holds = ~identities.transponder_on & closing & (range_m <= rule.range_m)
    return replace(identities, approach_s=np.where(holds, identities.approach_s + kinematics.dt_s, 0.0))


def _length(vectors: Floats) -> Floats:
    x, y, z = vectors
    length: Floats = np.sqrt(x * x + y * y + z * z)
    return length


def _heard_within(rows: Identities, time_ns: int, span_s: float) -> Booleans:
    return time_ns - rows.heard_ns <= round(span_s * NS_PER_S)


def _held(
    held_s: Floats, left_s: Floats, holds: Booleans, step_s: float, policy: IdentityPolicy
) -> tuple[Floats, Floats]:
    """Return for how long contradictions have held, and for how long they are remembered."""
    held_s = np.where(holds, held_s + step_s, 0.0)
    proved = holds & (held_s >= policy.evidence_time_s)
    return held_s, np.where(proved, policy.evidence_memory_s, left_s)
