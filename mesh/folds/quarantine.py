"""Quarantine: an event that makes a fold fail is skipped, reported and counted, and the fold goes on.

A fold is deterministic: an event that failed fails again after every restart, so every replay skips it too.
"""

import logging
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter

from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import INPUT_QUARANTINED
from qiki_sdk.stream import Event

# Failures of the machine, not of the input: a retry may succeed. The process ends and starts again.
NOT_QUARANTINED: Final = (MemoryError, OSError, ImportError)
_LOG = logging.getLogger(__name__)


class Quarantine:
    """Reports and counts of the events that a service's fold skipped; `feed` is the name of its input."""

    def __init__(self, audit: AuditReporter, registry: CollectorRegistry, feed: str) -> None:
        self._audit = audit
        self._feed = feed
        counter = Counter(
            "qiki_fold_quarantined", "Events that made a fold fail and were left out.", ["feed"], registry=registry
        )
        self._counter = counter.labels(feed)

    def report(self, event: Event[Any], error: Exception, *, part: str = "") -> None:
        """Report a skipped event, or a skipped `part` of its output; once in a run, however often it is replayed.

        The caller has restored the state from before the event.
        """
        context = event.context
        what = f"{type(error).__name__}: {error}"
        facts = {"feed": self._feed, "sequence": context.sequence, "error": what}
        if part:
            facts["part"] = part
        _LOG.error("an input was quarantined", extra=facts, exc_info=error)
        self._counter.inc()
        self._audit.report(
            INPUT_QUARANTINED,
            f"event {context.sequence} of {self._feed} was left out: {what}",
            simulation_time=context.time,
            run_id=context.run_id,
            key=f"{INPUT_QUARANTINED.name}/{self._feed}/{context.sequence}/{part}",
            traceparent=context.traceparent,
            **facts,
        )
