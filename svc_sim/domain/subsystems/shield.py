"""The shield: a field that dissipates a constant power while it is raised, and a store that bridges a loss of power.

With the field raised and the bus supplying it, the bus pays for the field (power P) and fills the store E (power R);
without the bus the store pays, until it is empty and the field is gone:

    supplied:      dE/dt = R until E is full       bus: P + R     dissipated: P
    not supplied:  dE/dt = -P until E is empty     bus: 0         dissipated: P
    lowered:       dE/dt = 0                       bus: 0         dissipated: 0

This is a model of energy, of no particular device. It has no hits: contacts have no mass and the world no impacts, so
the energy of a hit would be invented.
"""

from dataclasses import dataclass, replace

from svc_sim.domain.limits import require_fraction, require_non_negative, require_positive


@dataclass(frozen=True, slots=True)
class ShieldParameters:
    """Capacity of the store, its initial charge, recharging power, and power of the field."""

    capacity_j: float
    initial_fraction: float
    recharge_w: float
    power_w: float

    def __post_init__(self) -> None:
        """Raise ParameterError for a parameter outside its limits."""
        require_positive(capacity_j=self.capacity_j)
        require_fraction(initial_fraction=self.initial_fraction)
        require_non_negative(recharge_w=self.recharge_w, power_w=self.power_w)

    def initial_state(self) -> "ShieldState":
        """Return the state before the first step: raised, no power flowing."""
        return ShieldState(True, self.initial_fraction * self.capacity_j, True, 0.0, 0.0)

    def demand_w(self, state: "ShieldState", dt_s: float) -> float:
        """Return the power that it asks for in the next step; the last step of a recharge asks for the rest only."""
        if not state.raised:
            return 0.0
        return self.power_w + min(self.recharge_w, (self.capacity_j - state.charge_j) / dt_s)


@dataclass(frozen=True, slots=True)
class ShieldState:
    """Whether the field is wanted (`raised`) and present (`active`), the store's charge, mean powers of the last step.

    `drawn_w` came from the bus, `dissipated_w` is the field's: drawn_w = dissipated_w + change of the charge.
    """

    raised: bool
    charge_j: float
    active: bool
    drawn_w: float
    dissipated_w: float


def set_raised(state: ShieldState, raised: bool) -> ShieldState:
    """Return the state with the field wanted or not; the next step acts on it."""
    return replace(state, raised=raised)


def step_shield(parameters: ShieldParameters, state: ShieldState, dt_s: float, *, supplied: bool) -> ShieldState:
    """Return the state after a step in which the bus supplied `demand_w` or nothing.

    Raises ParameterError for a step that is not positive.
    """
    require_positive(dt_s=dt_s)
    if not state.raised:
        return ShieldState(False, state.charge_j, False, 0.0, 0.0)
    if supplied:
        drawn_w = parameters.demand_w(state, dt_s)
        charge_j = min(state.charge_j + (drawn_w - parameters.power_w) * dt_s, parameters.capacity_j)
        return ShieldState(True, charge_j, True, drawn_w, parameters.power_w)
    dissipated_w = min(parameters.power_w, state.charge_j / dt_s)
    charge_j = max(state.charge_j - dissipated_w * dt_s, 0.0)
    return ShieldState(True, charge_j, charge_j > 0.0, 0.0, dissipated_w)
