"""Heat: nodes of one temperature each, with conduction to the surroundings and to each other, and radiation.

For node i with heat capacity C, heat input Q, conductance G to surroundings of temperature S, area A and emissivity e:

    C dT/dt = Q - G (T - S) - e sigma A (T^4 - S^4) - sum_j G_ij (T - T_j)

(Gilmore, "Spacecraft Thermal Control Handbook", 2nd ed., 2002, chapter 15: lumped-parameter network.) The step is the
implicit Euler method with the radiation linearised at the step's start, T'^4 ~ T^4 + 4 T^3 (T' - T). Its matrix is
symmetric, diagonally dominant and has no positive element beside the diagonal: for any step and any stiffness it is
solved without pivoting, the temperatures stay above 0 K and approach equilibrium without oscillation, and the
equilibrium is the equation's own. Explicit substeps would need a number that no setting bounds, and an exponential step
needs `exp`, whose last bits belong to the platform. The cost is an error of first order: the transient of time constant
tau is late by half a step.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from svc_sim.domain.limits import ParameterError, require_fraction, require_non_negative, require_positive

STEFAN_BOLTZMANN_WPM2K4 = 5.670374419e-8
"""CODATA 2018."""


@dataclass(frozen=True, slots=True)
class ThermalNode:
    """One node: heat capacity, start temperature, conductance to its surroundings, radiating area, trip limits.

    The node trips at `trip_k` and recovers at `recover_k`.
    """

    name: str
    heat_capacity_jpk: float
    initial_k: float
    conductance_wpk: float
    surroundings_k: float
    radiating_area_m2: float
    emissivity: float
    trip_k: float
    recover_k: float

    def __post_init__(self) -> None:
        """Raise ParameterError for a parameter outside its limits."""
        require_positive(
            heat_capacity_jpk=self.heat_capacity_jpk,
            initial_k=self.initial_k,
            trip_k=self.trip_k,
            recover_k=self.recover_k,
        )
        require_non_negative(
            conductance_wpk=self.conductance_wpk,
            surroundings_k=self.surroundings_k,
            radiating_area_m2=self.radiating_area_m2,
        )
        require_fraction(emissivity=self.emissivity)
        if self.recover_k >= self.trip_k:
            raise ParameterError("recover_k", f"is {self.recover_k!r}: it should be below trip_k, {self.trip_k!r}")


@dataclass(frozen=True, slots=True)
class ThermalLink:
    """A conductance between two nodes, given by their names."""

    first: str
    second: str
    conductance_wpk: float

    def __post_init__(self) -> None:
        """Raise ParameterError for a negative or infinite conductance, and for a link of a node with itself."""
        require_non_negative(conductance_wpk=self.conductance_wpk)
        if self.first == self.second:
            raise ParameterError("links", f"join {self.first!r} with itself: give two nodes")


@dataclass(frozen=True, slots=True)
class ThermalParameters:
    """The network: nodes in the order of the specification, and links; links of the same two nodes add up."""

    nodes: tuple[ThermalNode, ...]
    links: tuple[ThermalLink, ...] = ()
    ends: tuple[tuple[int, int, float], ...] = field(init=False)
    """Each link as two node indices and its conductance."""

    def __post_init__(self) -> None:
        """Resolve the links; raise ParameterError for a name given twice and for a link to an unknown node."""
        names = [node.name for node in self.nodes]
        for name, following in pairwise(sorted(names)):
            if name == following:
                raise ParameterError("nodes", f"have the name {name!r} twice: give each node its own")
        for name in (name for link in self.links for name in (link.first, link.second)):
            if name not in names:
                raise ParameterError("links", f"name the node {name!r}: give one of {', '.join(names)}")
        ends = [(names.index(link.first), names.index(link.second), link.conductance_wpk) for link in self.links]
        object.__setattr__(self, "ends", tuple(ends))

    def initial_state(self) -> "ThermalState":
        """Return the state before the first step; a node that starts at its limit or above is tripped."""
        temperatures_k = tuple(node.initial_k for node in self.nodes)
        tripped = tuple(node.initial_k >= node.trip_k for node in self.nodes)
        return ThermalState(temperatures_k, tripped, (0.0,) * len(self.nodes))


@dataclass(frozen=True, slots=True)
class ThermalState:
    """Temperature and trip of each node, and the mean power that each gave to its surroundings in the last step."""

    temperatures_k: tuple[float, ...]
    tripped: tuple[bool, ...]
    released_w: tuple[float, ...]


def step_thermal(
    parameters: ThermalParameters, state: ThermalState, heat_w: tuple[float, ...], dt_s: float
) -> ThermalState:
    """Return the state after a step with this heat into each node; raise ParameterError for inputs outside limits."""
    _check(parameters, heat_w, dt_s)
    nodes, old_k = parameters.nodes, state.temperatures_k
    radiation = [node.emissivity * STEFAN_BOLTZMANN_WPM2K4 * node.radiating_area_m2 for node in nodes]
    cubes = [t * t * t for t in old_k]
    # Power to the surroundings = slope T' - offset, linear in the new temperature T'.
    slopes = [node.conductance_wpk + 4.0 * r * cube for node, r, cube in zip(nodes, radiation, cubes, strict=True)]
    offsets = [
        node.conductance_wpk * node.surroundings_k + r * (3.0 * cube * t + _fourth(node.surroundings_k))
        for node, r, cube, t in zip(nodes, radiation, cubes, old_k, strict=True)
    ]
    matrix = _matrix(parameters, slopes, dt_s)
    right = [
        node.heat_capacity_jpk * t + dt_s * (heat + offset)
        for node, t, heat, offset in zip(nodes, old_k, heat_w, offsets, strict=True)
    ]
    new_k = tuple(_solve(matrix, right))
    released_w = tuple(slope * t - offset for slope, t, offset in zip(slopes, new_k, offsets, strict=True))
    tripped = tuple(
        t > node.recover_k if was else t >= node.trip_k
        for node, t, was in zip(nodes, new_k, state.tripped, strict=True)
    )
    return ThermalState(new_k, tripped, released_w)


def stored_heat_j(parameters: ThermalParameters, state: ThermalState) -> float:
    """Return the heat in all nodes, above 0 K."""
    return sum(node.heat_capacity_jpk * t for node, t in zip(parameters.nodes, state.temperatures_k, strict=True))


def _matrix(parameters: ThermalParameters, slopes: list[float], dt_s: float) -> list[list[float]]:
    count = len(slopes)
    matrix = [[0.0] * count for _ in range(count)]
    for i, node in enumerate(parameters.nodes):
        matrix[i][i] = node.heat_capacity_jpk + dt_s * slopes[i]
    for i, j, conductance in parameters.ends:
        through = dt_s * conductance
        matrix[i][i] += through
        matrix[j][j] += through
        matrix[i][j] -= through
        matrix[j][i] -= through
    return matrix


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve the system in place by Gaussian elimination; the diagonal dominates, so no rows are exchanged."""
    count = len(right)
    for pivot in range(count):
        row = matrix[pivot]
        for below in range(pivot + 1, count):
            factor = matrix[below][pivot] / row[pivot]
            if factor:
                other = matrix[below]
                for column in range(pivot + 1, count):
                    other[column] -= factor * row[column]
                right[below] -= factor * right[pivot]
    for pivot in range(count - 1, -1, -1):
        row = matrix[pivot]
        known = sum([row[column] * right[column] for column in range(pivot + 1, count)])
        right[pivot] = (right[pivot] - known) / row[pivot]
    return right


def _fourth(value: float) -> float:
    square = value * value
    return square * square


def _check(parameters: ThermalParameters, heat_w: tuple[float, ...], dt_s: float) -> None:
    require_positive(dt_s=dt_s)
    if len(heat_w) != len(parameters.nodes):
        problem = f"has {len(heat_w)} values: give one for each of the {len(parameters.nodes)} nodes"
        raise ParameterError("heat_w", problem)
    for heat in heat_w:
        require_non_negative(heat_w=heat)
