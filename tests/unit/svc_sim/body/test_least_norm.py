import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import nnls

from svc_sim.domain.body.least_norm import least_norm, solve

COMPONENTS = st.floats(-1.0, 1.0).map(lambda value: round(value, 1))


@st.composite
def systems(draw: st.DrawFn) -> tuple[list[list[float]], list[float]]:
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    matrix = draw(st.lists(st.lists(COMPONENTS, min_size=rows, max_size=rows), min_size=columns, max_size=columns))
    shares = draw(st.lists(st.integers(0, 10).map(lambda tenths: 0.1 * tenths), min_size=columns, max_size=columns))
    return matrix, shares


@given(systems())
def test_a_solution_solves_the_system_and_is_no_longer_than_another_one(
    system: tuple[list[list[float]], list[float]],
) -> None:
    columns, other = system
    matrix = np.array(columns).T
    demand = matrix @ np.array(other)
    assume(np.max(np.abs(demand)) > 0.1)
    found = least_norm(columns, demand.tolist())
    assert found is not None
    assert min(found) >= 0.0
    assert matrix @ np.array(found) == pytest.approx(demand, abs=1e-8)
    assert math.hypot(*found) <= math.hypot(*other) * (1 + 1e-8)


def test_equal_columns_share_the_demand() -> None:
    assert least_norm([(1.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0)], (3.0, 0.0)) == pytest.approx([1.5, 1.5, 0, 0])


@given(st.lists(st.lists(COMPONENTS, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(range(3)))
def test_there_is_no_solution_exactly_where_non_negative_least_squares_leaves_a_residual(
    columns: list[list[float]], axis: int
) -> None:
    demand = [1.0 if index == axis else 0.0 for index in range(3)]
    weights, residual = nnls(np.array(columns).T, np.array(demand))
    assume(residual < 1e-12 or residual > 1e-3)
    assume(weights.max() < 1e2)
    assert (least_norm(columns, demand) is not None) == (residual < 1e-12)


@given(st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=4), min_size=4, max_size=4))
def test_elimination_agrees_with_lapack(rows: list[list[float]]) -> None:
    matrix = np.array(rows)
    assume(abs(np.linalg.det(matrix)) > 1e-3)
    right = [1.0, -2.0, 3.0, 0.5]
    assert solve(rows, right) == pytest.approx(np.linalg.solve(matrix, right).tolist(), rel=1e-6, abs=1e-6)
