"""Quarantine: an event that makes a fold fail is left out, reported and counted, and the fold goes on.

A fold is deterministic: what failed fails again after every restart. Left out, it is left out by every replay too.
"""

import logging
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter

from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import INPUT_QUARANTINED
from qiki_sdk.stream import Event

# Failures of the machine, not of the input: the next try may not meet them. The process ends and starts again.
NOT_QUARANTINED: Final = (MemoryError, OSError, ImportError)
_LOG = logging.getLogger(__name__)


class Quarantine:
    """Reports and counts what a service's fold left out; `feed` is the name of its input."""

    def __init__(self, audit: AuditReporter, registry: CollectorRegistry, feed: str) -> None:
        self._audit = audit
        self._feed = feed
        counter = Counter(
            "qiki_fold_quarantined", "Events that made a fold fail and were left out.", ["feed"], registry=registry
        )
        self._counter = counter.labels(feed)

    def report(self, event: Event[Any], error: Exception, *, part: str = "") -> None:
        """Report an event that was left out, or a `part` of what it makes; once in a run, however often it is replayed.

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
            **facts,
        )
