"""The sensor model in a radar's frames."""

from qiki.radar.v1.radar_pb2 import Sector as WireSector
from qiki.radar.v1.radar_pb2 import SensorModel
from svc_radar.domain import RadarModel, Sector
from svc_radar.domain.measurement_noise import reference_sigmas
from svc_radar.domain.model import ALL_AROUND
from svc_radar.domain.signal import reference_probability


def to_sensor_model(model: RadarModel) -> SensorModel:
    """Return the sensor model reported in a frame: everything except biases, pattern and horizon."""
    range_sigma_m, bearing_sigma_deg, elev_sigma_deg, vr_sigma_mps = reference_sigmas(model)
    message = SensorModel(
        min_range_m=model.min_range_m,
        max_range_m=model.max_range_m,
        min_elev_deg=model.min_elev_deg,
        max_elev_deg=model.max_elev_deg,
        range_sigma_m=range_sigma_m,
        bearing_sigma_deg=bearing_sigma_deg,
        elev_sigma_deg=elev_sigma_deg,
        vr_sigma_mps=vr_sigma_mps,
        detection_probability=reference_probability(model),
        clutter_per_scan=model.expected_clutter,
        coverage=None if model.coverage == ALL_AROUND else to_sector(model.coverage),
        no_elevation=model.no_elevation,
        no_radial_velocity=model.no_radial_velocity,
        range_resolution_m=model.range_resolution_m,
        bearing_resolution_deg=model.bearing_resolution_deg,
        elev_resolution_deg=model.elev_resolution_deg,
        vr_resolution_mps=model.vr_resolution_mps,
        clutter_max_vr_mps=model.clutter_max_vr_mps,
        min_radial_speed_mps=model.min_radial_speed_mps,
        false_alarm_probability=model.false_alarm_probability,
        swerling=int(model.swerling) if model.physical else 0,  # type: ignore[arg-type]  # the numbers are the wire's
        scan_kind=int(model.scan_kind),  # type: ignore[arg-type]
    )
    if model.physical:
        message.snr_ref_db, message.rcs_ref_dbsm, message.range_ref_m = (
            model.snr_ref_db,
            model.rcs_ref_dbsm,
            model.range_ref_m,
        )
    return message


def to_sector(sector: Sector) -> WireSector:
    """Return the sector's message."""
    return WireSector(start_deg=sector.start_deg, width_deg=sector.width_deg)
