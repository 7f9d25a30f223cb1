"""Stone Soup's joint probabilistic data association, initiated by global nearest neighbour as in its own examples."""

from datetime import datetime
from typing import Any, Final

import numpy as np
from stonesoup.dataassociator.probability import JPDA
from stonesoup.functions import gm_reduce_single
from stonesoup.hypothesiser.probability import PDAHypothesiser
from stonesoup.types.array import StateVectors
from stonesoup.types.update import GaussianStateUpdate

from bench.tracker.stone_soup import Radar, Settings, StoneSoup

_GATE_PROBABILITY: Final = 0.999


class StoneSoupJpda(StoneSoup):
    """The same parts except the association: MultiTargetMixtureTracker's cycle with exact JPDA."""

    name = "Stone Soup JPDA"

    def __init__(self, radar: Radar, settings: Settings, detection_probability: float, clutter_density: float) -> None:
        super().__init__(radar, settings)
        hypothesiser = PDAHypothesiser(
            self.predictor,
            self.updater,
            clutter_spatial_density=clutter_density,
            prob_detect=detection_probability,
            prob_gate=_GATE_PROBABILITY,
        )
        self._joint = JPDA(hypothesiser)

    def associated(self, time: datetime, detections: set[Any]) -> set[Any]:
        """Update the tracks with the scan, each by the mean over its hypotheses; return the associated detections."""
        taken = set()
        for track, hypotheses in self._joint.associate(self.tracks, detections, time).items():
            states = [self.updater.update(each) if each else each.prediction for each in hypotheses]
            weights = np.asarray([each.probability for each in hypotheses])
            means = StateVectors([state.state_vector for state in states])
            covariances = np.stack([state.covar for state in states], axis=2)
            mean, covariance = gm_reduce_single(means, covariances, weights)
            missed = next(each.probability for each in hypotheses if not each)
            likely = [each for each in hypotheses if each and each.probability > missed]
            if likely:
                track.append(GaussianStateUpdate(mean, covariance, hypotheses, time))
            else:
                track.append(_without_detection(hypotheses, mean, covariance, time))
            taken |= {each.measurement for each in likely}
        return taken


def _without_detection(hypotheses: Any, mean: Any, covariance: Any, time: datetime) -> Any:
    prediction = next(each.prediction for each in hypotheses if not each)
    return type(prediction)(
        mean, covariance, timestamp=time, transition_model=prediction.transition_model, prior=prediction.prior
    )
