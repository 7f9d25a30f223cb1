"""Power: one battery, a generator and the loads of the bus; loads are shed in their order as the charge falls.

With charge E, generation G and supplied demand D, all powers in watts and constant over a step:

    G >= D:  dE/dt = eta C,  C = min(G - D, max_charge_w), and no more than fills the battery; the rest is curtailed
    G <  D:  dE/dt = -(D - G)

(Patel and Beik, "Spacecraft Power Systems", 2nd ed., 2023: energy balance of a battery; the losses of charge and
discharge are lumped into the charge efficiency eta.) Powers are constant over a step, so the step is exact.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from svc_sim.domain.limits import ParameterError, require_fraction, require_non_negative, require_positive


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery: capacity in joules, initial charge, charge efficiency, greatest charging power at its terminals.

    Shedding begins below `shed_below_fraction` of the capacity; every load is back at `restore_above_fraction`.
    """

    capacity_j: float
    initial_fraction: float
    charge_efficiency: float
    max_charge_w: float
    shed_below_fraction: float
    restore_above_fraction: float

    def __post_init__(self) -> None:
        """Raise ParameterError for a parameter outside its limits."""
        require_positive(capacity_j=self.capacity_j, charge_efficiency=self.charge_efficiency)
        require_non_negative(max_charge_w=self.max_charge_w)
        require_fraction(
            initial_fraction=self.initial_fraction,
            charge_efficiency=self.charge_efficiency,
            shed_below_fraction=self.shed_below_fraction,
            restore_above_fraction=self.restore_above_fraction,
        )
        if self.restore_above_fraction <= self.shed_below_fraction:
            problem = f"is {self.restore_above_fraction!r}: it should exceed shed_below_fraction"
            raise ParameterError("restore_above_fraction", f"{problem}, which is {self.shed_below_fraction!r}")


@dataclass(frozen=True, slots=True)
class Load:
    """A consumer on the bus: rated power, shedding priority (1 is shed last) and the node that its heat goes to.

    A load that is not switchable loses power only when the battery cannot supply it.
    """

    name: str
    power_w: float
    priority: int
    switchable: bool = True
    heat_to: str = ""

    def __post_init__(self) -> None:
        """Raise ParameterError for a parameter outside its limits."""
        require_non_negative(power_w=self.power_w)
        if self.priority < 1:
            raise ParameterError("priority", f"is {self.priority}: give 1 (shed last) or more")


@dataclass(frozen=True, slots=True)
class PowerParameters:
    """The bus: its battery, generation at full output, and loads in the order of the specification.

    Loads of one priority are one stage. `stage_of` gives each load's stage, 0 being shed first; the last stage is that
    of the loads that are not switchable. Stage i of n is shed below the fraction s (n - i) / n with
    s = `shed_below_fraction`, where n counts the stages that can be shed, and the last one below 0. It is restored
    at that fraction plus `restore_above_fraction` - s.
    """

    battery: Battery
    generator_w: float
    loads: tuple[Load, ...]
    stage_of: tuple[int, ...] = field(init=False)
    shed_below_j: tuple[float, ...] = field(init=False)
    restore_above_j: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the stages; raise ParameterError for a negative or infinite generation, and for a name given twice."""
        require_non_negative(generator_w=self.generator_w)
        names = sorted(load.name for load in self.loads)
        for name, following in pairwise(names):
            if name == following:
                raise ParameterError("loads", f"have the name {name!r} twice: give each load its own")
        priorities = sorted({load.priority for load in self.loads if load.switchable}, reverse=True)
        count, battery = len(priorities), self.battery
        stages = (priorities.index(load.priority) if load.switchable else count for load in self.loads)
        fractions = [battery.shed_below_fraction * (count - i) / count for i in range(count)] + [0.0]
        width = battery.restore_above_fraction - battery.shed_below_fraction
        object.__setattr__(self, "stage_of", tuple(stages))
        object.__setattr__(self, "shed_below_j", tuple(f * battery.capacity_j for f in fractions))
        object.__setattr__(self, "restore_above_j", tuple(min(f + width, 1.0) * battery.capacity_j for f in fractions))

    def initial_state(self) -> "PowerState":
        """Return the state before the first step: nothing shed, no power flowing."""
        idle = (0.0,) * len(self.loads)
        return PowerState(self.battery.initial_fraction * self.battery.capacity_j, 0, idle, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class PowerInputs:
    """Inputs of one step: the power that each load asks for (0: switched off), and the generator's output in [0, 1]."""

    demand_w: tuple[float, ...]
    generation_fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class PowerState:
    """Charge, number of stages shed, and the mean powers of the last step.

    `delivered_w` is per load. `battery_w` is the change of the charge (negative: discharging), `loss_w` is lost in
    charging, `curtailed_w` could have been generated and had no use:

        generated_w + curtailed_w = output of the generator,   generated_w = sum(delivered_w) + battery_w + loss_w
    """

    charge_j: float
    stages_shed: int
    delivered_w: tuple[float, ...]
    generated_w: float
    battery_w: float
    loss_w: float
    curtailed_w: float

    def is_shed(self, parameters: PowerParameters, load: int) -> bool:
        """Return whether a load, given by its index, is shed."""
        return parameters.stage_of[load] < self.stages_shed

    def charge_fraction(self, parameters: PowerParameters) -> float:
        """Return the charge as a fraction of the capacity."""
        return self.charge_j / parameters.battery.capacity_j


def step_power(parameters: PowerParameters, state: PowerState, inputs: PowerInputs, dt_s: float) -> PowerState:
    """Return the state after a step of constant demand; raise ParameterError for inputs outside their limits.

    Which loads are shed is decided at the step's start; a load is supplied for the whole step or not at all.
    """
    _check(parameters, inputs, dt_s)
    output_w = parameters.generator_w * inputs.generation_fraction
    shed = _stages_shed(parameters, state)
    delivered_w = _delivered(parameters, inputs.demand_w, shed)
    while (sum(delivered_w) - output_w) * dt_s > state.charge_j:  # ends: with every stage shed there is no demand
        shed += 1
        delivered_w = _delivered(parameters, inputs.demand_w, shed)
    surplus_w = output_w - sum(delivered_w)
    if surplus_w < 0.0:
        charge_j = max(state.charge_j + surplus_w * dt_s, 0.0)
        return PowerState(charge_j, shed, delivered_w, output_w, surplus_w, 0.0, 0.0)
    battery = parameters.battery
    room_w = (battery.capacity_j - state.charge_j) / (battery.charge_efficiency * dt_s)
    taken_w = min(surplus_w, battery.max_charge_w, room_w)
    stored_w = battery.charge_efficiency * taken_w
    charge_j = battery.capacity_j if taken_w == room_w else state.charge_j + stored_w * dt_s
    curtailed_w = surplus_w - taken_w
    return PowerState(charge_j, shed, delivered_w, output_w - curtailed_w, stored_w, taken_w - stored_w, curtailed_w)


def _stages_shed(parameters: PowerParameters, state: PowerState) -> int:
    """Return the number of stages shed at this charge: a charge between a stage's two limits changes nothing."""
    shed = state.stages_shed
    while shed < len(parameters.shed_below_j) and state.charge_j < parameters.shed_below_j[shed]:
        shed += 1
    while shed > 0 and state.charge_j >= parameters.restore_above_j[shed - 1]:
        shed -= 1
    return shed


def _delivered(parameters: PowerParameters, demand_w: tuple[float, ...], shed: int) -> tuple[float, ...]:
    return tuple([w if stage >= shed else 0.0 for w, stage in zip(demand_w, parameters.stage_of, strict=True)])


def _check(parameters: PowerParameters, inputs: PowerInputs, dt_s: float) -> None:
    require_positive(dt_s=dt_s)
    require_fraction(generation_fraction=inputs.generation_fraction)
    if len(inputs.demand_w) != len(parameters.loads):
        problem = f"has {len(inputs.demand_w)} values: give one for each of the {len(parameters.loads)} loads"
        raise ParameterError("demand_w", problem)
    for demand_w in inputs.demand_w:
        require_non_negative(demand_w=demand_w)
