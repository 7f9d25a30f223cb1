"""A disk that fails and one that works again: each told once, in health, in the log and for the record."""

import logging
import time

from mesh.serving.errors import StorageFailedError
from mesh.serving.health import Loop
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import STORAGE_FAILED, STORAGE_RESTORED

_LOG = logging.getLogger(__name__)


class Storage:
    """How writing goes for one loop, which cannot do its work while it fails: `what` says in words what cannot be."""

    def __init__(self, what: str, pulse: Loop, audit: AuditReporter) -> None:
        self._what = what
        self._pulse = pulse
        self._audit = audit
        self._failed_at_s: float | None = None
        self.failure = ""

    def failed(self, error: OSError) -> StorageFailedError:
        """Take a write that failed; return the refusal that it is to those who wait for it."""
        refusal = StorageFailedError(self._what, error)
        self.failure = refusal.message
        self._pulse.fail(self.failure)
        if self._failed_at_s is None:
            self._failed_at_s = time.monotonic()
            _LOG.error("storage fails", extra={"why": self.failure})
            self._audit.report(STORAGE_FAILED, self.failure, cause=refusal.metadata["cause"])
        return refusal

    def works(self) -> None:
        """Take a write that succeeded."""
        if self._failed_at_s is None:
            return
        failed_s = round(time.monotonic() - self._failed_at_s, 3)
        _LOG.info("storage works again", extra={"why": self.failure, "failed_s": failed_s})
        self._audit.report(STORAGE_RESTORED, cause=self.failure, failed_s=failed_s)
        self._failed_at_s, self.failure = None, ""
        self._pulse.failed = False
