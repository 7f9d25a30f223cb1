"""Spoofing evidence: kinematic violations and duplicate identities, and hostile approach."""

from dataclasses import replace
from typing import Final

import numpy as np

from svc_tracker.domain.identity.policy import IdentityPolicy
from svc_tracker.domain.identity.replies import NS_PER_S, IdentityRecords
from svc_tracker.domain.state.linear_algebra import norm, quadratic_form, squared_mahalanobis
from svc_tracker.domain.state.tracks import Kinematics
from svc_tracker.domain.state.types import Booleans, Floats, Indices

# Added to the covariance of a position difference: tracks nearer than about this are one position.
MIN_SEPARATION_M: Final = 10.0


def update_evidence(identities: IdentityRecords, kinematics: Kinematics, policy: IdentityPolicy) -> IdentityRecords:
    """Return the identity records with the evidence of another `dt_s` seconds.

    A contradiction becomes evidence once it has lasted `evidence_time_s` without a break, so that single errors of the
    tracker or of a reply do not.
    """
    identities = _age_evidence(identities, kinematics.dt_s)
    identified = np.flatnonzero(identities.key)
    if len(identified):
        identities = _kinematic_violations(identities, identified, kinematics, policy)
        identities = _duplicate_identities(identities, identified, kinematics, policy)
    if policy.hostile_approach is not None and len(identities):
        identities = _hostile_approaches(identities, kinematics, policy)
    return identities


def _age_evidence(identities: IdentityRecords, dt_s: float) -> IdentityRecords:
    return replace(
        identities,
        jump_memory_s=np.maximum(identities.jump_memory_s - dt_s, 0.0),
        duplicate_memory_s=np.maximum(identities.duplicate_memory_s - dt_s, 0.0),
        violation_memory_s=np.maximum(identities.violation_memory_s - dt_s, 0.0),
    )


def _kinematic_violations(
    identities: IdentityRecords, identified: Indices, kinematics: Kinematics, policy: IdentityPolicy
) -> IdentityRecords:
    """Return the identity records with the violations of the known platforms' limits of motion.

    Too fast: |v| - k sigma > max; too slow: |v| + k sigma < min, with sigma^2 = v'Pv / |v|^2. Too agile: the velocity
    has changed over the span by more than max_acceleration * span + k sigma, sigma^2 being the sum of both velocities'
    variances (their traces, and as if they were independent: both make it larger than it is).
    """
    limited = identified[policy.known.is_limited[identities.platform[identified]]]
    if len(limited) == 0:
        return identities
    rows = identities.select(limited)
    # C-contiguous copies: sums may round differently in another memory layout.
    velocity = np.ascontiguousarray(kinematics.velocity_mps[:, limited])
    P = np.ascontiguousarray(kinematics.covariance[3:, 3:, limited])
    variance = P[0, 0] + P[1, 1] + P[2, 2]
    too_fast_or_slow = _exceeds_speed_limits(velocity, P, variance, rows, policy)

    has_reference = rows.reference_variance_m2ps2 >= 0.0
    span_s = (kinematics.time_ns - rows.reference_ns) / NS_PER_S
    due = has_reference & (span_s >= policy.acceleration_span_s)
    change = norm(velocity - rows.reference_velocity_mps)
    margin = policy.significance_sigma * np.sqrt(np.maximum(variance + rows.reference_variance_m2ps2, 0.0))
    allowed = policy.known.max_acceleration_mps2[rows.platform] * np.where(due, span_s, 1.0) + margin
    too_agile = np.where(due, change > allowed, rows.is_too_agile)

    renewed = due | ~has_reference
    replying = _received_within(rows, kinematics.time_ns, policy.max_identity_age_s)
    violation = (too_fast_or_slow | too_agile) & replying
    lasted_s, memory_s = _accumulate(rows.violation_s, rows.violation_memory_s, violation, kinematics.dt_s, policy)
    after = replace(
        rows,
        violation_s=lasted_s,
        violation_memory_s=memory_s,
        reference_ns=np.where(renewed, kinematics.time_ns, rows.reference_ns),
        reference_velocity_mps=np.where(renewed, velocity, rows.reference_velocity_mps),
        reference_variance_m2ps2=np.where(renewed, variance, rows.reference_variance_m2ps2),
        is_too_agile=too_agile,
    )
    return identities.replace_rows(limited, after)


def _exceeds_speed_limits(
    velocity: Floats, P: Floats, variance: Floats, rows: IdentityRecords, policy: IdentityPolicy
) -> Booleans:
    """Return which velocities (3, n), of covariances (3, 3, n) with traces (n,), violate their platforms' limits."""
    speed = norm(velocity)
    unit = velocity / np.maximum(speed, 1.0)
    sigma = np.sqrt(np.maximum(quadratic_form(unit, P), 0.0))
    margin = policy.significance_sigma * np.where(speed < 1.0, np.sqrt(variance), sigma)
    known, platform = policy.known, rows.platform
    exceeds: Booleans = (speed - margin > known.max_speed_mps[platform]) | (
        speed + margin < known.min_speed_mps[platform]
    )
    return exceeds


def _duplicate_identities(
    identities: IdentityRecords, identified: Indices, kinematics: Kinematics, policy: IdentityPolicy
) -> IdentityRecords:
    """Return the identity records with the tracks that reply with one identity from different positions.

    Each group of one identity is compared with its oldest track without a kinematic violation: d'(P + P0)^-1 d > k^2 is
    another position. It is evidence against both tracks, except that a track whose rivals are all refuted by kinematic
    violations is cleared.
    """
    rows = identities.select(identified)
    current = _received_within(rows, kinematics.time_ns, policy.simultaneous_s) & (rows.rival_replies == 0)
    refuted = rows.violation_memory_s > 0.0
    duplicate, cleared = np.zeros(len(identified), dtype=np.bool_), np.zeros(len(identified), dtype=np.bool_)
    live = np.flatnonzero(current)
    # By identity; within it those not refuted first; of these the oldest first.
    order = live[np.lexsort((live, refuted[live], rows.key[live]))]
    begins = np.flatnonzero(np.diff(rows.key[order], prepend=0))
    if len(begins) < len(order):
        sizes = np.diff(begins, append=len(order))
        first = np.repeat(order[begins], sizes)
        far = _is_separate(kinematics, identified[order], identified[first], policy)
        duplicate[order] = far
        contradicted = np.add.reduceat((far & ~refuted[order]).astype(np.int64), begins) > 0
        duplicate[order[begins]] = contradicted
        cleared[order[begins]] = ~contradicted & ~refuted[order[begins]] & (sizes > 1)
    lasted_s, memory_s = _accumulate(rows.duplicate_s, rows.duplicate_memory_s, duplicate, kinematics.dt_s, policy)
    after = replace(rows, duplicate_s=lasted_s, duplicate_memory_s=np.where(cleared, 0.0, memory_s))
    return identities.replace_rows(identified, after)


def _is_separate(kinematics: Kinematics, one: Indices, other: Indices, policy: IdentityPolicy) -> Booleans:
    d = np.ascontiguousarray((kinematics.position_m[:, one] - kinematics.position_m[:, other]).T)
    P = kinematics.covariance[:3, :3]
    S = (P[:, :, one] + P[:, :, other]).transpose(2, 0, 1) + MIN_SEPARATION_M**2 * np.eye(3)
    separate: Booleans = squared_mahalanobis(d, S) > policy.significance_sigma**2
    return separate


def _hostile_approaches(identities: IdentityRecords, kinematics: Kinematics, policy: IdentityPolicy) -> IdentityRecords:
    """Return the identity records with the durations of fast approaches without replies."""
    rule = policy.hostile_approach
    assert rule is not None
    r = kinematics.position_m - kinematics.own_position_m[:, None]
    v = kinematics.velocity_mps - kinematics.own_velocity_mps[:, None]
    range_m = norm(r)
    closing = -(r[0] * v[0] + r[1] * v[1] + r[2] * v[2]) >= rule.closing_speed_mps * range_m
    hostile = ~identities.transponder_on & closing & (range_m <= rule.range_m)
    return replace(identities, approach_s=np.where(hostile, identities.approach_s + kinematics.dt_s, 0.0))


def _received_within(rows: IdentityRecords, time_ns: int, span_s: float) -> Booleans:
    return time_ns - rows.received_ns <= round(span_s * NS_PER_S)


def _accumulate(
    lasted_s: Floats, memory_s: Floats, contradicted: Booleans, dt_s: float, policy: IdentityPolicy
) -> tuple[Floats, Floats]:
    """Return how long contradictions have lasted, and how long they remain evidence, (n,) each."""
    lasted_s = np.where(contradicted, lasted_s + dt_s, 0.0)
    proved = contradicted & (lasted_s >= policy.evidence_time_s)
    return lasted_s, np.where(proved, policy.evidence_memory_s, memory_s)
