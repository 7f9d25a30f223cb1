"""Air traffic scene: one radar in a disc of flying targets, some in pairs, some turning.

The disc's area is proportional to the number of targets.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.tracker.scenes.population import SCAN_S, Disc, Targets, initial_population, propagate
from bench.tracker.scenes.scan import SceneScan, wrap_bearing
from mesh.rng import generator

DENSITY_PER_KM2: Final = 0.2
CLUTTER_PER_KM2: Final = 0.1
RANGE_SIGMA_M: Final = 20.0
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
    def disc(self) -> Disc:
        """The disc of the targets."""
        return Disc(self.targets, self.radius_m, self.variant.manoeuvring_share)

    @property
    def clutter_per_scan(self) -> float:
        """The mean number of false detections in a scan."""
        return self.variant.clutter_per_km2 * self.area_km2

    def scans(self, count: int) -> list[SceneScan]:
        """Return the first scans, a second apart."""
        targets = initial_population(self.disc, self._generator("start", 0))
        scans = []
        for step in range(1, count + 1):
            targets = propagate(targets, self.disc, self._generator("motion", step))
            scans.append(_scan(targets, step * SCAN_S, self, self._generator("radar", step)))
        return scans

    def _generator(self, purpose: str, step: int) -> np.random.Generator:
        return generator(self.seed, f"bench/{self.variant.name}/{self.targets}/{purpose}", step)


def _scan(targets: Targets, time_s: float, scene: Scene, random: np.random.Generator) -> SceneScan:
    detected = np.flatnonzero(random.random(len(targets.ids)) < scene.variant.detection_probability)
    east, north = targets.position_m[detected].T
    range_m = np.hypot(east, north) + RANGE_SIGMA_M * random.standard_normal(len(detected))
    noise_deg = scene.variant.bearing_sigma_deg * random.standard_normal(len(detected))
    bearing = np.degrees(np.arctan2(east, north)) + noise_deg
    false = int(random.poisson(scene.clutter_per_scan))
    order = random.permutation(len(detected) + false)
    range_m = np.concatenate([range_m, random.uniform(0.0, scene.radius_m, false)])[order]
    bearing = wrap_bearing(np.concatenate([bearing, random.uniform(0.0, 360.0, false)])[order])
    source = np.concatenate([detected, np.full(false, -1)])[order]
    return SceneScan(
        time_s,
        targets.ids,
        targets.position_m,
        targets.velocity_mps,
        targets.turn_degps != 0.0,
        np.maximum(range_m, _LEAST_RANGE_M),
        bearing,
        source,
    )
