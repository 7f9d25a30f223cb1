"""Where on a subject the runs lie, and where an event of a run: found by bisection, because both stand in order."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from adapters.jetstream.client.history import Split, SubjectHistory
from adapters.jetstream.codec.stored_event import StoredEvent

# What a walk over a subject's runs is bounded by.
MAX_RUNS = 1_000


class TooManyRunsError(Exception):
    """A subject holds more runs than are looked through."""


@dataclass(frozen=True, slots=True)
class RunSpan:
    """One run's events on a subject: the oldest and the newest one; `is_last` says that no later run follows."""

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
        TooManyRunsError, and what the history's methods raise.
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
    """Cut the subject before the run's first event of at least this sequence."""
    created_ns = span.oldest.created_ns
    return await history.split(lambda event: (event.created_ns, event.sequence) >= (created_ns, sequence))


async def cut_at_time(history: SubjectHistory, span: RunSpan, time_ns: int) -> Split:
    """Cut the subject before the run's first event at or after a time; on a feed whose times never go back."""
    created_ns = span.oldest.created_ns
    return await history.split(lambda event: (event.created_ns, event.time_ns) >= (created_ns, time_ns))


async def _end_of(history: SubjectHistory, oldest: StoredEvent) -> Split:
    return await history.split(lambda event: event.created_ns > oldest.created_ns)
