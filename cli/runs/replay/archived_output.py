"""One feed of the tracker in the archive, compared event by event with a replay."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from adapters.archive.cursor import Bounds
from adapters.archive.opening import OpenRequest
from adapters.archive.reading import ArchivedEvents
from adapters.jetstream.codec.stored_event import StoredEvent
from botspec.channels import Channel
from cli.runs.replay.difference import first_difference
from mesh.serving.errors import NotFoundError, RunUnknownError

# The bridge carries each feed at its own rate: a missing event may be on its way.
LATE_S: Final = 5.0


@dataclass(slots=True)
class Comparison:
    """Numbers of events replayed, compared, and different; `first` describes the first difference.

    `trimmed` is the number of events at the start that are no longer archived, and not compared.
    """

    made: int = 0
    compared: int = 0
    trimmed: int = 0
    differing: int = 0
    first: str = ""

    def differ(self, what: str) -> None:
        """Record a difference."""
        self.differing += 1
        self.first = self.first or what


class ArchivedOutput:
    """Reads and compares a channel of a run; `name` is the noun for its events."""

    def __init__(self, client: Any, channel: Channel, run_id: str, name: str) -> None:
        self.name = name
        self.found = Comparison()
        self._client = client
        self._channel = channel
        self._run_id = run_id
        self._events: ArchivedEvents | None = None
        self._ends_early = False

    async def open(self) -> bool:
        """Open the channel at the oldest event of the run; return whether it has one.

        Raises:
            MeshError, JetStreamError, NotABridgesError: as `ArchivedEvents.open`.
        """
        request = OpenRequest(None, self._run_id, from_oldest=True, bounds=Bounds(), until_newest=False)
        with suppress(RunUnknownError, NotFoundError):
            self._events = await ArchivedEvents.open(self._client, self._channel, request)
            self.found.trimmed = self._events.opening.cursor.place.sequence
        return self._events is not None

    async def compare(self, made: Message) -> None:
        """Compare the replay's next event with the archive; do nothing after a missing event."""
        self.found.made += 1
        if self.found.made <= self.found.trimmed or self._ends_early:
            return
        archived = await self._next()
        where = f"{self.name} {self.found.made}, after {_cause_of(made)}"
        if archived is None:
            self._ends_early = True
            self.found.differ(f"{where}: is not archived, and what follows was not compared")
            return
        self.found.compared += 1
        if archived.payload != made.SerializeToString(deterministic=True):
            found = type(made).FromString(archived.payload)
            self.found.differ(f"{where}: {first_difference(found, made) or 'the same fields, other bytes'}")

    def look_for_more(self, made_of: type[Message], last_frame: int) -> None:
        """Report archived events beyond the replay's; events of later frames are no difference."""
        newest = self._events.opening.newest if self._events is not None else None
        if newest is None or newest.sequence <= self.found.made:
            return
        cause: Any = made_of.FromString(newest.payload)
        if cause.frame_sequence <= last_frame:
            self.found.differ(f"{newest.sequence - self.found.made} {self.name}s are archived that no frame makes")

    async def close(self) -> None:
        """Release the server's resources for this reader."""
        if self._events is not None:
            await self._events.close()

    async def _next(self) -> StoredEvent | None:
        if self._events is None:
            await asyncio.sleep(LATE_S)
            if not await self.open():
                return None
        assert self._events is not None, "opened above"
        return await self._events.next(LATE_S)


def _cause_of(made: Any) -> str:
    return f"frame {made.frame_sequence} at {made.time.ToJsonString()}"
