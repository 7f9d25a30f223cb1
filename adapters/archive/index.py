"""Run index of a subject: find runs, and events of a run, by bisection, because both are stored in order."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from adapters.jetstream.client.history import Split, SubjectHistory
from adapters.jetstream.codec.stored_event import StoredEvent

# Limit on the runs that a walk over a subject visits.
MAX_RUNS = 1_000


class TooManyRunsError(Exception):
    """A subject holds more runs than `MAX_RUNS`."""


@dataclass(frozen=True, slots=True)
class RunSpan:
    """The oldest and the newest event of one run on a subject; `is_last`: no later run follows."""

    oldest: StoredEvent
    newest: StoredEvent
    is_last: bool

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.oldest.context.run_id


async def spans(history: SubjectHistory) -> AsyncIterator[RunSpan]:
    """Yield the runs of the subject, oldest first.

    Raises:
        TooManyRunsError, and the errors of the history's methods.
    """
    oldest = await history.oldest()
    for _ in range(MAX_RUNS):
        if oldest is None:
            return
        cut = await _end_of(history, oldest)
        yield RunSpan(oldest, cut.before or oldest, is_last=cut.after is None)
        oldest = cut.after
    raise TooManyRunsError(f"more than {MAX_RUNS} runs")


async def newest_span(history: SubjectHistory) -> RunSpan | None:
    """Return the newest run's span, None where the subject is empty."""
    newest = await history.newest()
    if newest is None:
        return None
    begin = await history.split(lambda event: event.created_ns >= newest.created_ns)
    return RunSpan(begin.after or newest, newest, is_last=True)


async def cut_at_sequence(history: SubjectHistory, span: RunSpan, sequence: int) -> Split:
    """Split the subject before the run's first event of at least this sequence."""
    created_ns = span.oldest.created_ns
    return await history.split(lambda event: (event.created_ns, event.sequence) >= (created_ns, sequence))


async def cut_at_time(history: SubjectHistory, span: RunSpan, time_ns: int) -> Split:
    """Split the subject before the run's first event at or after a time; the feed's times must never decrease."""
    created_ns = span.oldest.created_ns
    return await history.split(lambda event: (event.created_ns, event.time_ns) >= (created_ns, time_ns))


async def _end_of(history: SubjectHistory, oldest: StoredEvent) -> Split:
    return await history.split(lambda event: event.created_ns > oldest.created_ns)
