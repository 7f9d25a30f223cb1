"""Population of the air traffic scene: births, straight legs, turns and ends of targets in a disc.

A target is born anywhere in the disc on any course, and ends with its lifetime or on leaving the disc; births balance
both.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from svc_tracker.domain.state.types import Booleans, Floats, Integers

SCAN_S: Final = 1.0
SPEED_MPS: Final = (50.0, 250.0)
MEAN_LIFETIME_S: Final = 200.0
PAIRED_SHARE: Final = 0.2
PAIR_SPACING_M: Final = (150.0, 400.0)
TURN_RATE_DEGPS: Final = (2.0, 6.0)
STRAIGHT_LEG_S: Final = (10.0, 20.0)
TURN_LEG_S: Final = (8.0, 15.0)
ACCELERATION_NOISE_M2PS3: Final = 0.5


@dataclass(frozen=True, slots=True)
class Disc:
    """A disc around the radar with its mean number of targets and the share of them that manoeuvre."""

    targets: int
    radius_m: float
    manoeuvring_share: float


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """n targets, arrays (n,) or (n, 2): a group shares its motion; on a straight leg `turn_degps` is 0."""

    ids: Integers
    group: Integers
    position_m: Floats
    velocity_mps: Floats
    manoeuvring: Booleans
    turn_degps: Floats
    leg_left_s: Floats
    next_id: int

    def select(self, which: Booleans) -> "Targets":
        """Select targets by a mask."""
        return Targets(
            self.ids[which],
            self.group[which],
            self.position_m[which],
            self.velocity_mps[which],
            self.manoeuvring[which],
            self.turn_degps[which],
            self.leg_left_s[which],
            self.next_id,
        )


def initial_population(disc: Disc, random: np.random.Generator) -> Targets:
    """Return the targets of the first moment, in the steady state.

    The age of live targets is exponential; targets that would have left the disc are excluded.
    """
    targets = _births(disc, random, 0)
    while len(targets.ids) < disc.targets:
        candidates = _births(disc, random, disc.targets)
        age_s = random.exponential(MEAN_LIFETIME_S, disc.targets)[candidates.group]
        position_m = candidates.position_m + age_s[:, None] * candidates.velocity_mps
        aged = replace(candidates, position_m=position_m)
        targets = _concatenate(targets, aged.select(np.hypot(*position_m.T) < disc.radius_m))
    return targets.select(np.arange(len(targets.ids)) < disc.targets)


def propagate(targets: Targets, disc: Disc, random: np.random.Generator) -> Targets:
    """Return the targets a scan later: moved, without those that ended or left, with new ones."""
    groups, group = np.unique(targets.group, return_inverse=True)
    turn, leg_left = _legs(targets, random, len(groups), group)
    # White acceleration of density q over a scan T: velocity and position noise with the variances q T and q T^3 / 12
    # around half the velocity's (Bar-Shalom, Li and Kirubarajan, "Estimation with Applications", 2001, section 6.2.2).
    kick = np.sqrt(ACCELERATION_NOISE_M2PS3 * SCAN_S) * random.standard_normal((len(groups), 2))[group]
    shift = np.sqrt(ACCELERATION_NOISE_M2PS3 * SCAN_S**3 / 12.0) * random.standard_normal((len(groups), 2))[group]
    drift, velocity = _turn(targets.velocity_mps, turn)
    position = targets.position_m + drift + kick * SCAN_S / 2.0 + shift
    remains = random.random(len(targets.ids)) < np.exp(-SCAN_S / MEAN_LIFETIME_S)
    velocity = velocity + kick
    moved = replace(targets, position_m=position, velocity_mps=velocity, turn_degps=turn, leg_left_s=leg_left)
    # The birth rate of groups is less than that of targets, by the share of pairs.
    rate = births_per_s(disc) * SCAN_S * (1.0 - PAIRED_SHARE / 2.0)
    born = _births(disc, random, int(random.poisson(rate)))
    together = _concatenate(moved.select(remains), born)
    return together.select(np.hypot(*together.position_m.T) < disc.radius_m)


def births_per_s(disc: Disc) -> float:
    """Return the birth rate that keeps the number of targets: N divided by their mean stay (Little's law).

    From a random point of a disc on a random course the rim is a distance s away with the density
    2 / (pi R) sqrt(1 - (s / 2R)^2), so at speed v the mean stay is the mean of L (1 - exp(-s / (v L))), L being the
    mean lifetime.
    """
    radius = disc.radius_m
    s = (np.arange(2_000) + 0.5) / 2_000 * 2.0 * radius
    density = 2.0 / (np.pi * radius) * np.sqrt(1.0 - (s / (2.0 * radius)) ** 2) * (s[1] - s[0])
    v = np.linspace(*SPEED_MPS, 201)[:, None]
    stay_s = (density * MEAN_LIFETIME_S * -np.expm1(-s / (v * MEAN_LIFETIME_S))).sum(axis=1).mean()
    return disc.targets / float(stay_s)


def _births(disc: Disc, random: np.random.Generator, groups: int) -> Targets:
    """Return new targets in the given number of groups, of one or two each."""
    reach = disc.radius_m * np.sqrt(random.random(groups))
    position = reach[:, None] * _direction(random, groups)
    velocity = random.uniform(*SPEED_MPS, groups)[:, None] * _direction(random, groups)
    spacing = random.uniform(*PAIR_SPACING_M, groups)[:, None] * _direction(random, groups)
    # Of k groups p k are pairs, and these hold 2 p / (1 + p) of the targets.
    paired = random.random(groups) < PAIRED_SHARE / (2.0 - PAIRED_SHARE)
    manoeuvring = random.random(groups) < disc.manoeuvring_share
    leg_left = random.uniform(0.0, STRAIGHT_LEG_S[1], groups)
    second = np.flatnonzero(paired)
    group = np.concatenate([np.arange(groups), second])
    position = np.concatenate([position, position[second] + spacing[second]])
    count = len(group)
    turn = np.zeros(count)
    return Targets(np.arange(count), group, position, velocity[group], manoeuvring[group], turn, leg_left[group], count)


def _legs(targets: Targets, random: np.random.Generator, groups: int, group: Integers) -> tuple[Floats, Floats]:
    """Return the turn rates and remaining times of the legs: a turn follows a straight leg, and vice versa."""
    rate = (random.uniform(*TURN_RATE_DEGPS, groups) * random.choice([-1.0, 1.0], groups))[group]
    turn_s, straight_s = random.uniform(*TURN_LEG_S, groups)[group], random.uniform(*STRAIGHT_LEG_S, groups)[group]
    ends = targets.manoeuvring & (targets.leg_left_s <= 0.0)
    begins_turn = ends & (targets.turn_degps == 0.0)
    turn = np.where(ends, np.where(begins_turn, rate, 0.0), targets.turn_degps)
    left = np.where(ends, np.where(begins_turn, turn_s, straight_s), targets.leg_left_s)
    return turn, left - SCAN_S


def _turn(velocity_mps: Floats, turn_degps: Floats) -> tuple[Floats, Floats]:
    """Return the displacement in a scan at a constant turn rate, and the velocity at its end, both (n, 2).

    With w the rate and T the scan: the displacement is v sin(wT) / w along and v (1 - cos(wT)) / w to the left.
    """
    angle = np.radians(turn_degps) * SCAN_S
    along, left = SCAN_S * np.sinc(angle / np.pi), SCAN_S * np.sin(angle / 2.0) * np.sinc(angle / (2.0 * np.pi))
    leftward = np.stack([-velocity_mps[:, 1], velocity_mps[:, 0]], axis=1)
    drift = along[:, None] * velocity_mps + left[:, None] * leftward
    return drift, np.cos(angle)[:, None] * velocity_mps + np.sin(angle)[:, None] * leftward


def _direction(random: np.random.Generator, count: int) -> Floats:
    angle = random.uniform(0.0, 2.0 * np.pi, count)
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _concatenate(before: Targets, after: Targets) -> Targets:
    """Concatenate both; the later ones get new ids and groups."""
    taken = before.next_id
    return Targets(
        np.concatenate([before.ids, taken + after.ids]),
        np.concatenate([before.group, taken + after.group]),
        np.concatenate([before.position_m, after.position_m]),
        np.concatenate([before.velocity_mps, after.velocity_mps]),
        np.concatenate([before.manoeuvring, after.manoeuvring]),
        np.concatenate([before.turn_degps, after.turn_degps]),
        np.concatenate([before.leg_left_s, after.leg_left_s]),
        taken + after.next_id,
    )
