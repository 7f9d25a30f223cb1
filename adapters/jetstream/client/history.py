"""History of a subject: single events by stream sequence, and split points found by bisection."""

from collections.abc import Callable
from dataclasses import dataclass

from nats.aio.client import Client

from adapters.jetstream.client.messages import StoredMessage, get_last, get_next
from adapters.jetstream.codec.stored_event import StoredEvent, read_stored

_FIRST = 1


@dataclass(frozen=True, slots=True)
class Split:
    """A subject split in two: the last event before the split and the first one after it, None where there is none."""

    before: StoredEvent | None
    after: StoredEvent | None


class SubjectHistory:
    """One subject of one stream. It caches nothing: every lookup asks the stream's leader.

    Every method raises `JetStreamError`, or `NotABridgesError` for a message that no bridge wrote.
    """

    def __init__(self, client: Client, stream: str, subject: str) -> None:
        self._client = client
        self._stream = stream
        self._subject = subject

    async def newest(self) -> StoredEvent | None:
        """Return the subject's last event, None where it has none."""
        return _read(await get_last(self._client, self._stream, self._subject))

    async def oldest(self) -> StoredEvent | None:
        """Return the subject's oldest retained event, None where it has none."""
        return await self._at_or_after(_FIRST)

    async def split(self, is_after: Callable[[StoredEvent], bool]) -> Split:
        """Split the subject at the first event for which `is_after` holds; it must hold for every later event too.

        Reads about log2 of the stream's length in messages.
        """
        newest = await self.newest()
        if newest is None or not is_after(newest):
            return Split(newest, None)
        oldest = await self.oldest()
        if oldest is None or is_after(oldest):
            return Split(None, oldest)
        # Every event below `low` is before the split, every event from `high` on after it.
        before, low = oldest, oldest.stream_sequence + 1
        after, high = newest, newest.stream_sequence
        while low < high:
            middle = (low + high) // 2
            event = await self._at_or_after(middle)
            if event is None or event.stream_sequence >= high:
                high = middle
            elif is_after(event):
                after, high = event, middle
            else:
                before, low = event, event.stream_sequence + 1
        return Split(before, after)

    async def _at_or_after(self, stream_sequence: int) -> StoredEvent | None:
        return _read(await get_next(self._client, self._stream, stream_sequence, self._subject))


def _read(message: StoredMessage | None) -> StoredEvent | None:
    return None if message is None else read_stored(message)
