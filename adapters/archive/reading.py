"""Archived events of one run on one channel, in order, for the code that folds them."""

import asyncio
from typing import Any, Self

from adapters.archive.cursor import Decision
from adapters.archive.opening import Opening, OpenRequest, open_at
from adapters.jetstream.client.history import SubjectHistory
from adapters.jetstream.client.reader import SubjectReader
from adapters.jetstream.codec.stored_event import StoredEvent, read_stored
from botspec.channels import Channel
from mesh.tasks import raise_if_cancelled


class ArchivedEvents:
    """Read on from an opening over a NATS client; `close` removes its state from the server."""

    def __init__(self, opening: Opening, reader: SubjectReader) -> None:
        self.opening = opening
        self._cursor = opening.cursor
        self._reader = reader
        self.over = False

    @classmethod
    async def open(cls, client: Any, channel: Channel, request: OpenRequest) -> Self:
        """Find the start of the stream and open a reader there.

        Raises:
            MeshError: as the contract of WatchArchive specifies; JetStreamError and NotABridgesError.
        """
        opening = await open_at(SubjectHistory(client, channel.stream, channel.subject), channel, request)
        return cls(opening, SubjectReader(client, channel.stream, channel.subject, opening.first_message))

    async def next(self, wait_s: float) -> StoredEvent | None:
        """Return the next event; None where none came within `wait_s`, or where none will come: then it is `over`.

        Raises:
            MeshError: the next event is missing, or the history differs from the token; NotABridgesError.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while not self.over and not self._cursor.complete:
            raise_if_cancelled()
            message = await self._reader.next(max(0.0, deadline - loop.time()))
            if message is None:
                if loop.time() >= deadline:
                    return None
                continue
            event = read_stored(message)
            step, self._cursor = self._cursor.step(event)
            self.over = step is Decision.OVER
            if step is Decision.SEND:
                return event
        self.over = True
        return None

    async def close(self) -> None:
        """Remove the server's state for this reader."""
        await self._reader.close()
