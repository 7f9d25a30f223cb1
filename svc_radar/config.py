"""Settings of the radar, and its sensors' models from the BotSpec."""

from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from botspec.sensors import Radar
from mesh.retention import RetentionSettings
from mesh.settings import Port
from svc_radar.domain import RadarModel, RangeBand


class RadarSettings(RetentionSettings):
    """What the radar can be told; the environment's prefix is `QIKI_RADAR_`."""

    model_config = SettingsConfigDict(env_prefix="QIKI_RADAR_")
    service_name: ClassVar[str] = "svc_radar"

    grpc_port: int = Port(50052)
    http_port: int = Port(9102)
    sim_target: str = "127.0.0.1:50051"


def to_model(radar: Radar) -> RadarModel:
    """Return the domain's model of a radar of the BotSpec."""
    return RadarModel(
        sensor_id=str(radar.sensor_id),
        range_band=RangeBand[radar.range_band],
        min_range_m=radar.min_range_m,
        max_range_m=radar.max_range_m,
        min_elev_deg=radar.min_elev_deg,
        max_elev_deg=radar.max_elev_deg,
        range_sigma_m=radar.range_sigma_m,
        bearing_sigma_deg=radar.bearing_sigma_deg,
        elev_sigma_deg=radar.elev_sigma_deg,
        vr_sigma_mps=radar.vr_sigma_mps,
        detection_probability=radar.detection_probability,
        clutter_per_scan=radar.clutter_per_scan,
        snr_ref_db=radar.snr_ref_db,
        rcs_ref_dbsm=radar.rcs_ref_dbsm,
        range_ref_m=radar.range_ref_m,
        transponder_range_m=radar.transponder.range_m,
        transponder_reply_probability=radar.transponder.reply_probability,
        max_detections=radar.max_detections,
    )
