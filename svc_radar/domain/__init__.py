"""The radar's domain: a pure function from the truth of one scan to the detections of one frame."""

from svc_radar.domain.faults import NO_FAULTS, Blind, BlindReason, Faults, Jamming
from svc_radar.domain.model import Bias, Pattern, RadarModel, RangeBand, ScanKind, Sector, SwerlingCase
from svc_radar.domain.report import Scan
from svc_radar.domain.scan import failed_scan, observe
from svc_radar.domain.scene import Platform, Targets, TransponderMode

__all__ = [
    "NO_FAULTS",
    "Bias",
    "Blind",
    "BlindReason",
    "Faults",
    "Jamming",
    "Pattern",
    "Platform",
    "RadarModel",
    "RangeBand",
    "Scan",
    "ScanKind",
    "Sector",
    "SwerlingCase",
    "Targets",
    "TransponderMode",
    "failed_scan",
    "observe",
]
