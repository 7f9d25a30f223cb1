"""Evaluation of a tracker on a scene: GOSPA and its parts, identity switches, and NEES."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bench.tracker.scenes.scan import SceneScan
from bench.tracker.trackers.runner import Estimates
from evaluation.consistency import Anees, anees, nees
from evaluation.gospa import gospa
from evaluation.switches import IdSwitches
from svc_tracker.domain.state.types import Floats

CUT_OFF_M: Final = 300.0
EVALUATED_AFTER: Final = 15
_DOF: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """Metrics of a tracker on one scene, or on several: means over the evaluated scans, switches per scene.

    `localisation`, `missed` and `false` are the parts of GOSPA squared. `consistency` is of the last scan of each scene
    alone, where the errors of different targets are independent; `nees_straight` and `nees_turning` are means by the
    degrees of freedom over all evaluated scans, of targets flying straight and of those in a turn, NaN if there are
    none. `history` (k, 4) is GOSPA and its parts in every scan, evaluated or not.
    """

    gospa: float
    localisation: float
    missed: float
    false: float
    switches: float
    breaks: float
    consistency: Anees
    nees_straight: float
    nees_turning: float
    history: Floats


@dataclass(eq=False)
class SceneEvaluation:
    """Evaluation of one tracker on one scene, within the disc of this radius."""

    radius_m: float
    cut_off_m: float = CUT_OFF_M
    after: int = EVALUATED_AFTER
    history: list[tuple[float, float, float, float]] = field(default_factory=list)
    nees_last: Floats = field(default_factory=lambda: np.zeros(0))
    nees_straight: list[Floats] = field(default_factory=list)
    nees_turning: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.switches = IdSwitches()

    def add(self, scan: SceneScan, estimates: Estimates) -> None:
        """Add the next scan's truth and the tracker's estimates."""
        # A track that has just left the radar's range counts neither as true nor as false.
        inside = np.hypot(*estimates.position_m.T) < self.radius_m
        found = gospa(scan.position_m, estimates.position_m[inside], self.cut_off_m)
        self.history.append((found.total, found.localisation, found.missed, found.false))
        if len(self.history) <= self.after:
            return
        target, track = found.pairs[:, 0], np.flatnonzero(inside)[found.pairs[:, 1]]
        self.switches.take(scan.ids[target].tolist(), estimates.ids[track].tolist(), scan.ids.tolist())
        error = np.hstack(
            [
                estimates.position_m[track] - scan.position_m[target],
                estimates.velocity_mps[track] - scan.velocity_mps[target],
            ]
        )
        if len(track):
            self.nees_last = nees(error.T, _symmetric(estimates.covariance[track]).transpose(1, 2, 0))
            turning = scan.turning[target]
            self.nees_straight.append(self.nees_last[~turning])
            self.nees_turning.append(self.nees_last[turning])


def score(evaluations: list[SceneEvaluation]) -> Score:
    """Return the metrics over several scenes of equal length."""
    history = np.array([evaluation.history for evaluation in evaluations])
    evaluated = history[:, evaluations[0].after :].reshape(-1, 4).mean(axis=0)
    gospa_m, localisation, missed, false = evaluated.tolist()
    return Score(
        gospa=gospa_m,
        localisation=localisation,
        missed=missed,
        false=false,
        switches=float(np.mean([evaluation.switches.switches for evaluation in evaluations])),
        breaks=float(np.mean([evaluation.switches.breaks for evaluation in evaluations])),
        consistency=anees(np.concatenate([evaluation.nees_last for evaluation in evaluations]), _DOF),
        nees_straight=_mean_per_dof([part for evaluation in evaluations for part in evaluation.nees_straight]),
        nees_turning=_mean_per_dof([part for evaluation in evaluations for part in evaluation.nees_turning]),
        history=history.mean(axis=0),
    )


def _mean_per_dof(parts: list[Floats]) -> float:
    values = np.concatenate([np.zeros(0), *parts])
    return float(values.mean()) / _DOF if len(values) else float("nan")


def _symmetric(covariance: Floats) -> Floats:
    """Return the covariances symmetrised: some filters leave them asymmetric by rounding."""
    symmetric: Floats = 0.5 * (covariance + covariance.swapaxes(1, 2))
    return symmetric
