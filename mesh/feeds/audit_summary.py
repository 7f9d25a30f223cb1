"""Audit events about a feed: a report at the first event of a run, and a summary for each minute of simulation time."""

from collections import Counter
from typing import Any

from mesh.clock import NS_PER_S, to_timestamp
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import Code

MINUTE_NS = 60 * NS_PER_S


class AuditSummary:
    """Counts of the events of one run.

    Reports carry keys of run and minute, so that a replay after a restart repeats no report. A minute of which only the
    end was seen is not reported: it was reported before the restart.
    """

    def __init__(self, audit: AuditReporter, first: Code, summary: Code, run: Run, *, first_sequence: int = 1) -> None:
        """Count a feed of a run; report `first` with the event of `first_sequence`."""
        self._first_sequence = first_sequence
        self._audit = audit
        self._first = first
        self._summary = summary
        self._run = run
        self._start_ns = run.start_time.ToNanoseconds()
        self._minute: int | None = None
        self._whole = False
        self._counts: Counter[str] = Counter()

    def take(self, sequence: int, time_ns: int, cause: str = "", **counts: int) -> None:
        """Count one event of the feed at this simulation time; `cause` is its trace context."""
        if sequence == self._first_sequence:
            self._audit.report(
                self._first,
                simulation_time=to_timestamp(time_ns),
                run_id=self._run.run_id,
                key=self._first.name,
                traceparent=cause,
            )
        # An event exactly at a minute's end belongs to that minute: time 0 is before the first event.
        minute = (time_ns - self._start_ns - 1) // MINUTE_NS
        if minute != self._minute:
            self._tell()
            self._whole = self._minute is not None or sequence == 1
            self._minute = minute
            self._counts.clear()
        self._counts.update({"events": 1, **counts})

    def _tell(self) -> None:
        if self._minute is None or not self._whole:
            return
        counts: Any = dict(sorted(self._counts.items()))
        self._audit.report(
            self._summary,
            simulation_time=to_timestamp(self._start_ns + (self._minute + 1) * MINUTE_NS),
            run_id=self._run.run_id,
            key=f"{self._summary.name}/{self._minute}",
            **counts,
        )
