"""The closest point of approach, against brute force over time and over the errors of the track."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc_tracker.domain.guard.closest_approach import MAX_TIME_S, ClosestApproaches, closest_approach

Floats = npt.NDArray[np.float64]
EXACT = np.zeros((6, 6))
coordinate = st.floats(-50_000.0, 50_000.0)
speed = st.floats(-500.0, 500.0)
vector = st.tuples(coordinate, coordinate, coordinate)
velocity = st.tuples(speed, speed, speed)


def one(
    position_m: object, velocity_mps: object, covariance: Floats = EXACT, own: tuple[object, object] = ((0.0,) * 3,) * 2
) -> ClosestApproaches:
    return closest_approach(
        np.array([position_m], dtype=np.float64),
        np.array([velocity_mps], dtype=np.float64),
        covariance[None],
        np.array(own[0], dtype=np.float64),
        np.array(own[1], dtype=np.float64),
    )


def diagonal(position_sigma_m: float, velocity_sigma_mps: float) -> Floats:
    return np.diag([position_sigma_m**2] * 3 + [velocity_sigma_mps**2] * 3)


@given(position=vector, motion=velocity, own_position=vector, own_motion=velocity)
def test_no_other_time_has_a_smaller_distance(
    position: object, motion: object, own_position: object, own_motion: object
) -> None:
    found = one(position, motion, own=(own_position, own_motion))
    r, v = np.subtract(position, own_position), np.subtract(motion, own_motion)
    times = np.concatenate([np.linspace(0.0, 4_000.0, 4_001), found.time_s + np.linspace(-1.0, 1.0, 201)])
    times = times[(times >= 0.0) & (times <= MAX_TIME_S)]
    distances = np.sqrt(((r + times[:, None] * v) ** 2).sum(axis=1))
    assert found.distance_m[0] <= distances.min() * (1.0 + 1e-9) + 1e-3
    at = np.sqrt(((r + found.time_s[0] * v) ** 2).sum())
    assert found.distance_m[0] == pytest.approx(at, rel=1e-9, abs=1e-6)
    assert found.distance_sigma_m[0] == found.time_sigma_s[0] == 0.0


def test_the_closest_approach_is_that_of_the_geometry() -> None:
    found = one((3_000.0, 10_000.0, 400.0), (0.0, -100.0, 0.0))
    assert found.distance_m[0] == pytest.approx(np.hypot(3_000.0, 400.0))
    assert found.time_s[0] == pytest.approx(100.0)


@pytest.mark.parametrize("motion", [(0.0, 10.0, 0.0), (0.0, 0.0, 0.0), (10.0, 0.0, 0.0), (1e-9, -1e-9, 0.0)])
def test_a_track_that_recedes_or_is_stationary_is_nearest_now(motion: object) -> None:
    found = one((0.0, 5_000.0, 0.0), motion, diagonal(10.0, 1.0))
    assert found.time_s[0] == found.time_sigma_s[0] == 0.0
    assert found.distance_m[0] == pytest.approx(5_000.0, abs=0.1)
    assert found.distance_sigma_m[0] == pytest.approx(10.0, rel=0.01)


@pytest.mark.parametrize(
    ("position", "motion"),
    [
        ((2_000.0, 9_000.0, 500.0), (-20.0, -150.0, 1.0)),
        ((-8_000.0, 8_000.0, 1_000.0), (90.0, -60.0, -5.0)),
        ((300.0, 4_000.0, 0.0), (0.0, -200.0, 0.0)),
    ],
)
def test_mean_and_sigma_are_those_of_a_monte_carlo_sample(position: object, motion: object) -> None:
    rng = np.random.default_rng(3)
    root = rng.normal(size=(6, 6)) * np.array([20.0] * 3 + [1.0] * 3)[:, None] * 0.4
    covariance = root @ root.T
    found = one(position, motion, covariance)
    draws = rng.multivariate_normal(np.concatenate([position, motion]), covariance, 40_000)  # type: ignore[arg-type]
    drawn = closest_approach(draws[:, :3], draws[:, 3:], np.zeros((len(draws), 6, 6)), np.zeros(3), np.zeros(3))
    assert found.distance_m[0] == pytest.approx(drawn.distance_m.mean(), rel=0.02)
    assert found.distance_sigma_m[0] == pytest.approx(drawn.distance_m.std(), rel=0.05)
    assert found.time_s[0] == pytest.approx(drawn.time_s.mean(), rel=0.02)
    assert found.time_sigma_s[0] == pytest.approx(drawn.time_s.std(), rel=0.05)


def test_a_collision_course_has_a_distance_of_the_size_of_its_errors() -> None:
    covariance = diagonal(30.0, 0.0)
    found = one((0.0, 10_000.0, 0.0), (0.0, -100.0, 0.0), covariance)
    assert found.distance_m[0] == pytest.approx(30.0)
    assert found.distance_sigma_m[0] == pytest.approx(30.0)
    rng = np.random.default_rng(5)
    misses = np.hypot(*rng.normal(0.0, 30.0, (2, 100_000)))
    reported = found.distance_m[0] ** 2 + found.distance_sigma_m[0] ** 2
    assert reported == pytest.approx((misses**2).mean(), rel=0.02), "the second moment is that of the errors"


@given(
    position=vector,
    motion=velocity,
    position_sigma_m=st.floats(0.0, 1e5),
    velocity_sigma_mps=st.floats(0.0, 1e3),
)
def test_any_track_has_a_finite_closest_approach(
    position: object, motion: object, position_sigma_m: float, velocity_sigma_mps: float
) -> None:
    found = one(position, motion, diagonal(position_sigma_m, velocity_sigma_mps))
    for column in (found.distance_m, found.distance_sigma_m, found.time_s, found.time_sigma_s):
        assert np.isfinite(column).all()
        assert (column >= 0.0).all()
    assert found.time_s[0] <= MAX_TIME_S


@pytest.mark.parametrize("extreme", [1e-300, 1e-9, 1e6, 1e12])
def test_extreme_tracks_have_finite_closest_approaches(extreme: float) -> None:
    for position, motion in (((extreme,) * 3, (-1e-300,) * 3), ((extreme, 0.0, 0.0), (-1e6, 1e-9, 0.0))):
        found = one(position, motion, diagonal(extreme, 1.0))
        assert all(np.isfinite(column).all() for column in (found.distance_m, found.time_s, found.time_sigma_s))


def test_no_tracks_give_no_closest_approaches() -> None:
    none = np.empty((0, 3))
    found = closest_approach(none, none, np.empty((0, 6, 6)), np.zeros(3), np.zeros(3))
    assert found.distance_m.shape == found.time_sigma_s.shape == (0,)
