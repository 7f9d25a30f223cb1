"""The smallest non-negative solution of a linear system with few rows.

minimise |s|^2 / 2 subject to B s = d, s >= 0. Its dual is the unconstrained convex problem

    minimise over y   |max(B^T y, 0)|^2 / 2 - d^T y,     with s = max(B^T y, 0)

which a damped semismooth Newton method solves in a few rounds (Hiriart-Urruty, Strodiot, Nguyen, "Generalized Hessian
matrix and second-order optimality conditions", Appl. Math. Optim. 11, 1984). The elimination is ours: a library's would
round differently on another processor, and the world's bytes depend on it.
"""

from collections.abc import Sequence

MAX_ROUNDS = 100
MAX_HALVINGS = 40
MAX_DUAL = 1e8
"""A dual beyond this grows without limit: the system has no solution."""
TOLERANCE = 1e-10
"""Largest residual of the system, relative to the demand, of an accepted solution."""
_DAMPING = 1e-8
_LEAST_DAMPING = 1e-13
"""Damping a column, as a share of the residual and at least: the last rounds converge almost quadratically."""
_SUFFICIENT_DECREASE = 1e-4

Columns = Sequence[Sequence[float]]


def least_norm(columns: Columns, demand: Sequence[float]) -> list[float] | None:
    """Return the smallest s >= 0 with sum s_i column_i = demand (not 0), or None where there is none."""
    scales = [max((abs(column[row]) for column in columns), default=0.0) for row in range(len(demand))]
    if any(scale == 0.0 and value != 0.0 for scale, value in zip(scales, demand, strict=True)):
        return None
    rows = [row for row, scale in enumerate(scales) if scale > 0.0]
    scaled = [[column[row] / scales[row] for row in rows] for column in columns]
    target = [demand[row] / scales[row] for row in rows]
    size = _largest(target)
    solution = _solve_dual(scaled, [value / size for value in target])
    return None if solution is None else [size * value for value in solution]


def _solve_dual(columns: Columns, target: Sequence[float]) -> list[float] | None:
    dual = list(target)
    for _ in range(MAX_ROUNDS):
        primal = _primal(columns, dual)
        residual = _residual(columns, target, primal)
        if _largest(residual) <= TOLERANCE:
            return primal
        if _largest(dual) > MAX_DUAL:
            return None
        dual = _descend(columns, target, dual, solve(_hessian(columns, primal, residual), residual))
    return None


def _descend(columns: Columns, target: Sequence[float], dual: list[float], direction: list[float]) -> list[float]:
    """Return the first point along the direction, halving it, where the dual decreases enough or the residual halves.

    Near the solution the decrease is below the rounding of the dual's value; there the residual decides.
    """
    before = _residual(columns, target, _primal(columns, dual))
    start, slope, length = _objective(columns, target, dual), _dot(before, direction), 1.0
    for _ in range(MAX_HALVINGS):
        candidate = [y + length * d for y, d in zip(dual, direction, strict=True)]
        if _objective(columns, target, candidate) <= start - _SUFFICIENT_DECREASE * length * slope:
            break
        if _largest(_residual(columns, target, _primal(columns, candidate))) <= 0.5 * _largest(before):
            break
        length *= 0.5
    return candidate


def _objective(columns: Columns, target: Sequence[float], dual: Sequence[float]) -> float:
    primal = _primal(columns, dual)
    return 0.5 * _dot(primal, primal) - _dot(target, dual)


def _residual(columns: Columns, target: Sequence[float], primal: Sequence[float]) -> list[float]:
    return [t - value for t, value in zip(target, _product(columns, primal, len(target)), strict=True)]


def _largest(values: Sequence[float]) -> float:
    return max(abs(value) for value in values)


def _primal(columns: Columns, dual: Sequence[float]) -> list[float]:
    return [max(_dot(column, dual), 0.0) for column in columns]


def _product(columns: Columns, weights: Sequence[float], count: int) -> list[float]:
    total = [0.0] * count
    for column, weight in zip(columns, weights, strict=True):
        total = [value + weight * component for value, component in zip(total, column, strict=True)]
    return total


def _hessian(columns: Columns, primal: Sequence[float], residual: Sequence[float]) -> list[list[float]]:
    """Return the sum of column column^T over the columns in use, with a damping that keeps it regular."""
    count = len(residual)
    used = [column for column, value in zip(columns, primal, strict=True) if value > 0.0]
    matrix = [[_dot([c[i] for c in used], [c[j] for c in used]) for j in range(count)] for i in range(count)]
    for i in range(count):
        matrix[i][i] += len(columns) * max(_DAMPING * min(1.0, _largest(residual)), _LEAST_DAMPING)
    return matrix


def solve(matrix: list[list[float]], right: Sequence[float]) -> list[float]:
    """Return x with matrix x = right, by elimination with partial pivoting; the matrix is regular."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    count = len(rows)
    for pivot in range(count):
        best = max(range(pivot, count), key=lambda index: abs(rows[index][pivot]))
        rows[pivot], rows[best] = rows[best], rows[pivot]
        for row in rows[pivot + 1 :]:
            factor = row[pivot] / rows[pivot][pivot]
            row[pivot:] = [
                value - factor * above for value, above in zip(row[pivot:], rows[pivot][pivot:], strict=True)
            ]
    solution = [0.0] * count
    for index in reversed(range(count)):
        known = _dot(rows[index][index + 1 : count], solution[index + 1 :])
        solution[index] = (rows[index][count] - known) / rows[index][index]
    return solution


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the inner product, added from left to right (the built-in sum rounds differently in later Pythons)."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total
