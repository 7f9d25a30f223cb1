"""Target classification by cross section, speed and climb rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc_tracker.domain.identity.classification import CLASSES, most_probable_type
from svc_tracker.domain.identity.policy import ObjectType


def classified(
    rcs_dbsm: float, velocity_mps: tuple[float, float, float], sigma_mps: float = 1.0, count: int = 20
) -> tuple[int, float]:
    covariance = np.diag([100.0] * 3 + [sigma_mps**2] * 3)[:, :, None]
    found, probability = most_probable_type(
        np.array([rcs_dbsm]), np.array([count]), np.array(velocity_mps)[:, None], covariance, 0.7
    )
    return int(found[0]), float(probability[0])


@pytest.mark.parametrize(
    ("rcs_dbsm", "velocity_mps", "expected"),
    [
        (-5.0, (80.0, 0.0, 2.0), ObjectType.DRONE),
        (6.0, (110.0, 60.0, 0.0), ObjectType.SHIP),
        (35.0, (0.1, 0.2, 0.0), ObjectType.STATION),
        (30.0, (250.0, -240.0, -40.0), ObjectType.ASTEROID),
        (-14.0, (12.0, 20.0, 4.0), ObjectType.DEBRIS),
        (15.0, (40.0, -235.0, -5.0), ObjectType.AIRCRAFT),
    ],
)
def test_a_typical_target_of_a_class_is_classified_as_it(
    rcs_dbsm: float, velocity_mps: tuple[float, float, float], expected: ObjectType
) -> None:
    found, probability = classified(rcs_dbsm, velocity_mps)
    assert found == expected
    assert 0.7 <= probability <= 1.0


def test_a_target_between_two_classes_has_no_type() -> None:
    assert classified(0.0, (95.0, 0.0, 0.0)) == (0, 0.0)


def test_an_uncertain_feature_decides_nothing() -> None:
    assert classified(6.0, (150.0, 0.0, 0.0), sigma_mps=200.0, count=1) == (0, 0.0)


def test_a_track_without_detections_has_no_type() -> None:
    assert classified(-5.0, (80.0, 0.0, 0.0), count=0) == (0, 0.0)


def test_the_priors_of_all_classes_sum_to_one() -> None:
    assert sum(known.prior for known in CLASSES) == pytest.approx(1.0)
    assert sorted(known.object_type for known in CLASSES) == sorted(set(ObjectType) - {ObjectType.UNSPECIFIED})


def test_the_probability_is_that_of_bayes_rule() -> None:
    rcs, speed, climb = 9.0, 160.0, 3.0
    logs = []
    for known in CLASSES:
        variances = (
            known.rcs_sigma_db**2 + 5.6**2 / 20,
            known.speed_sigma**2 + 4.0 / speed**2,
            known.climb_sigma_mps**2 + 4.0,
        )
        means = (known.rcs_dbsm, np.log(known.speed_mps), 0.0)
        features = (rcs, np.log(speed), climb)
        normal = sum(
            -0.5 * (x - m) ** 2 / s - 0.5 * np.log(2 * np.pi * s)
            for x, m, s in zip(features, means, variances, strict=True)
        )
        logs.append(np.log(known.prior) + normal)
    posterior = np.exp(logs) / np.exp(logs).sum()
    covariance = np.diag([1.0] * 3 + [4.0] * 3)[:, :, None]
    velocity = np.array([[np.sqrt(speed**2 - climb**2)], [0.0], [climb]])
    found, probability = most_probable_type(np.array([rcs]), np.array([20]), velocity, covariance, 0.01)
    assert found[0] == CLASSES[int(np.argmax(posterior))].object_type
    assert probability[0] == pytest.approx(posterior.max(), rel=1e-9)


@given(
    rcs_dbsm=st.floats(-1e15, 1e15),
    velocity_mps=st.tuples(*[st.floats(-1e6, 1e6)] * 3),
    sigma_mps=st.floats(0.0, 1e6),
    count=st.integers(0, 50),
)
def test_the_result_is_a_probability_for_any_features(
    rcs_dbsm: float, velocity_mps: tuple[float, float, float], sigma_mps: float, count: int
) -> None:
    found, probability = classified(rcs_dbsm, velocity_mps, sigma_mps, count)
    assert (found == 0) == (probability == 0.0)
    assert 0.0 <= probability <= 1.0 + 1e-12
