"""Metrics of the radars: the time to make a frame, and its detections."""

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class SensorMetrics:
    """The metrics of one radar."""

    def __init__(self, duration: Histogram, detections: Counter) -> None:
        self.duration = duration
        self.detections = detections


class RadarMetrics:
    """The metrics of the radars, by sensor id."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "qiki_radar_scan_duration_seconds",
            "Time to observe a scan and to publish its frame.",
            ["sensor"],
            registry=registry,
            buckets=_BUCKETS,
        )
        self._detections = Counter("qiki_radar_detections", "Detections in frames.", ["sensor"], registry=registry)

    def sensor(self, sensor_id: str) -> SensorMetrics:
        """Return the metrics of a radar."""
        return SensorMetrics(self._duration.labels(sensor_id), self._detections.labels(sensor_id))
