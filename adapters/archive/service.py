"""Archive servicer: validate, translate, call, translate."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeAlias

import grpc

from adapters.archive import wire
from adapters.archive.errors import refusals
from adapters.archive.index import spans
from adapters.archive.opening import open_at
from adapters.archive.playback import Playback, PlaybackOptions
from adapters.archive.playback_speed import PlaybackSpeed
from adapters.jetstream.client.link import Link
from adapters.jetstream.client.reader import SubjectReader
from botspec.channels import Channel
from mesh.serving.errors import InvalidFieldError, LimitReachedError, ServerDrainingError
from qiki.archive.v1.archive_service_pb2 import (
    ListArchiveRequest,
    ListArchiveResponse,
    WatchArchiveRequest,
    WatchArchiveResponse,
)
from qiki.archive.v1.archive_service_pb2_grpc import ArchiveServiceServicer

MAX_OPEN_STREAMS = 256
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ArchiveServicer(ArchiveServiceServicer):
    """Serve the events that JetStream stores on the BotSpec's channels."""

    def __init__(self, link: Link, channels: Sequence[Channel], heartbeat_s: float) -> None:
        """Serve the channels; raises ValueError for a channel with a type that the API cannot carry."""
        self._link = link
        self._channels = {channel.name: channel for channel in channels}
        self._fields = {channel.name: wire.check_type(channel) for channel in channels}
        self._heartbeat_s = heartbeat_s
        self._readers: set[SubjectReader] = set()
        self._open = 0
        self._draining = False

    def facts(self) -> Mapping[str, object]:
        """Return the fields of the status line."""
        return {"nats": self._link.state, "open_streams": self._open, "waiting": self.waiting()}

    def waiting(self) -> int:
        """Return the number of messages buffered for all readers and not yet taken."""
        return sum(reader.waiting for reader in tuple(self._readers))

    def waiting_streams(self) -> int:
        """Return the number of streams with messages that are buffered and not yet taken."""
        return sum(reader.waiting > 0 for reader in tuple(self._readers))

    def drain(self) -> None:
        """Ask every reader to reconnect elsewhere, and accept no new ones."""
        self._draining = True
        for reader in self._readers:
            reader.change.notify()

    async def WatchArchive(
        self, request: WatchArchiveRequest, context: _Context
    ) -> AsyncIterator[WatchArchiveResponse]:
        """Stream archived events."""
        channel = self._channel(request.channel)
        open_request, speed = wire.to_open_request(request), PlaybackSpeed(wire.to_speed(request))
        options = PlaybackOptions(self._fields[channel.name], speed, self._heartbeat_s, lambda: self._draining)
        if self._draining:
            raise ServerDrainingError(f"{channel.name}: the server is going away; reconnect")
        if self._open >= MAX_OPEN_STREAMS:
            raise LimitReachedError(
                f"{channel.name}: {MAX_OPEN_STREAMS} streams are open already", limit=f"{MAX_OPEN_STREAMS}"
            )
        self._open += 1
        reader = None
        try:
            with refusals(channel.name):
                history = self._link.history(channel.stream, channel.subject)
                opening = await open_at(history, channel, open_request)
                reader = self._link.reader(channel.stream, channel.subject, opening.first_message)
                self._readers.add(reader)
                async for response in Playback(opening, history, reader, options).responses():
                    yield response
        finally:
            self._open -= 1
            if reader is not None:
                self._readers.discard(reader)
                self._link.leave(reader)

    async def ListArchive(self, request: ListArchiveRequest, context: _Context) -> ListArchiveResponse:
        """List the archived runs of every channel."""
        response = ListArchiveResponse()
        for channel in self._channels.values():
            with refusals(channel.name):
                history = self._link.history(channel.stream, channel.subject)
                runs = [wire.to_run(span) async for span in spans(history)]
            response.channels.add(channel=channel.name, subject=channel.subject, type=channel.type, runs=runs)
        return response

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            raise InvalidFieldError("channel", f"no channel {name!r}; known: {', '.join(self._channels)}")
        return channel
