"""World snapshots as the arrays of the radar's domain."""

from collections.abc import Iterable

import numpy as np

from qiki.common.v1.geometry_pb2 import Quaternion, Vector3d
from qiki.sim.v1.world_pb2 import SensorFaultKind, WorldSnapshot
from svc_radar.domain import Faults, Jamming, Platform, Sector, Targets


def to_platform(snapshot: WorldSnapshot) -> Platform:
    """Return the own ship of a snapshot; raise ValueError naming an array that is not finite."""
    pose = snapshot.own_ship
    turn: Quaternion = pose.attitude
    return Platform(
        position_m=np.array(components(pose.position)),
        velocity_mps=np.array(components(pose.velocity)),
        attitude=np.array((turn.w, turn.x, turn.y, turn.z)),
    )


def to_targets(snapshot: WorldSnapshot) -> Targets:
    """Return the contacts of a snapshot as arrays; raise ValueError naming an array that is not finite."""
    contacts = snapshot.contacts
    return Targets(
        position_m=_rows(contact.position for contact in contacts),
        velocity_mps=_rows(contact.velocity for contact in contacts),
        rcs_dbsm=np.array([contact.rcs_dbsm for contact in contacts], dtype=np.float64),
        transponder_mode=np.array([contact.transponder_mode for contact in contacts], dtype=np.int64),
        transponder_id=tuple(contact.transponder_id for contact in contacts),
    )


def to_faults(snapshot: WorldSnapshot, sensor_id: str) -> Faults:
    """Return the faults of the sensor; raise ValueError naming the invalid field of a fault."""
    jammed, dead = [], []
    range_bias_m = bearing_bias_deg = 0.0
    kept_probability = 1.0
    for fault in snapshot.sensor_faults:
        if fault.sensor_id.value != sensor_id:
            continue
        if fault.kind == SensorFaultKind.SENSOR_FAULT_KIND_JAMMING:
            jammed.append(Jamming(Sector(fault.sector_start_deg, fault.sector_width_deg), fault.jamming_db))
        elif fault.kind == SensorFaultKind.SENSOR_FAULT_KIND_DEAD_SECTOR:
            dead.append(Sector(fault.sector_start_deg, fault.sector_width_deg))
        elif fault.kind == SensorFaultKind.SENSOR_FAULT_KIND_BIAS_STEP:
            range_bias_m += fault.range_bias_m
            bearing_bias_deg += fault.bearing_bias_deg
        elif fault.kind == SensorFaultKind.SENSOR_FAULT_KIND_DROPOUT:
            kept_probability *= 1.0 - fault.dropout_probability
        else:
            raise ValueError(f"sensor_faults.kind is not known: {fault.kind}")
    return Faults(tuple(jammed), tuple(dead), range_bias_m, bearing_bias_deg, 1.0 - kept_probability)


def position_of(snapshot: WorldSnapshot) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the own ship's position (3,), regardless of the snapshot's other contents."""
    return np.array(components(snapshot.own_ship.position))


def _rows(vectors: Iterable[Vector3d]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([components(vector) for vector in vectors], dtype=np.float64).reshape(-1, 3)


def components(vector: Vector3d) -> tuple[float, float, float]:
    """Return x, y and z."""
    return vector.x, vector.y, vector.z
