"""Conversion of the domain's states to the wire's messages."""

from collections.abc import Sequence

from mesh.clock import SimulationClock
from qiki.common.v1.contact_pb2 import ObjectType as WireObjectType
from qiki.common.v1.contact_pb2 import TransponderMode as WireTransponderMode
from qiki.common.v1.geometry_pb2 import UUID, Pose, Quaternion, Vector3d
from qiki.sim.v1.sensors_pb2 import GnssFix, ImuSample, SensorReading
from qiki.sim.v1.world_pb2 import Contact, SensorFault, SensorFaultKind, WorldSnapshot
from svc_sim.domain.kinematics import Kinematics, Vector
from svc_sim.domain.readings import GnssReading, ImuReading
from svc_sim.domain.scenario.scenario import ObjectType, TransponderMode
from svc_sim.domain.scenario.sensor_faults import FaultKind, FaultState
from svc_sim.domain.world import ContactState, WorldState

SCHEMA_VERSION = 1

_OBJECT_TYPES = {kind: WireObjectType.Value(f"OBJECT_TYPE_{kind.name}") for kind in ObjectType}
_TRANSPONDER_MODES = {
    TransponderMode.OFF: WireTransponderMode.TRANSPONDER_MODE_UNSPECIFIED,
    TransponderMode.ON: WireTransponderMode.TRANSPONDER_MODE_ON,
    TransponderMode.SILENT: WireTransponderMode.TRANSPONDER_MODE_SILENT,
    TransponderMode.SPOOF: WireTransponderMode.TRANSPONDER_MODE_SPOOF,
}
_FAULT_KINDS = {kind: SensorFaultKind.Value(f"SENSOR_FAULT_KIND_{kind.name}") for kind in FaultKind}


def to_snapshot(
    state: WorldState, clock: SimulationClock, sensor_faults: Sequence[FaultState] | None = None
) -> WorldSnapshot:
    """Return the world at a tick, with these sensor faults instead of the scenario's, if given."""
    return WorldSnapshot(
        schema_version=SCHEMA_VERSION,
        tick=state.tick,
        time=clock.timestamp(state.tick),
        own_ship=_to_pose(state.own_ship),
        contacts=[_to_contact(contact) for contact in state.contacts],
        sensor_faults=[_to_fault(fault) for fault in (state.sensor_faults if sensor_faults is None else sensor_faults)],
    )


def to_reading(
    reading: GnssReading | ImuReading, sensor_id: str, sigmas: tuple[float, float], tick: int, clock: SimulationClock
) -> SensorReading:
    """Return a reading with its sensor's two standard deviations, in the order of the message's fields."""
    message = to_empty_reading(sensor_id, tick, clock)
    if isinstance(reading, GnssReading):
        message.gnss.CopyFrom(
            GnssFix(
                position=_to_vector(reading.position_m),
                velocity=_to_vector(reading.velocity_mps),
                position_sigma_m=sigmas[0],
                velocity_sigma_mps=sigmas[1],
            )
        )
    else:
        message.imu.CopyFrom(
            ImuSample(
                angular_rate=_to_vector(reading.angular_rate_rps),
                acceleration=_to_vector(reading.acceleration_mps2),
                angular_rate_sigma_rps=sigmas[0],
                acceleration_sigma_mps2=sigmas[1],
            )
        )
    return message


def to_empty_reading(sensor_id: str, tick: int, clock: SimulationClock) -> SensorReading:
    """Return a reading without a value."""
    return SensorReading(
        schema_version=SCHEMA_VERSION, sensor_id=UUID(value=sensor_id), tick=tick, time=clock.timestamp(tick)
    )


def _to_contact(contact: ContactState) -> Contact:
    return Contact(
        contact_id=UUID(value=contact.contact_id),
        name=contact.name,
        object_type=_OBJECT_TYPES[contact.object_type],
        position=_to_vector(contact.position_m),
        velocity=_to_vector(contact.velocity_mps),
        rcs_dbsm=contact.rcs_dbsm,
        transponder_mode=_TRANSPONDER_MODES[contact.transponder_mode],
        transponder_id=contact.transponder_id,
    )


def _to_fault(fault: FaultState) -> SensorFault:
    return SensorFault(
        sensor_id=UUID(value=fault.sensor_id),
        kind=_FAULT_KINDS[fault.kind],
        sector_start_deg=fault.sector_start_deg,
        sector_width_deg=fault.sector_width_deg,
        jamming_db=fault.jamming_db,
        range_bias_m=fault.range_bias_m,
        bearing_bias_deg=fault.bearing_bias_deg,
        dropout_probability=fault.dropout_probability,
        noise_factor=fault.noise_factor,
    )


def _to_pose(body: Kinematics) -> Pose:
    w, x, y, z = body.attitude
    return Pose(
        position=_to_vector(body.position_m),
        velocity=_to_vector(body.velocity_mps),
        attitude=Quaternion(w=w, x=x, y=y, z=z),
    )


def _to_vector(vector: Vector) -> Vector3d:
    x, y, z = vector
    return Vector3d(x=x, y=y, z=z)
