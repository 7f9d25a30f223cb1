"""State of a craft at one tick: everything that the next tick depends on."""

from dataclasses import dataclass, field

from svc_sim.domain.body.state import BodyState, initial_state
from svc_sim.domain.craft.orders import CraftMode
from svc_sim.domain.craft.parameters import CraftParameters
from svc_sim.domain.kinematics import Kinematics, Quaternion, Vector
from svc_sim.domain.sensors.sensor import SensorMemory
from svc_sim.domain.subsystems.power import PowerState
from svc_sim.domain.subsystems.shield import ShieldState
from svc_sim.domain.subsystems.thermal import ThermalState
from svc_sim.domain.subsystems.transponder import TransponderState


@dataclass(frozen=True, slots=True)
class Begun:
    """The craft at the begin of an order: the tick before its first one, propellant and velocity there."""

    command_id: str
    tick: int
    propellant_kg: float
    velocity_mps: Vector


@dataclass(frozen=True, slots=True)
class Burn:
    """Direct thrust of one thruster, given by its index: how long it still lasts, and its impulse so far."""

    begun: Begun
    thruster: int
    thrust_n: float
    ticks_left: int
    impulse_ns: float = 0.0


@dataclass(frozen=True, slots=True)
class Pursuit:
    """A set-point that is not reached yet: its tolerance, and the tick after which it is given up."""

    begun: Begun
    tolerance: float
    last_tick: int


@dataclass(frozen=True, slots=True)
class Guidance:
    """Mode, set-points, the orders that set them while they are not reached, and direct thrusts."""

    mode: CraftMode = CraftMode.NOMINAL
    attitude: Quaternion | None = None
    velocity_mps: Vector | None = None
    attitude_pursuit: Pursuit | None = None
    velocity_pursuit: Pursuit | None = None
    burns: tuple[Burn, ...] = ()


@dataclass(frozen=True, slots=True)
class NavSource:
    """The newest values of one quantity group: the sensor's index, the tick, its values, and whether degraded."""

    sensor: int
    tick: int
    values: tuple[tuple[float, ...], ...]
    degraded: bool


@dataclass(frozen=True, slots=True)
class NavMemory:
    """The newest measured fix (position, velocity), attitude, and motion (angular rate, acceleration)."""

    fix: NavSource | None = None
    attitude: NavSource | None = None
    motion: NavSource | None = None


@dataclass(frozen=True, slots=True)
class CraftState:
    """The whole craft. `thrust_n` acted in the last step; `switched_on` and `supplied` are one for each part.

    `spoof_identity` is that of the last order that gave one, empty: the BotSpec's.
    """

    body: BodyState
    thrust_n: tuple[float, ...]
    guidance: Guidance
    switched_on: tuple[bool, ...]
    supplied: tuple[bool, ...]
    power: PowerState | None
    thermal: ThermalState | None
    transponder: TransponderState | None
    shield: ShieldState | None
    sensors: tuple[SensorMemory, ...]
    spoof_identity: str = ""
    nav: NavMemory = field(default_factory=NavMemory)


def initial_craft(parameters: CraftParameters, own_ship: Kinematics) -> CraftState:
    """Return the craft at tick 0 with the scenario's position, velocity and attitude, not rotating."""
    count = len(parameters.parts)
    return CraftState(
        body=initial_state(
            parameters.airframe, own_ship.position_m, own_ship.velocity_mps, own_ship.attitude, (0.0, 0.0, 0.0)
        ),
        thrust_n=(0.0,) * len(parameters.airframe.thrusters),
        guidance=Guidance(),
        switched_on=(True,) * count,
        supplied=(True,) * count,
        power=parameters.power.initial_state() if parameters.power else None,
        thermal=parameters.thermal.initial_state() if parameters.thermal else None,
        transponder=parameters.transponder.initial_state() if parameters.transponder else None,
        shield=parameters.shield.initial_state() if parameters.shield else None,
        sensors=(SensorMemory(),) * len(parameters.sensors),
    )
