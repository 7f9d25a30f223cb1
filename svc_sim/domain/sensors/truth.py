"""The truth that the bot's sensors measure."""

from dataclasses import dataclass

from svc_sim.domain.kinematics import Kinematics, Quaternion, Vector, to_body

LOCAL_FIELD_T: Vector = (0.0, 2.0e-5, -4.5e-5)
"""The Earth's field in ENU at middle northern latitudes, constant over the world (compare IGRF-13 at 50 degrees)."""


@dataclass(frozen=True, slots=True)
class BusTruth:
    """The power bus: generated power, power of all loads, and charge as a fraction of the capacity."""

    generated_w: float
    load_w: float
    charge_fraction: float


@dataclass(frozen=True, slots=True)
class Truth:
    """The craft and its surroundings at one tick.

    Position, velocity and magnetic field are in ENU, at the centre of mass; rates, angular acceleration and specific
    force (acceleration without gravity) in the body frame; the attitude rotates body into ENU. `temperatures_k` are
    in the order of the thermal nodes, `contacts_m` are positions of contacts in ENU. `bus` is None without a battery.
    """

    position_m: Vector
    velocity_mps: Vector
    attitude: Quaternion
    angular_rate_rps: Vector
    angular_acceleration_rps2: Vector
    specific_force_mps2: Vector
    magnetic_field_t: Vector = LOCAL_FIELD_T
    temperatures_k: tuple[float, ...] = ()
    bus: BusTruth | None = None
    contacts_m: tuple[Vector, ...] = ()


def truth_on_rails(own_ship: Kinematics) -> Truth:
    """Return the truth of a craft that follows its planned motion: in a turn at a constant rate."""
    return Truth(
        own_ship.position_m,
        own_ship.velocity_mps,
        own_ship.attitude,
        own_ship.angular_rate_rps,
        (0.0, 0.0, 0.0),
        to_body(own_ship.attitude, own_ship.acceleration_mps2),
    )
