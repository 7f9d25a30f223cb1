"""Warm-up: compile the tracker's arithmetic before the first frame."""

import numpy as np

from svc_tracker.domain.association.existence import NS_PER_S
from svc_tracker.domain.cycle import TrackingCycle
from svc_tracker.domain.frame import Frame, SensorModel, SensorStatus, bare_detections
from svc_tracker.domain.model import TrackerModel

_FRAMES = 3


def warm_up(model: TrackerModel) -> None:
    """Track one target through a few frames, which compiles every kernel, or loads it from disk."""
    cycle = TrackingCycle(model)
    for count in range(_FRAMES):
        cycle.step(_frame(count * NS_PER_S))


def _frame(time_ns: int) -> Frame:
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
        detections=bare_detections(np.full(1, 1e3), np.ones(1)),
    )
