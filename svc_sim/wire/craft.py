"""Conversion of the craft's state to the wire's messages. Pure."""

from collections.abc import Iterator
from typing import Final

from mesh.clock import SimulationClock
from qiki.common.v1.geometry_pb2 import Quaternion, Vector3d
from qiki.sim.v1 import nav_pb2, subsystems_pb2
from qiki.sim.v1.world_pb2 import CraftState as WireCraftState
from svc_sim.domain.craft.energy import brown_out, is_shed
from svc_sim.domain.craft.guidance import with_identity
from svc_sim.domain.craft.parameters import CraftParameters, PartKind
from svc_sim.domain.craft.state import CraftState, NavSource
from svc_sim.domain.kinematics import Kinematics
from svc_sim.domain.scenario.scenario import TransponderMode
from svc_sim.domain.scenario.sensor_faults import FaultKind, FaultState
from svc_sim.wire.orders import CRAFT_MODES, TRANSPONDER_MODES

SCHEMA_VERSION = 1
# A reading counts as new for so many periods of its sensor.
FRESH_PERIODS: Final = 3


def to_craft_state(parameters: CraftParameters, state: CraftState, own_ship: Kinematics) -> WireCraftState:
    """Return the part of a snapshot that a rigid body adds."""
    mode, identity = TransponderMode.OFF, ""
    if parameters.transponder is not None and state.transponder is not None:
        mode = state.transponder.mode if state.transponder.supplied else TransponderMode.OFF
        identity = with_identity(parameters, state.spoof_identity).reply(state.transponder)
    return WireCraftState(
        angular_rate=_vector(own_ship.angular_rate_rps),
        acceleration=_vector(own_ship.acceleration_mps2),
        mass_kg=parameters.airframe.body.dry_mass_kg + state.body.propellant_kg,
        propellant_kg=state.body.propellant_kg,
        mode=CRAFT_MODES[state.guidance.mode],
        transponder_mode=TRANSPONDER_MODES[mode],
        transponder_id=identity,
    )


def radars_without_power(parameters: CraftParameters, state: CraftState) -> tuple[FaultState, ...]:
    """Return the faults of the radars without power: every scan is lost."""
    return tuple(
        [
            FaultState(part.sensor_id, FaultKind.DROPOUT, dropout_probability=1.0)
            for part, supplied in zip(parameters.parts, state.supplied, strict=True)
            if part.kind is PartKind.RADAR and not supplied
        ]
    )


def to_energy(
    parameters: CraftParameters, state: CraftState, tick: int, clock: SimulationClock
) -> subsystems_pb2.EnergyStatus:
    """Return the state of power, heat and propellant; the bot has a battery."""
    assert parameters.power is not None, "only a bot with a battery has an energy status"
    assert state.power is not None, "as its parameters"
    power, tank = state.power, parameters.airframe.tank
    return subsystems_pb2.EnergyStatus(
        schema_version=SCHEMA_VERSION,
        tick=tick,
        time=clock.timestamp(tick),
        stored_j=power.charge_j,
        capacity_j=parameters.power.battery.capacity_j,
        generation_w=power.generated_w,
        load_w=sum(power.delivered_w),
        brown_out=brown_out(parameters, state),
        loads=[
            subsystems_pb2.LoadStatus(
                name=part.name,
                switched_on=state.switched_on[index],
                shed=is_shed(parameters, state, index),
                power_w=power.delivered_w[index],
            )
            for index, part in enumerate(parameters.parts)
        ],
        thermal_nodes=list(_thermal_nodes(parameters, state)),
        propellant_kg=state.body.propellant_kg,
        propellant_capacity_kg=tank.capacity_kg if tank else 0.0,
    )


def _thermal_nodes(parameters: CraftParameters, state: CraftState) -> Iterator[subsystems_pb2.ThermalStatus]:
    if parameters.thermal is None or state.thermal is None:
        return
    thermal = state.thermal
    for node, temperature_k, tripped in zip(
        parameters.thermal.nodes, thermal.temperatures_k, thermal.tripped, strict=True
    ):
        yield subsystems_pb2.ThermalStatus(name=node.name, temperature_k=temperature_k, tripped=tripped)


def to_shield(
    parameters: CraftParameters, state: CraftState, tick: int, clock: SimulationClock
) -> subsystems_pb2.ShieldStatus:
    """Return the state of the shield; the bot has one."""
    part = parameters.part_of(PartKind.SHIELD)
    assert parameters.shield is not None, "only a bot with a shield has its status"
    assert state.shield is not None, "as its parameters"
    assert part is not None, "a shield is a part"
    return subsystems_pb2.ShieldStatus(
        schema_version=SCHEMA_VERSION,
        tick=tick,
        time=clock.timestamp(tick),
        name=parameters.parts[part].name,
        charge_j=state.shield.charge_j,
        capacity_j=parameters.shield.capacity_j,
        powered=state.supplied[part],
        raised=state.shield.raised,
        active=state.shield.active,
    )


def to_nav_state(parameters: CraftParameters, state: CraftState, tick: int, clock: SimulationClock) -> nav_pb2.NavState:
    """Return the motion that the sensors report."""
    message = nav_pb2.NavState(
        schema_version=SCHEMA_VERSION, tick=tick, time=clock.timestamp(tick), status=_status(parameters, state, tick)
    )
    if (fix := state.nav.fix) is not None:
        message.fix.position.CopyFrom(_vector(fix.values[0]))
        message.fix.velocity.CopyFrom(_vector(fix.values[1]))
        message.fix.sensor_id.value, message.fix.tick = _sensor_id(parameters, fix), fix.tick
    if (attitude := state.nav.attitude) is not None:
        w, x, y, z = attitude.values[0]
        message.attitude.attitude.CopyFrom(Quaternion(w=w, x=x, y=y, z=z))
        message.attitude.sensor_id.value, message.attitude.tick = _sensor_id(parameters, attitude), attitude.tick
    if (motion := state.nav.motion) is not None:
        message.motion.angular_rate.CopyFrom(_vector(motion.values[0]))
        message.motion.acceleration.CopyFrom(_vector(motion.values[1]))
        message.motion.sensor_id.value, message.motion.tick = _sensor_id(parameters, motion), motion.tick
    return message


def _status(parameters: CraftParameters, state: CraftState, tick: int) -> nav_pb2.NavStatus.ValueType:
    sources = state.nav.fix, state.nav.attitude, state.nav.motion
    fresh = [source is not None and _is_fresh(parameters, source, tick) for source in sources]
    if not any(fresh):
        return nav_pb2.NavStatus.NAV_STATUS_LOST
    if all(fresh) and not any(source is not None and source.degraded for source in sources):
        return nav_pb2.NavStatus.NAV_STATUS_NOMINAL
    return nav_pb2.NavStatus.NAV_STATUS_DEGRADED


def _is_fresh(parameters: CraftParameters, source: NavSource, tick: int) -> bool:
    return tick - source.tick <= FRESH_PERIODS * parameters.periods[source.sensor]


def _sensor_id(parameters: CraftParameters, source: NavSource) -> str:
    return parameters.sensors[source.sensor].sensor_id


def _vector(values: tuple[float, ...]) -> Vector3d:
    x, y, z = values
    return Vector3d(x=x, y=y, z=z)
