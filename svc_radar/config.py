"""Settings of the radar, and its sensors' models from the BotSpec."""

from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from botspec.components.radar import Radar
from mesh.feeds.retention import RetentionSettings
from mesh.serving.errors import StartError
from mesh.settings import Port
from svc_radar.domain import Bias, Pattern, RadarModel, RangeBand, ScanKind, Sector, SwerlingCase
from svc_radar.domain.model import ALL_AROUND

_SWERLING = {0: SwerlingCase.CASE_0, 1: SwerlingCase.CASE_1, 3: SwerlingCase.CASE_3}


class RadarSettings(RetentionSettings):
    """The radar's settings; the environment's prefix is `QIKI_RADAR_`.

    With `serve_truth` the radar also serves the ground truth of its detections: for tests and tracker evaluation.
    """

    model_config = SettingsConfigDict(env_prefix="QIKI_RADAR_")
    service_name: ClassVar[str] = "svc_radar"

    grpc_port: int = Port(50052)
    http_port: int = Port(9102)
    sim_target: str = "127.0.0.1:50051"
    serve_truth: bool = False


def to_model(radar: Radar) -> RadarModel:
    """Return the domain's model of a radar in the BotSpec.

    Raises:
        StartError: its values are inconsistent; names the radar and the value.
    """
    try:
        return _to_model(radar)
    except ValueError as error:
        raise StartError(f"the BotSpec's radar {radar.name}: {error}") from None


def _to_model(radar: Radar) -> RadarModel:
    return RadarModel(
        sensor_id=str(radar.sensor_id),
        range_band=RangeBand[radar.range_band],
        min_range_m=radar.min_range_m,
        max_range_m=radar.max_range_m,
        min_elev_deg=radar.min_elev_deg,
        max_elev_deg=radar.max_elev_deg,
        range_sigma_m=radar.range_sigma_m,
        bearing_sigma_deg=radar.bearing_sigma_deg,
        elev_sigma_deg=radar.elev_sigma_deg or 0.0,
        vr_sigma_mps=radar.vr_sigma_mps or 0.0,
        detection_probability=radar.detection_probability or 0.0,
        clutter_per_scan=radar.clutter_per_scan or 0.0,
        false_alarm_probability=radar.false_alarm_probability or 0.0,
        swerling=_SWERLING[radar.swerling or 0],
        range_resolution_m=radar.range_resolution_m or 0.0,
        bearing_resolution_deg=radar.bearing_resolution_deg or 0.0,
        elev_resolution_deg=radar.elev_resolution_deg or 0.0,
        vr_resolution_mps=radar.vr_resolution_mps or 0.0,
        coverage=Sector(radar.coverage.start_deg, radar.coverage.width_deg) if radar.coverage else ALL_AROUND,
        scan_kind=ScanKind[radar.scan_kind.upper()],
        scan_period_s=radar.scan_period_s,
        no_elevation=radar.no_elevation,
        no_radial_velocity=radar.no_radial_velocity,
        clutter_max_vr_mps=radar.clutter_max_vr_mps,
        min_radial_speed_mps=radar.min_radial_speed_mps,
        horizon_surface_m=radar.horizon_surface_m,
        pattern=Pattern(**radar.pattern.model_dump()),
        bias=Bias(**radar.bias.model_dump()),
        pose_sigma_m=radar.pose_sigma_m,
        north_sigma_deg=radar.north_sigma_deg,
        snr_ref_db=radar.snr_ref_db,
        rcs_ref_dbsm=radar.rcs_ref_dbsm,
        range_ref_m=radar.range_ref_m,
        transponder_range_m=radar.transponder.range_m,
        transponder_reply_probability=radar.transponder.reply_probability,
        transponder_garble_range_m=radar.transponder.garble_range_m,
        transponder_garble_bearing_deg=radar.transponder.garble_bearing_deg,
        max_detections=radar.max_detections,
    )
