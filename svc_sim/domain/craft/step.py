"""One tick of the craft: orders, thrust, power, flight, sensors - a pure function of state and inputs."""

from collections.abc import Sequence
from dataclasses import dataclass

from svc_sim.domain.craft.energy import demands, supply
from svc_sim.domain.craft.flight import fly, wanted_thrust
from svc_sim.domain.craft.guidance import apply_orders
from svc_sim.domain.craft.orders import Ending, GivenOrder
from svc_sim.domain.craft.parameters import CraftParameters
from svc_sim.domain.craft.sensing import Surroundings, sense
from svc_sim.domain.craft.state import CraftState
from svc_sim.domain.craft.transitions import Transition, transitions
from svc_sim.domain.sensors.readings import Reading


@dataclass(frozen=True, slots=True)
class Stepped:
    """The craft at a tick; the orders that ended there, the transitions, and the readings by the sensor's index."""

    state: CraftState
    endings: Sequence[Ending] = ()
    transitions: Sequence[Transition] = ()
    readings: Sequence[tuple[int, Reading]] = ()


def step_craft(
    parameters: CraftParameters, before: CraftState, orders: Sequence[GivenOrder], around: Surroundings, tick: int
) -> Stepped:
    """Return the craft at a tick from the state at the tick before; the orders act during the whole step.

    1. Orders change mode, switches, set-points and direct thrust.
    2. Autopilot and direct orders ask for thrust, all parts for power; the bus supplies or sheds.
    3. The body moves under the thrust of the thrusters that have power, as far as there is propellant.
    4. The sensors due at the tick measure.
    """
    ordered = apply_orders(parameters, before, orders, tick)
    wanted_n = wanted_thrust(parameters, ordered.state)
    powered = supply(parameters, ordered.state, demands(parameters, ordered.state, wanted_n))
    has_power = [powered.supplied[part] for part in parameters.thruster_parts]
    thrust_n = tuple([n if on else 0.0 for n, on in zip(wanted_n, has_power, strict=True)])
    without_power = [index for index, on in enumerate(has_power) if not on]
    flown = fly(parameters, powered, thrust_n, without_power, tick)
    sensed = sense(parameters, flown.state, before.body.angular_rate_rps, around, tick)
    changes = tuple(transitions(parameters, before, sensed.state))
    return Stepped(sensed.state, (*ordered.endings, *flown.endings), changes, sensed.readings)
