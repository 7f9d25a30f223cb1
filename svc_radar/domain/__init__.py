"""The radar's domain: one scan interval's truth becomes one frame's detections, as a pure function."""

from svc_radar.domain.model import RadarModel, RangeBand
from svc_radar.domain.scan import Scan, observe
from svc_radar.domain.scene import Platform, Targets, TransponderMode

__all__ = ["Platform", "RadarModel", "RangeBand", "Scan", "Targets", "TransponderMode", "observe"]
