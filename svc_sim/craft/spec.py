"""The craft that a BotSpec describes: its components as the domain's parameters, and the limits of its orders."""

from collections.abc import Sequence
from typing import TypeVar

from botspec.components import craft as craft_spec
from botspec.components import subsystems as spec
from botspec.components.base import Component, Powered
from botspec.components.radar import Radar
from botspec.components.sensors import Sensor
from botspec.sections import Fitted
from mesh.serving.errors import StartError
from svc_sim.craft.run import CraftSetup
from svc_sim.craft.sensors import is_read, sensor_parameters
from svc_sim.domain.body.checks import InvalidValueError
from svc_sim.domain.body.control import Autopilot, AutopilotParameters
from svc_sim.domain.body.craft import Craft, PropellantTank, RigidBody, Thruster
from svc_sim.domain.body.integrator import MAX_STEP_S
from svc_sim.domain.craft.limits import CraftLimits
from svc_sim.domain.craft.parameters import CraftParameters, Part, PartKind
from svc_sim.domain.limits import ParameterError
from svc_sim.domain.scenario.scenario import TransponderMode
from svc_sim.domain.subsystems.power import Battery, Load, PowerParameters
from svc_sim.domain.subsystems.shield import ShieldParameters
from svc_sim.domain.subsystems.thermal import ThermalLink, ThermalNode, ThermalParameters
from svc_sim.domain.subsystems.transponder import TransponderParameters

C = TypeVar("C", bound=Component)
# A part of one of these kinds is switched by SwitchPower.
_SWITCHED = (PartKind.SENSOR, PartKind.RADAR, PartKind.SHIELD)


def craft_setup(bot: Fitted, seed: int) -> CraftSetup | None:
    """Return the craft of a bot with a rigid body; None for one without, which moves on rails.

    Raises:
        StartError: its components do not fit together.
    """
    if bot.body is None:
        return None
    if bot.simulation.tick_s > MAX_STEP_S:
        raise StartError(f"simulation.tick_s is {bot.simulation.tick_s}: with a rigid body at most {MAX_STEP_S}")
    try:
        parameters = _parameters(bot, bot.body, seed)
    except (InvalidValueError, ParameterError) as error:
        raise StartError(f"the BotSpec's components do not fit together: {error}") from error
    return CraftSetup(parameters, _limits(bot, parameters), bot.simulation.magnetic_flux_density_t)


def _parameters(bot: Fitted, body: craft_spec.RigidBody, seed: int) -> CraftParameters:
    airframe = _airframe(bot, body)
    nodes = [node.name for node in _all(bot, spec.ThermalNode)]
    powered = _all(bot, Powered)
    parts = tuple(_part(component, nodes) for component in powered)
    sensors = [component for component in _all(bot, Sensor) if is_read(component)]
    autopilot = _only(bot, craft_spec.Autopilot)
    return CraftParameters(
        airframe=airframe,
        autopilot=_autopilot(airframe, autopilot) if autopilot else None,
        parts=parts,
        power=_power(bot, powered, parts),
        thermal=_thermal(bot),
        transponder=_transponder(bot),
        shield=_shield(bot),
        sensors=tuple(sensor_parameters(sensor, nodes) for sensor in sensors),
        sensor_parts=tuple(powered.index(sensor) for sensor in sensors),
        periods=tuple(bot.simulation.ticks(sensor.period_s) for sensor in sensors),
        thruster_parts=tuple(powered.index(thruster) for thruster in _all(bot, craft_spec.Thruster)),
        dt_s=bot.simulation.tick_s,
        seed=seed,
    )


def _airframe(bot: Fitted, body: craft_spec.RigidBody) -> Craft:
    tank = _only(bot, craft_spec.PropellantTank)
    return Craft(
        RigidBody(body.dry_mass_kg, body.inertia_kgm2),
        PropellantTank(tank.capacity_kg, tank.initial_kg) if tank else None,
        tuple(
            Thruster(each.name, each.position_m, each.direction, each.max_thrust_n, each.specific_impulse_s)
            for each in _all(bot, craft_spec.Thruster)
        ),
    )


def _autopilot(airframe: Craft, given: craft_spec.Autopilot) -> Autopilot:
    return Autopilot(
        airframe,
        AutopilotParameters(
            given.max_speed_mps,
            given.max_angular_rate_rps,
            given.attitude_bandwidth_rps,
            given.velocity_bandwidth_rps,
        ),
    )


def _part(component: Powered, nodes: Sequence[str]) -> Part:
    kind = _kind(component)
    node = getattr(component, "heat_to", None) or getattr(component, "node", None)
    switchable = component.switchable if isinstance(component, spec.Load) else kind in _SWITCHED
    sensor_id = str(component.sensor_id) if isinstance(component, Sensor | Radar) else ""
    index = nodes.index(node) if node is not None else None
    return Part(component.name, kind, component.power_w, index, switchable, sensor_id)


def _kind(component: Powered) -> PartKind:
    match component:
        case Sensor():
            return PartKind.SENSOR
        case Radar():
            return PartKind.RADAR
        case craft_spec.Thruster():
            return PartKind.THRUSTER
        case spec.Transponder():
            return PartKind.TRANSPONDER
        case spec.Shield():
            return PartKind.SHIELD
        case _:
            return PartKind.LOAD


def _power(bot: Fitted, powered: Sequence[Powered], parts: Sequence[Part]) -> PowerParameters | None:
    battery = _only(bot, spec.Battery)
    if battery is None:
        return None
    return PowerParameters(
        Battery(
            battery.capacity_j,
            battery.initial_fraction,
            battery.charge_efficiency,
            battery.max_charge_w,
            battery.shed_below_fraction,
            battery.restore_above_fraction,
        ),
        sum(generator.power_w for generator in _all(bot, spec.Generator)),
        tuple(
            Load(part.name, part.power_w, given.priority, not isinstance(given, spec.Load) or given.switchable)
            for part, given in zip(parts, powered, strict=True)
        ),
    )


def _thermal(bot: Fitted) -> ThermalParameters | None:
    given = _all(bot, spec.ThermalNode)
    if not given:
        return None
    nodes = tuple(
        ThermalNode(
            name=node.name,
            heat_capacity_jpk=node.heat_capacity_jpk,
            initial_k=node.initial_k,
            conductance_wpk=node.conductance_wpk,
            surroundings_k=node.surroundings_k,
            radiating_area_m2=node.radiating_area_m2,
            emissivity=node.emissivity,
            trip_k=node.trip_k,
            recover_k=node.recover_k,
        )
        for node in given
    )
    links = tuple(ThermalLink(node.name, link.to, link.conductance_wpk) for node in given for link in node.links)
    return ThermalParameters(nodes, links)


def _transponder(bot: Fitted) -> TransponderParameters | None:
    given = _only(bot, spec.Transponder)
    if given is None:
        return None
    mode = TransponderMode(given.mode)
    return TransponderParameters(given.identity, mode, given.spoof_identity or "", given.power_w)


def _shield(bot: Fitted) -> ShieldParameters | None:
    given = _only(bot, spec.Shield)
    if given is None:
        return None
    return ShieldParameters(given.capacity_j, given.initial_fraction, given.recharge_w, given.power_w)


def _limits(bot: Fitted, parameters: CraftParameters) -> CraftLimits:
    autopilot, transponder = parameters.autopilot, parameters.transponder
    problems = {problem.set_point: problem.problem for problem in reversed(autopilot.problems if autopilot else ())}
    return CraftLimits(
        thrusters={thruster.name: thruster.max_thrust_n for thruster in parameters.airframe.thrusters},
        switchable=tuple(part.name for part in parameters.parts if part.switchable),
        max_speed_mps=autopilot.parameters.max_speed_mps if autopilot else None,
        rotation_problem=problems.get("rotation", ""),
        velocity_problem=problems.get("velocity", ""),
        has_transponder=transponder is not None,
        spoof_identity=transponder.spoof_identity if transponder else "",
    )


def _all(bot: Fitted, kind: type[C]) -> list[C]:
    return [component for component in bot.components if isinstance(component, kind)]


def _only(bot: Fitted, kind: type[C]) -> C | None:
    """Return the component of a type of which a BotSpec has at most one."""
    return next(iter(_all(bot, kind)), None)
