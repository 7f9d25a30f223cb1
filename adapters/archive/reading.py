"""The events of one archived run on one channel, one after another, for whoever folds them."""

import asyncio
from typing import Any, Self

from adapters.archive.cursor import Step
from adapters.archive.opening import Opening, Wanted, open_at
from adapters.jetstream.client.history import SubjectHistory
from adapters.jetstream.client.reader import SubjectReader
from adapters.jetstream.codec.stored_event import StoredEvent
from botspec.channels import Channel
from mesh.tasks import raise_if_cancelled


class ArchivedEvents:
    """Reads on from an opening over a NATS client; close it, so that the server keeps nothing for it."""

    def __init__(self, opening: Opening, reader: SubjectReader) -> None:
        self.opening = opening
        self._cursor = opening.cursor
        self._reader = reader
        self.over = False

    @classmethod
    async def open(cls, client: Any, channel: Channel, wanted: Wanted) -> Self:
        """Find the beginning.

        Raises:
            MeshError: as the contract of WatchArchive says; HistoryUnavailableError and NotABridgesError.
        """
        opening = await open_at(SubjectHistory(client, channel.stream, channel.subject), channel, wanted)
        return cls(opening, SubjectReader(client, channel.stream, channel.subject, opening.first_message))

    async def next(self, wait_s: float) -> StoredEvent | None:
        """Return the next event; None where none came within `wait_s`, or none will: then it is `over`.

        Raises:
            MeshError: the next event is missing, or another history stands there; NotABridgesError.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while not self.over and not self._cursor.complete:
            raise_if_cancelled()
            event = await self._reader.next(max(0.0, deadline - loop.time()))
            if event is None:
                if loop.time() >= deadline:
                    return None
                continue
            step, self._cursor = self._cursor.step(event)
            self.over = step is Step.OVER
            if step is Step.SEND:
                return event
        self.over = True
        return None

    async def close(self) -> None:
        """Give back what the server holds for this reading."""
        await self._reader.close()
