"""Scenes of the benchmark: one radar in a disc of flying targets, some in pairs, some turning.

The disc's area is proportional to the number of targets. A target is born anywhere in the disc on any course, and ends
with its lifetime or on leaving the disc; births balance both.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mesh.rng import generator
from svc_tracker.domain.state.types import Booleans, Floats, Integers

DENSITY_PER_KM2: Final = 0.2
CLUTTER_PER_KM2: Final = 0.1
SCAN_S: Final = 1.0
RANGE_SIGMA_M: Final = 20.0
SPEED_MPS: Final = (50.0, 250.0)
MEAN_LIFETIME_S: Final = 200.0
PAIRED_SHARE: Final = 0.2
PAIR_SPACING_M: Final = (150.0, 400.0)
TURN_RATE_DEGPS: Final = (2.0, 6.0)
STRAIGHT_LEG_S: Final = (10.0, 20.0)
TURN_LEG_S: Final = (8.0, 15.0)
ACCELERATION_NOISE_M2PS3: Final = 0.5
_LEAST_RANGE_M: Final = 1.0


@dataclass(frozen=True, slots=True)
class Variant:
    """Difficulty of a scene: the sensor's parameters, and the share of targets that manoeuvre."""

    name: str
    detection_probability: float = 0.9
    clutter_per_km2: float = CLUTTER_PER_KM2
    bearing_sigma_deg: float = 0.3
    manoeuvring_share: float = 0.0


CV: Final = Variant("cv")
MANOEUVRING: Final = Variant("manoeuvring", manoeuvring_share=0.4)
HARD: Final = Variant("hard", 0.8, 3.0 * CLUTTER_PER_KM2, 0.5)
HARD_MANOEUVRING: Final = Variant("hard_manoeuvring", 0.8, 3.0 * CLUTTER_PER_KM2, 0.5, 0.4)
VARIANTS: Final = {variant.name: variant for variant in (CV, MANOEUVRING, HARD, HARD_MANOEUVRING)}


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Truth and detections of one scan: n targets, m detections.

    `position_m` and `velocity_mps` (n, 2) are east and north of the radar, `ids` (n,) are never reused, `turning` (n,)
    marks targets in a turn since the scan before. `range_m`, `bearing_deg` (m,) are measured, `source` (m,) is the row
    of the detected target, -1 for a false detection.
    """

    time_s: float
    ids: Integers
    position_m: Floats
    velocity_mps: Floats
    turning: Booleans
    range_m: Floats
    bearing_deg: Floats
    source: Integers


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene by its variant, mean number of targets and seed: equal parameters give equal scans."""

    variant: Variant
    targets: int
    seed: int

    @property
    def area_km2(self) -> float:
        """The disc's area."""
        return self.targets / DENSITY_PER_KM2

    @property
    def radius_m(self) -> float:
        """The disc's radius, which is the radar's range."""
        return 1e3 * float(np.sqrt(self.area_km2 / np.pi))

    @property
    def clutter_per_scan(self) -> float:
        """The mean number of false detections in a scan."""
        return self.variant.clutter_per_km2 * self.area_km2

    def scans(self, count: int) -> list[Scan]:
        """Return the first scans, a second apart."""
        targets = _population(self, self._generator("start", 0))
        scans = []
        for step in range(1, count + 1):
            targets = _moved(targets, self, self._generator("motion", step))
            scans.append(_scan(targets, step * SCAN_S, self, self._generator("radar", step)))
        return scans

    def _generator(self, what: str, step: int) -> np.random.Generator:
        return generator(self.seed, f"bench/{self.variant.name}/{self.targets}/{what}", step)


def wrapped(bearing_deg: Floats) -> Floats:
    """Return the bearings in [0, 360)."""
    within = bearing_deg % 360.0
    # The remainder of a value barely below 0 is rounded to 360 itself.
    return np.where(within < 360.0, within, 0.0)


def births_per_s(scene: Scene) -> float:
    """Return the birth rate that keeps the number of targets: N divided by their mean stay (Little's law).

    From a random point of a disc on a random course the rim is a distance s away with the density
    2 / (pi R) sqrt(1 - (s / 2R)^2), so at speed v the mean stay is the mean of L (1 - exp(-s / (v L))), L being the
    mean lifetime.
    """
    radius = scene.radius_m
    s = (np.arange(2_000) + 0.5) / 2_000 * 2.0 * radius
    density = 2.0 / (np.pi * radius) * np.sqrt(1.0 - (s / (2.0 * radius)) ** 2) * (s[1] - s[0])
    v = np.linspace(*SPEED_MPS, 201)[:, None]
    stay_s = (density * MEAN_LIFETIME_S * -np.expm1(-s / (v * MEAN_LIFETIME_S))).sum(axis=1).mean()
    return scene.targets / float(stay_s)


@dataclass(frozen=True, slots=True, eq=False)
class _Targets:
    """n targets, each array (n,) or (n, 2): one group shares its motion; on a straight leg `turn_degps` is 0."""

    ids: Integers
    group: Integers
    position_m: Floats
    velocity_mps: Floats
    manoeuvring: Booleans
    turn_degps: Floats
    leg_left_s: Floats
    next_id: int

    def chosen(self, which: Booleans) -> "_Targets":
        return _Targets(
            self.ids[which],
            self.group[which],
            self.position_m[which],
            self.velocity_mps[which],
            self.manoeuvring[which],
            self.turn_degps[which],
            self.leg_left_s[which],
            self.next_id,
        )


def _population(scene: Scene, random: np.random.Generator) -> _Targets:
    """Return the targets of the first moment, in the steady state.

    The age of live targets is exponential; targets that would have left the disc are excluded.
    """
    targets = _born(scene, random, 0)
    while len(targets.ids) < scene.targets:
        candidates = _born(scene, random, scene.targets)
        age_s = random.exponential(MEAN_LIFETIME_S, scene.targets)[candidates.group]
        position_m = candidates.position_m + age_s[:, None] * candidates.velocity_mps
        aged = replace(candidates, position_m=position_m)
        targets = _joined(targets, aged.chosen(np.hypot(*position_m.T) < scene.radius_m))
    return targets.chosen(np.arange(len(targets.ids)) < scene.targets)


def _born(scene: Scene, random: np.random.Generator, groups: int) -> _Targets:
    """Return new targets in the given number of groups, of one or two each."""
    reach = scene.radius_m * np.sqrt(random.random(groups))
    position = reach[:, None] * _direction(random, groups)
    velocity = random.uniform(*SPEED_MPS, groups)[:, None] * _direction(random, groups)
    spacing = random.uniform(*PAIR_SPACING_M, groups)[:, None] * _direction(random, groups)
    # Of k groups p k are pairs, and these hold 2 p / (1 + p) of the targets.
    paired = random.random(groups) < PAIRED_SHARE / (2.0 - PAIRED_SHARE)
    manoeuvring = random.random(groups) < scene.variant.manoeuvring_share
    leg_left = random.uniform(0.0, STRAIGHT_LEG_S[1], groups)
    second = np.flatnonzero(paired)
    group = np.concatenate([np.arange(groups), second])
    position = np.concatenate([position, position[second] + spacing[second]])
    count = len(group)
    turn = np.zeros(count)
    return _Targets(
        np.arange(count), group, position, velocity[group], manoeuvring[group], turn, leg_left[group], count
    )


def _moved(targets: _Targets, scene: Scene, random: np.random.Generator) -> _Targets:
    """Return the targets a scan later: moved, without those that ended or left, with new ones."""
    groups, group = np.unique(targets.group, return_inverse=True)
    turn, leg_left = _legs(targets, random, len(groups), group)
    # White acceleration of density q over a scan T: velocity and position noise with the variances q T and q T^3 / 12
    # around half the velocity's (Bar-Shalom, Li and Kirubarajan, "Estimation with Applications", 2001, section 6.2.2).
    kick = np.sqrt(ACCELERATION_NOISE_M2PS3 * SCAN_S) * random.standard_normal((len(groups), 2))[group]
    shift = np.sqrt(ACCELERATION_NOISE_M2PS3 * SCAN_S**3 / 12.0) * random.standard_normal((len(groups), 2))[group]
    drift, velocity = _turned(targets.velocity_mps, turn)
    position = targets.position_m + drift + kick * SCAN_S / 2.0 + shift
    survives = random.random(len(targets.ids)) < np.exp(-SCAN_S / MEAN_LIFETIME_S)
    velocity = velocity + kick
    moved = replace(targets, position_m=position, velocity_mps=velocity, turn_degps=turn, leg_left_s=leg_left)
    # The birth rate of groups is less than that of targets, by the share of pairs.
    rate = births_per_s(scene) * SCAN_S * (1.0 - PAIRED_SHARE / 2.0)
    born = _born(scene, random, int(random.poisson(rate)))
    together = _joined(moved.chosen(survives), born)
    return together.chosen(np.hypot(*together.position_m.T) < scene.radius_m)


def _legs(targets: _Targets, random: np.random.Generator, groups: int, group: Integers) -> tuple[Floats, Floats]:
    """Return the turn rates and remaining times of the legs: a turn follows a straight leg, and vice versa."""
    rate = (random.uniform(*TURN_RATE_DEGPS, groups) * random.choice([-1.0, 1.0], groups))[group]
    turn_s, straight_s = random.uniform(*TURN_LEG_S, groups)[group], random.uniform(*STRAIGHT_LEG_S, groups)[group]
    ends = targets.manoeuvring & (targets.leg_left_s <= 0.0)
    begins_turn = ends & (targets.turn_degps == 0.0)
    turn = np.where(ends, np.where(begins_turn, rate, 0.0), targets.turn_degps)
    left = np.where(ends, np.where(begins_turn, turn_s, straight_s), targets.leg_left_s)
    return turn, left - SCAN_S


def _turned(velocity_mps: Floats, turn_degps: Floats) -> tuple[Floats, Floats]:
    """Return the displacement in a scan at a constant turn rate, and the velocity at its end, both (n, 2).

    With w the rate and T the scan: the displacement is v sin(wT) / w along and v (1 - cos(wT)) / w to the left.
    """
    angle = np.radians(turn_degps) * SCAN_S
    along, left = SCAN_S * np.sinc(angle / np.pi), SCAN_S * np.sin(angle / 2.0) * np.sinc(angle / (2.0 * np.pi))
    leftward = np.stack([-velocity_mps[:, 1], velocity_mps[:, 0]], axis=1)
    drift = along[:, None] * velocity_mps + left[:, None] * leftward
    return drift, np.cos(angle)[:, None] * velocity_mps + np.sin(angle)[:, None] * leftward


def _scan(targets: _Targets, time_s: float, scene: Scene, random: np.random.Generator) -> Scan:
    seen = np.flatnonzero(random.random(len(targets.ids)) < scene.variant.detection_probability)
    east, north = targets.position_m[seen].T
    range_m = np.hypot(east, north) + RANGE_SIGMA_M * random.standard_normal(len(seen))
    bearing = np.degrees(np.arctan2(east, north)) + scene.variant.bearing_sigma_deg * random.standard_normal(len(seen))
    false = int(random.poisson(scene.clutter_per_scan))
    order = random.permutation(len(seen) + false)
    range_m = np.concatenate([range_m, random.uniform(0.0, scene.radius_m, false)])[order]
    bearing = wrapped(np.concatenate([bearing, random.uniform(0.0, 360.0, false)])[order])
    source = np.concatenate([seen, np.full(false, -1)])[order]
    return Scan(
        time_s,
        targets.ids,
        targets.position_m,
        targets.velocity_mps,
        targets.turn_degps != 0.0,
        np.maximum(range_m, _LEAST_RANGE_M),
        bearing,
        source,
    )


def _direction(random: np.random.Generator, count: int) -> Floats:
    angle = random.uniform(0.0, 2.0 * np.pi, count)
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _joined(before: _Targets, after: _Targets) -> _Targets:
    """Concatenate both; the later ones get new ids and groups."""
    taken = before.next_id
    return _Targets(
        np.concatenate([before.ids, taken + after.ids]),
        np.concatenate([before.group, taken + after.group]),
        np.concatenate([before.position_m, after.position_m]),
        np.concatenate([before.velocity_mps, after.velocity_mps]),
        np.concatenate([before.manoeuvring, after.manoeuvring]),
        np.concatenate([before.turn_degps, after.turn_degps]),
        np.concatenate([before.leg_left_s, after.leg_left_s]),
        taken + after.next_id,
    )
