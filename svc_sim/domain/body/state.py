"""State of the own ship's body between two steps."""

from dataclasses import dataclass

from svc_sim.domain.body.algebra import normalize
from svc_sim.domain.body.checks import check_finite, check_unit, check_within
from svc_sim.domain.body.craft import Craft
from svc_sim.domain.kinematics import Quaternion, Vector


@dataclass(frozen=True, slots=True)
class BodyState:
    """Position and velocity of the centre of mass in ENU, attitude (w, x, y, z) body to ENU, rate in the body frame."""

    position_m: Vector
    velocity_mps: Vector
    attitude: Quaternion
    angular_rate_rps: Vector
    propellant_kg: float


def initial_state(
    craft: Craft, position_m: Vector, velocity_mps: Vector, attitude: Quaternion, angular_rate_rps: Vector
) -> BodyState:
    """Return the state at the start of a run, with the tank's initial filling; InvalidValueError names a bad field."""
    check_unit("attitude", attitude, 4)
    propellant_kg = 0.0 if craft.tank is None else craft.tank.initial_kg
    state = BodyState(position_m, velocity_mps, normalize(attitude), angular_rate_rps, propellant_kg)
    check_state(craft, state)
    return state


def check_state(craft: Craft, state: BodyState) -> None:
    """Refuse a state that is not finite, or that this craft cannot be in, with InvalidValueError naming the field."""
    check_finite("position_m", state.position_m, 3)
    check_finite("velocity_mps", state.velocity_mps, 3)
    check_unit("attitude", state.attitude, 4)
    check_finite("angular_rate_rps", state.angular_rate_rps, 3)
    check_within("propellant_kg", state.propellant_kg, 0.0, 0.0 if craft.tank is None else craft.tank.capacity_kg)
