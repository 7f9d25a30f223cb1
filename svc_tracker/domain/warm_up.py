"""Compiling the tracker's arithmetic before a frame has to wait for it."""

import numpy as np

from svc_tracker.domain.following import Following
from svc_tracker.domain.frame import Detections, Frame, SensorModel, SensorStatus
from svc_tracker.domain.life import NS_PER_S
from svc_tracker.domain.model import TrackerModel

_FRAMES = 3


def warm_up(model: TrackerModel) -> None:
    """Follow one thing through a few frames: all that the model has compiled is compiled then, or read from disk."""
    following = Following(model)
    for count in range(_FRAMES):
        following.step(_frame(count * NS_PER_S))


def _frame(time_ns: int) -> Frame:
    one = np.ones(1)
    return Frame(
        time_ns=time_ns,
        sensor_id="none",
        status=SensorStatus.OK,
        sensor_position_m=np.zeros(3),
        sensor_velocity_mps=np.zeros(3),
        sensor_model=SensorModel(
            min_range_m=0.0,
            max_range_m=1e4,
            min_elev_deg=-90.0,
            max_elev_deg=90.0,
            range_sigma_m=10.0,
            bearing_sigma_deg=1.0,
            elev_sigma_deg=0.0,
            vr_sigma_mps=0.0,
            detection_probability=0.9,
            clutter_per_scan=0.1,
            no_elevation=True,
            no_radial_velocity=True,
        ),
        detections=Detections(
            range_m=1e3 * one,
            bearing_deg=one,
            elev_deg=0.0 * one,
            vr_mps=0.0 * one,
            snr_db=one,
            rcs_dbsm=one,
            transponder_on=one > 1.0,
            transponder_mode=np.zeros(1, np.int64),
            transponder_id=("",),
            id_present=one > 1.0,
            range_band=np.zeros(1, np.int64),
        ),
    )
