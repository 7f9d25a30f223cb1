"""Storage health: each failure and recovery of a disk reported once, in health, the log and the audit trail."""

import logging
import time
from collections.abc import Callable

from mesh.serving.errors import StorageFailedError
from mesh.serving.health import Heartbeat
from qiki_sdk.codes import STORAGE_FAILED, STORAGE_RESTORED

_LOG = logging.getLogger(__name__)


class StorageHealth:
    """State of one loop's disk writes, on which its work depends; `what` describes the work that a failure blocks."""

    def __init__(self, what: str, heartbeat: Heartbeat, report: Callable[..., object]) -> None:
        """Report to a heartbeat, and to the audit trail by `report`, called as `AuditReporter.report`."""
        self._what = what
        self._heartbeat = heartbeat
        self._report = report
        self._failed_at_s: float | None = None
        self.failure = ""

    def failed(self, error: OSError) -> StorageFailedError:
        """Report a failed write; return the error for the callers that wait for it."""
        refusal = StorageFailedError(self._what, error)
        self.failure = refusal.message
        self._heartbeat.fail(self.failure)
        if self._failed_at_s is None:
            self._failed_at_s = time.monotonic()
            _LOG.error("storage fails", extra={"why": self.failure})
            self._report(STORAGE_FAILED, self.failure, cause=refusal.metadata["cause"])
        return refusal

    def works(self) -> None:
        """Report a successful write."""
        if self._failed_at_s is None:
            return
        failed_s = round(time.monotonic() - self._failed_at_s, 3)
        _LOG.info("storage works again", extra={"why": self.failure, "failed_s": failed_s})
        self._report(STORAGE_RESTORED, cause=self.failure, failed_s=failed_s)
        self._failed_at_s, self.failure = None, ""
        self._heartbeat.failed = False
