"""Distribution of a demanded force and torque over one-sided thrusters: fixed work, no iteration in a step.

At construction each of the twelve signed unit demands (force or torque along +-x, +-y, +-z, all other components 0)
gets its throttles: the smallest s >= 0 in the Euclidean norm with B s = demand, where B's columns are the thrusters'
force and torque at full thrust. A demand is the sum of its signed parts, so its throttles are the weighted sum of
theirs: not negative, and exact. Where a throttle exceeds 1, first the force, then the torque is
reduced as a whole, so directions stay. Of two thrusters that push against each other on one line only one fires.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import add, le

from svc_sim.domain.body.algebra import add as add_vectors
from svc_sim.domain.body.craft import Craft
from svc_sim.domain.body.least_norm import least_norm
from svc_sim.domain.kinematics import Vector

_OPPOSED_TOLERANCE = 1e-9
"""Largest force and torque a newton that two opposed thrusters may leave together."""

AXES = ("+x", "+y", "+z", "-x", "-y", "-z")


@dataclass(frozen=True, slots=True)
class Allocation:
    """Thrusts in newtons, one a thruster, for a unit demand along each of AXES; None where there is no authority.

    A unit is 1 N of force, with no torque, or 1 Nm of torque; `..._authority_...` are the largest demands, 0 for None.
    Torque comes with no force where the thrusters can do that, else with the force that its thrusters have.
    """

    max_thrust_n: tuple[float, ...]
    force: tuple[tuple[float, ...] | None, ...]
    torque: tuple[tuple[float, ...] | None, ...]
    force_authority_n: tuple[float, ...]
    torque_authority_nm: tuple[float, ...]
    opposed: tuple[tuple[int, int], ...]


def plan_allocation(craft: Craft) -> Allocation:
    """Return the thrusts for every signed unit demand on this craft's thrusters."""
    force = tuple(_unit_force(craft, index) for index in range(6))
    torque = tuple(_unit_torque(craft, index) for index in range(6))
    limits = tuple(thruster.max_thrust_n for thruster in craft.thrusters)
    return Allocation(
        limits,
        force,
        torque,
        tuple(_authority(thrusts, limits) for thrusts in force),
        tuple(_authority(thrusts, limits) for thrusts in torque),
        tuple(pair for pair in combinations(range(len(limits)), 2) if _oppose(craft, *pair)),
    )


def allocate(allocation: Allocation, force_n: Vector | None, torque_nm: Vector | None) -> tuple[float, ...]:
    """Return the thrust of each thruster in [0, max_thrust_n] for a demand in the body frame; torque comes first."""
    limits = allocation.max_thrust_n
    thrusts = [0.0] * len(limits)
    if torque_nm is not None:
        thrusts = _fitted(thrusts, _weighted(allocation.torque, torque_nm, len(limits)), limits)
    if force_n is not None:
        thrusts = _fitted(thrusts, _weighted(allocation.force, force_n, len(limits)), limits)
    for one, other in allocation.opposed:
        common = min(thrusts[one], thrusts[other])
        if common > 0.0:
            thrusts[one] -= common
            thrusts[other] -= common
    return tuple(thrusts)


def _weighted(rows: Sequence[tuple[float, ...] | None], demand: Vector, count: int) -> list[float]:
    """Return the sum of the signed unit thrusts times the demand's components; one without authority is left out."""
    x, y, z = demand
    none = (0.0,) * count
    along_x, along_y, along_z = (rows[axis if value >= 0.0 else axis + 3] or none for axis, value in enumerate(demand))
    x, y, z = abs(x), abs(y), abs(z)
    return [x * u + y * v + z * w for u, v, w in zip(along_x, along_y, along_z, strict=True)]


def _fitted(used: list[float], added: list[float], limits: tuple[float, ...]) -> list[float]:
    """Return used + share * added with the largest share <= 1 that keeps every thrust within its limit."""
    total = list(map(add, used, added))
    if all(map(le, total, limits)):
        return total
    share = 1.0
    for used_n, added_n, limit_n in zip(used, added, limits, strict=True):
        if added_n * share > limit_n - used_n:
            share = (limit_n - used_n) / added_n
    return [min(u + share * a, limit_n) for u, a, limit_n in zip(used, added, limits, strict=True)]


def _oppose(craft: Craft, one: int, other: int) -> bool:
    """Whether the forces and torques of two thrusters cancel at equal thrust."""
    a, b = craft.effects[one], craft.effects[other]
    left = (*add_vectors(a.force, b.force), *add_vectors(a.torque_m, b.torque_m))
    return all(abs(value) <= _OPPOSED_TOLERANCE for value in left)


def _unit_force(craft: Craft, index: int) -> tuple[float, ...] | None:
    return _unit(craft, (*_signed(index), 0.0, 0.0, 0.0), with_force=True)


def _unit_torque(craft: Craft, index: int) -> tuple[float, ...] | None:
    pure = _unit(craft, (0.0, 0.0, 0.0, *_signed(index)), with_force=True)
    return pure if pure is not None else _unit(craft, _signed(index), with_force=False)


def _signed(index: int) -> tuple[float, ...]:
    return tuple((1.0 if index < 3 else -1.0) if axis == index % 3 else 0.0 for axis in range(3))


def _unit(craft: Craft, demand: Sequence[float], *, with_force: bool) -> tuple[float, ...] | None:
    """Return the thrusts for a demand (force and torque, or torque alone): the smallest throttles, times the limits."""
    columns = [
        tuple(
            component * thruster.max_thrust_n
            for component in ((*effect.force, *effect.torque_m) if with_force else effect.torque_m)
        )
        for effect, thruster in zip(craft.effects, craft.thrusters, strict=True)
    ]
    throttles = least_norm(columns, demand)
    if throttles is None:
        return None
    return tuple(s * thruster.max_thrust_n for s, thruster in zip(throttles, craft.thrusters, strict=True))


def _authority(thrusts: tuple[float, ...] | None, limits: tuple[float, ...]) -> float:
    if thrusts is None:
        return 0.0
    return min(limit / thrust for thrust, limit in zip(thrusts, limits, strict=True) if thrust > 0.0)
