"""Archive playback: one reader's stream, from a position in a run to the run's end or until the reader leaves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from adapters.archive.cursor import Decision
from adapters.archive.opening import Opening
from adapters.archive.playback_speed import PlaybackSpeed
from adapters.archive.wire import to_response
from adapters.jetstream.client.errors import JetStreamError
from adapters.jetstream.client.history import SubjectHistory
from adapters.jetstream.client.reader import SubjectReader
from adapters.jetstream.codec.stored_event import StoredEvent, read_stored
from mesh.clock import to_timestamp
from mesh.tasks import raise_if_cancelled
from qiki.archive.v1.archive_service_pb2 import WatchArchiveResponse
from qiki.common.v1.stream_pb2 import Draining, Ended, Heartbeat

# Short, so that a server that does not answer cannot delay a heartbeat.
LOOK_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class PlaybackOptions:
    """Playback options: the payload's response field, the speed, the longest silence in seconds, and draining."""

    payload_field: str
    speed: PlaybackSpeed
    heartbeat_s: float
    is_draining: Callable[[], bool]


class Playback:
    """Play back the events of a reader, starting at an opening."""

    def __init__(
        self, opening: Opening, history: SubjectHistory, reader: SubjectReader, options: PlaybackOptions
    ) -> None:
        self._opening = opening
        self._cursor = opening.cursor
        self._newest = opening.newest
        self._history = history
        self._reader = reader
        self._options = options

    async def responses(self) -> AsyncIterator[WatchArchiveResponse]:
        """Yield the stream's responses.

        1. Send the start position in a first heartbeat.
        2. Take the next event: the cursor decides whether to send it, to skip it, or to end the stream.
        3. Send it once it is due. After every `heartbeat_s` without an event, send a heartbeat with the position.

        Raises:
            MeshError: an event is missing, or the history differs from the token; and the errors of the reader.
        """
        loop, options = asyncio.get_running_loop(), self._options
        yield self._heartbeat()
        sent_at, moved = loop.time(), self._cursor
        event: StoredEvent | None = None
        while True:
            raise_if_cancelled()
            if options.is_draining():
                yield self._response(draining=Draining())
                return
            if self._cursor.complete:
                yield self._ended()
                return
            left_s = max(0.0, sent_at + options.heartbeat_s - loop.time())
            if event is None and (message := await self._reader.next(left_s)) is not None:
                event = read_stored(message)
                step, moved = self._cursor.step(event)
                if step is Decision.OVER:
                    yield self._ended()
                    return
                if step is Decision.LEAVE_OUT:
                    self._cursor, event = moved, None
                    await asyncio.sleep(0)  # a long stretch of skipped events must not block other tasks
            if event is not None:
                early_s = options.speed.wait_s(event.time_ns)
                if early_s == 0:
                    self._cursor = moved
                    yield to_response(event, options.payload_field)
                    sent_at, event = loop.time(), None
                    continue
                await self._reader.change.wait(min(early_s, left_s))
            if loop.time() - sent_at >= options.heartbeat_s:
                await self._look_for_newest()
                yield self._heartbeat()
                sent_at = loop.time()

    async def _look_for_newest(self) -> None:
        if not self._opening.is_last_run:
            return
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                newest: StoredEvent | None = await self._history.newest()
        except (JetStreamError, TimeoutError):
            return  # the newest event known before stays valid
        if newest is not None and newest.context.run_id == self._cursor.run_id:
            self._newest = newest

    def _heartbeat(self) -> WatchArchiveResponse:
        newest = self._newest
        beat = Heartbeat(simulation_time=newest.context.time, last_sequence=newest.sequence)
        return self._response(heartbeat=beat)

    def _ended(self) -> WatchArchiveResponse:
        time_ns = self._cursor.time_ns
        ended = Ended(
            last_sequence=self._cursor.place.sequence,
            simulation_time=None if time_ns is None else to_timestamp(time_ns),
        )
        return self._response(ended=ended)

    def _response(self, **event: Heartbeat | Draining | Ended) -> WatchArchiveResponse:
        return WatchArchiveResponse(resume_token=self._cursor.place.encode(), **event)  # type: ignore[arg-type]
