"""Stone Soup's joint probabilistic data association, initiated by global nearest neighbour as in its own examples."""

from datetime import datetime
from typing import Any, Final

import numpy as np
from stonesoup.dataassociator.probability import JPDA
from stonesoup.functions import gm_reduce_single
from stonesoup.hypothesiser.probability import PDAHypothesiser
from stonesoup.types.array import StateVectors
from stonesoup.types.update import GaussianStateUpdate

from bench.tracker.trackers.stone_soup import Radar, Settings, StoneSoup

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

    def associate(self, time: datetime, detections: set[Any]) -> set[Any]:
        """Update the tracks with the scan, each by the mean over its hypotheses; return the associated detections."""
        associated = set()
        for track, hypotheses in self._joint.associate(self.tracks, detections, time).items():
            states = [
                self.updater.update(hypothesis) if hypothesis else hypothesis.prediction for hypothesis in hypotheses
            ]
            weights = np.asarray([hypothesis.probability for hypothesis in hypotheses])
            means = StateVectors([state.state_vector for state in states])
            covariances = np.stack([state.covar for state in states], axis=2)
            mean, covariance = gm_reduce_single(means, covariances, weights)
            missed = next(hypothesis.probability for hypothesis in hypotheses if not hypothesis)
            likely = [hypothesis for hypothesis in hypotheses if hypothesis and hypothesis.probability > missed]
            if likely:
                track.append(GaussianStateUpdate(mean, covariance, hypotheses, time))
            else:
                track.append(_without_detection(hypotheses, mean, covariance, time))
            associated |= {hypothesis.measurement for hypothesis in likely}
        return associated

    def _state(self, hypothesis: Any) -> Any:
        return self.updater.update(hypothesis) if hypothesis else hypothesis.prediction


def _without_detection(hypotheses: Any, mean: Any, covariance: Any, time: datetime) -> Any:
    prediction = next(hypothesis.prediction for hypothesis in hypotheses if not hypothesis)
    return type(prediction)(
        mean, covariance, timestamp=time, transition_model=prediction.transition_model, prior=prediction.prior
    )
