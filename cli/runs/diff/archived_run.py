"""One archived run: its events on a channel, from the first one kept on."""

from dataclasses import dataclass, field
from typing import Any, Self

from adapters.archive.cursor import Bounds
from adapters.archive.opening import OpenRequest
from adapters.archive.reading import ArchivedEvents
from adapters.jetstream.codec.stored_event import StoredEvent
from botspec.channels import Channel
from cli.runs.diff.sources import CannotCompareError, RunName
from mesh.serving.errors import NotFoundError, RunUnknownError
from mesh.tasks import cleanup

# An archived event is there already: a longer silence is a server that does not answer.
SILENCE_S = 30.0


@dataclass(slots=True)
class RunFeed:
    """A run's events on one channel; `trimmed` is the number of those before the first one kept."""

    name: RunName
    channel: Channel
    _events: ArchivedEvents | None
    trimmed: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self._events is not None:
            self.trimmed = self._events.opening.cursor.place.sequence

    async def next(self) -> StoredEvent | None:
        """Return the next event; None after the last one.

        Raises:
            CannotCompareError: it does not come; MeshError and NotABridgesError: it is missing, or unreadable.
        """
        if self._events is None:
            return None
        event = await self._events.next(SILENCE_S)
        if event is None and not self._events.over:
            raise CannotCompareError(f"{self.name.text}: no event came on {self.channel.subject} in {SILENCE_S:g} s")
        return event

    async def close(self) -> None:
        """Release the server's state."""
        if self._events is not None:
            await self._events.close()


@dataclass(frozen=True, slots=True)
class ArchivedRun:
    """An archived run, read over a NATS client."""

    name: RunName
    run_id: str
    _client: Any

    @classmethod
    async def open(cls, name: RunName, client: Any, world: Channel) -> Self:
        """Find the run by its events on the first channel.

        Raises:
            CannotCompareError: there is none.
        """
        try:
            events = await ArchivedEvents.open(client, world, _from_oldest(name.run_id))
        except (RunUnknownError, NotFoundError) as error:
            raise CannotCompareError(f"{name.text}: {error}") from None
        await cleanup(events.close())
        return cls(name, events.opening.cursor.run_id, client)

    async def feed(self, channel: Channel, bounds: Bounds | None = None) -> RunFeed:
        """Return the run's events on a channel that lie within the bounds."""
        request = _from_oldest(self.run_id, bounds)
        try:
            events = await ArchivedEvents.open(self._client, channel, request)
        except (RunUnknownError, NotFoundError):
            events = None
        return RunFeed(self.name, channel, events)


def _from_oldest(run_id: str, bounds: Bounds | None = None) -> OpenRequest:
    return OpenRequest(None, run_id, from_oldest=bounds is None, bounds=bounds or Bounds(), until_newest=True)
