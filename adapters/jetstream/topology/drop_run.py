"""Removal of the last run on a subject, where it was created under a fast clock and blocks the runs after it."""

from collections.abc import Callable
from dataclasses import dataclass

from nats.aio.client import Client

from adapters.jetstream.client.history import SubjectHistory
from adapters.jetstream.client.requests import call
from adapters.jetstream.codec.stored_event import StoredEvent


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run on a subject: the number of its events, and its newest event."""

    stream: str
    subject: str
    events: int
    newest: StoredEvent

    @property
    def created(self) -> str:
        """The run's creation time, RFC 3339."""
        return self.newest.context.run_created.ToJsonString()


async def last_run(client: Client, stream: str, subject: str) -> LastRun | None:
    """Return the last run on the subject, None where it is empty.

    Raises:
        JetStreamError: the server cannot be queried. NotABridgesError: no bridge wrote a message.
    """
    history = SubjectHistory(client, stream, subject)
    newest = await history.newest()
    if newest is None:
        return None
    cut = await history.split(lambda event: event.created_ns >= newest.created_ns)
    oldest = cut.after or newest
    return LastRun(stream, subject, newest.sequence - oldest.sequence + 1, newest)


async def drop(client: Client, run: LastRun, on_deleted: Callable[[int], None] = lambda _count: None) -> int:
    """Delete the run's messages from the subject's end, newest first; return how many were deleted.

    Interrupted, it leaves the start of the run, and can be repeated. It deletes at most `run.events` messages.

    Raises:
        JetStreamError: the server refuses or cannot be queried. NotABridgesError: no bridge wrote a message.
    """
    history = SubjectHistory(client, run.stream, run.subject)
    for deleted in range(run.events):
        tail = await history.newest()
        if tail is None or tail.context.run_id != run.newest.context.run_id:
            return deleted
        await call(client, f"STREAM.MSG.DELETE.{run.stream}", {"seq": tail.stream_sequence, "no_erase": True})
        on_deleted(deleted + 1)
    return run.events
