"""What things tracks are of: naive Bayes over cross section, speed and climb.

ln p(class | x) = ln prior + sum over features of ln N(x; mean, spread^2 + error^2) + constant; the features are taken
for independent given the class (Duda, Hart and Stork, "Pattern Classification", 2.11). Cross section in decibels and
the logarithm of the speed are normal, that is, log-normal in their units; climb is normal about 0. The error is how
badly the track knows the feature: what is not known decides nothing.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from svc_tracker.domain.identity.policy import ObjectType
from svc_tracker.domain.state.types import Floats, Integers

# Below it speeds are all the same: nothing is at rest to the tracker.
MIN_SPEED_MPS: Final = 1.0
# Of one measured cross section, about that of an echo that fluctuates (Swerling 1: 5.6 dB).
RCS_ERROR_DB: Final = 5.6


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """How things of one class are: their share, and the middle and spread of cross section, speed and climb.

    `speed_spread` is the standard deviation of the speed's natural logarithm about that of `speed_mps`.
    """

    object_type: ObjectType
    prior: float
    rcs_dbsm: float
    rcs_spread_db: float
    speed_mps: float
    speed_spread: float
    climb_spread_mps: float


CLASSES: Final = (
    ObjectClass(ObjectType.DRONE, 0.25, -5.0, 4.0, 70.0, 0.6, 8.0),
    ObjectClass(ObjectType.SHIP, 0.20, 5.0, 4.0, 130.0, 0.6, 8.0),
    ObjectClass(ObjectType.STATION, 0.10, 35.0, 5.0, 1.5, 0.8, 1.0),
    ObjectClass(ObjectType.ASTEROID, 0.10, 28.0, 7.0, 300.0, 0.8, 50.0),
    ObjectClass(ObjectType.DEBRIS, 0.15, -14.0, 5.0, 20.0, 0.8, 8.0),
    ObjectClass(ObjectType.AIRCRAFT, 0.20, 15.0, 4.0, 220.0, 0.4, 10.0),
)
_TYPES: Final = np.array([int(each.object_type) for each in CLASSES], dtype=np.int64)
_LOG_PRIOR: Final = np.log([[each.prior] for each in CLASSES])
_MEANS: Final = np.array([[[each.rcs_dbsm], [np.log(each.speed_mps)], [0.0]] for each in CLASSES])
_VARIANCES: Final = (
    np.array([[[each.rcs_spread_db], [each.speed_spread], [each.climb_spread_mps]] for each in CLASSES]) ** 2
)


def classify(
    rcs_dbsm: Floats, rcs_count: Integers, velocity_mps: Floats, covariance: Floats, min_probability: float
) -> tuple[Integers, Floats]:
    """Return the most probable type of n tracks and its probability, each (n,); 0 and 0 below `min_probability`.

    `rcs_dbsm` (n,) is a mean of `rcs_count` (n,) detections, `velocity_mps` (3, n), `covariance` (6, 6, n).
    """
    east, north, up = velocity_mps
    square = np.maximum(east * east + north * north + up * up, MIN_SPEED_MPS**2)
    # The velocity's error in its mean direction: a third of the trace.
    variance = (covariance[3, 3] + covariance[4, 4] + covariance[5, 5]) / 3.0
    features = np.stack([rcs_dbsm, 0.5 * np.log(square), up])
    errors = np.stack([RCS_ERROR_DB**2 / np.maximum(rcs_count, 1), variance / square, covariance[5, 5]])
    spreads = _VARIANCES + errors
    terms = (features - _MEANS) ** 2 / spreads + np.log(spreads)
    evidence = _LOG_PRIOR - 0.5 * (terms[:, 0] + terms[:, 1] + terms[:, 2])
    best = np.argmax(evidence, axis=0)
    probability = 1.0 / np.exp(evidence - evidence.max(axis=0)).sum(axis=0)
    told = (probability >= min_probability) & (rcs_count > 0)
    return np.where(told, _TYPES[best], int(ObjectType.UNSPECIFIED)), np.where(told, probability, 0.0)
