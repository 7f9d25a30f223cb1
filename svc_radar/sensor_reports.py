"""Reports of a radar's scans to the audit trail: lost in a row, measured again, truncated."""

from mesh.clock import NS_PER_S, to_timestamp
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import FRAME_TRUNCATED, SENSOR_IO_FAILED, SENSOR_IO_RESTORED, Code
from svc_radar.domain import RadarModel, Scan

# Scans lost in a row from which on a radar counts as failed: one alone may be a dropout.
LOST_SCANS = 3
MINUTE_NS = 60 * NS_PER_S


class SensorReports:
    """Reports of one radar in one run.

    Their keys are functions of the run, so that a replay after a restart repeats no report.
    """

    def __init__(self, audit: AuditReporter, run: Run, model: RadarModel) -> None:
        self._audit = audit
        self._run = run
        self._model = model
        self._lost_scans = 0
        self._measured_once = False  # else lost scans may have preceded those that a restart reads again
        self._truncated_minute: int | None = None

    def take(self, scan: Scan, number: int, time_ns: int) -> None:
        """Take the scan of this number, the radar's first being 1, at a simulation time in ns since 1970."""
        if scan.failed:
            self._lost(number, time_ns)
        else:
            self._measured(number, time_ns)
        if scan.truncated:
            self._truncated(time_ns)

    def _lost(self, number: int, time_ns: int) -> None:
        self._lost_scans += 1
        if self._lost_scans == LOST_SCANS and (self._measured_once or number == LOST_SCANS):
            self._report(SENSOR_IO_FAILED, time_ns, f"{self._model.sensor_id}/{number}", scan=number)

    def _measured(self, number: int, time_ns: int) -> None:
        if self._lost_scans >= LOST_SCANS:
            self._report(SENSOR_IO_RESTORED, time_ns, f"{self._model.sensor_id}/{number}", scan=number)
        self._lost_scans, self._measured_once = 0, True

    def _truncated(self, time_ns: int) -> None:
        """Report once in a minute of simulation time, however many frames are truncated in it."""
        start_ns = self._run.start_time.ToNanoseconds()
        minute = (time_ns - start_ns) // MINUTE_NS
        if minute != self._truncated_minute:
            self._truncated_minute = minute
            begin_ns = start_ns + minute * MINUTE_NS
            limit = self._model.max_detections
            self._report(FRAME_TRUNCATED, begin_ns, f"{self._model.sensor_id}/minute {minute}", max_detections=limit)

    def _report(self, code: Code, time_ns: int, key: str, **facts: int) -> None:
        self._audit.report(
            code,
            simulation_time=to_timestamp(time_ns),
            run_id=self._run.run_id,
            key=f"{code.name}/{key}",
            sensor_id=self._model.sensor_id,
            **{name: str(value) for name, value in facts.items()},
        )
