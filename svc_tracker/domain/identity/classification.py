"""Target classification: naive Bayes over radar cross section, speed and climb rate.

ln p(class | x) = ln prior + sum over features of ln N(x; mean, sigma^2 + error^2) + constant; the features are assumed
independent given the class (Duda, Hart and Stork, "Pattern Classification", 2.11). Cross section in decibels and the
logarithm of the speed are normal (log-normal in linear units); climb rate is normal about 0. The error is the track's
own uncertainty of the feature, so that an unknown feature decides nothing.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from svc_tracker.domain.identity.policy import ObjectType
from svc_tracker.domain.state.types import Floats, Integers

# Speeds below it are the same to the classifier: no track has speed 0.
MIN_SPEED_MPS: Final = 1.0
# The standard deviation of one measured cross section, about that of a Swerling 1 echo.
RCS_ERROR_DB: Final = 5.6


@dataclass(frozen=True, slots=True)
class TargetClass:
    """A target class: its prior, and mean and standard deviation of cross section, speed and climb rate.

    `speed_sigma` is the standard deviation of the natural logarithm of the speed, whose mean is ln `speed_mps`.
    """

    object_type: ObjectType
    prior: float
    rcs_dbsm: float
    rcs_sigma_db: float
    speed_mps: float
    speed_sigma: float
    climb_sigma_mps: float


CLASSES: Final = (
    TargetClass(ObjectType.DRONE, 0.25, -5.0, 4.0, 70.0, 0.6, 8.0),
    TargetClass(ObjectType.SHIP, 0.20, 5.0, 4.0, 130.0, 0.6, 8.0),
    TargetClass(ObjectType.STATION, 0.10, 35.0, 5.0, 1.5, 0.8, 1.0),
    TargetClass(ObjectType.ASTEROID, 0.10, 28.0, 7.0, 300.0, 0.8, 50.0),
    TargetClass(ObjectType.DEBRIS, 0.15, -14.0, 5.0, 20.0, 0.8, 8.0),
    TargetClass(ObjectType.AIRCRAFT, 0.20, 15.0, 4.0, 220.0, 0.4, 10.0),
)
_TYPES: Final = np.array([int(known.object_type) for known in CLASSES], dtype=np.int64)
_LOG_PRIOR: Final = np.log([[known.prior] for known in CLASSES])
_MEANS: Final = np.array([[[known.rcs_dbsm], [np.log(known.speed_mps)], [0.0]] for known in CLASSES])
_VARIANCES: Final = (
    np.array([[[known.rcs_sigma_db], [known.speed_sigma], [known.climb_sigma_mps]] for known in CLASSES]) ** 2
)


def most_probable_type(
    rcs_dbsm: Floats, rcs_count: Integers, velocity_mps: Floats, covariance: Floats, min_probability: float
) -> tuple[Integers, Floats]:
    """Return the most probable type of n targets and its probability, each (n,); 0 and 0 below `min_probability`.

    `rcs_dbsm` (n,) is a mean of `rcs_count` (n,) detections, `velocity_mps` (3, n), `covariance` (6, 6, n).
    """
    east, north, up = velocity_mps
    speed_squared = np.maximum(east * east + north * north + up * up, MIN_SPEED_MPS**2)
    # The variance of the speed, averaged over all directions: a third of the trace.
    variance = (covariance[3, 3] + covariance[4, 4] + covariance[5, 5]) / 3.0
    features = np.stack([rcs_dbsm, 0.5 * np.log(speed_squared), up])
    errors = np.stack([RCS_ERROR_DB**2 / np.maximum(rcs_count, 1), variance / speed_squared, covariance[5, 5]])
    variances = _VARIANCES + errors
    terms = (features - _MEANS) ** 2 / variances + np.log(variances)
    log_posterior = _LOG_PRIOR - 0.5 * (terms[:, 0] + terms[:, 1] + terms[:, 2])
    best = np.argmax(log_posterior, axis=0)
    probability = 1.0 / np.exp(log_posterior - log_posterior.max(axis=0)).sum(axis=0)
    known = (probability >= min_probability) & (rcs_count > 0)
    return np.where(known, _TYPES[best], int(ObjectType.UNSPECIFIED)), np.where(known, probability, 0.0)
