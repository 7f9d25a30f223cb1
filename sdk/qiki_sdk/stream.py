"""A stream that survives restarts: one `async for` over a Watch RPC that reopens itself exactly after its token."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast

import grpc
from google.protobuf.message import Message

from qiki.common.v1.stream_pb2 import Ended, EventContext, Heartbeat
from qiki_sdk.backoff import Backoff
from qiki_sdk.errors import QikiError, ResumeTokenExpiredError, from_rpc_error

P = TypeVar("P", bound=Message)
OnState = Callable[[str], None]
_LOG = logging.getLogger(__name__)

# The state of a stream that is open; every other is the reason why it is not.
CONNECTED = "connected"
# Refusals that a retry may not meet. All others are raised to the caller immediately.
TRANSIENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True)
class Event(Generic[P]):
    """One event: its payload, its context, and the token that resumes exactly after it."""

    payload: P
    context: EventContext
    resume_token: str


@dataclass(frozen=True, slots=True)
class Idle:
    """A heartbeat of the stream: no event, but the token may have moved."""

    heartbeat: Heartbeat
    resume_token: str


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Settings that keep a stream alive.

    After `silence_s` without any response, heartbeats included, the stream is opened again: three heartbeats by
    default. After `max_tries` successive openings without a response the error is raised; None for no limit.
    """

    silence_s: float = 15.0
    backoff: Backoff = field(default_factory=Backoff)
    max_tries: int | None = None


class Archive(Protocol):
    """Source of the events that a stream's server no longer has: see `crossing.ArchiveSource`."""

    def detour(
        self, refused: ResumeTokenExpiredError, resume_token: str, settings: StreamSettings, on_state: OnState
    ) -> AsyncGenerator[Event[Any] | Idle, None]:
        """Yield the events after the token, until it is time to try the server again."""


class Stream(Generic[P]):
    """The events of a Watch RPC, each once and in order, across disconnects.

    ```
    stub = RadarServiceStub(connect("127.0.0.1:50052"))
    frames = Stream[RadarFrame](stub.WatchFrames, WatchFramesRequest(from_oldest=True))
    async for event in frames:
        print(event.context.sequence, len(event.payload.detections))
    ```

    The iteration ends when the run is over; `ended` then gives the last sequence. An error that cannot be retried is
    raised as a `QikiError`. `resume_token` is the position reached: put it in a new Stream's request to continue after
    a restart of the client. With an archive, a reader behind the server's retention reads on there and returns.
    """

    def __init__(
        self,
        method: Callable[..., Any],
        request: Message,
        settings: StreamSettings | None = None,
        on_state: OnState | None = None,
        archive: Archive | None = None,
    ) -> None:
        """Make a stream; it opens no RPC before it is iterated over.

        Args:
            method: the stub's Watch method.
            request: its request; its token, if any, is where the stream starts.
            settings: how the stream is kept alive.
            on_state: called with the state of the stream in a few words: "connected", or why it is not.
            archive: the same feed's archive. It does not filter, so the request must not either.

        Raises:
            ValueError: an archive, and a request with a filter.
        """
        if archive is not None and cast(Any, request).HasField("filter"):
            raise ValueError("filter: an archive does not filter; leave out what is not wanted as it comes")
        self._method = method
        self._request = type(request)()
        self._request.CopyFrom(request)
        self._resume_token = cast(str, cast(Any, request).resume_token)
        self._settings = settings or StreamSettings()
        self._on_state = on_state or (lambda _state: None)
        self._archive = archive
        self.ended: Ended | None = None

    @property
    def resume_token(self) -> str:
        """The position reached; empty before the first response."""
        return self._resume_token

    async def __aiter__(self) -> AsyncIterator[Event[P]]:
        async with aclosing(self.items()) as items:
            async for item in items:
                if isinstance(item, Event):
                    yield item

    async def items(self) -> AsyncGenerator[Event[P] | Idle, None]:
        """Yield events, and between them idle heartbeats.

        1. Open the stream after the token.
        2. Yield each response; it moves the token. A response is a success: the waits start again from the first.
        3. If the token has expired and there is an archive: read on there, and then open the stream again.
        4. If anything but the run's end ends the stream: wait a little longer each time, and open it again.
        """
        delays, failures = self._settings.backoff.delays(), 0
        while self.ended is None:
            refusal = QikiError(grpc.StatusCode.UNAVAILABLE, "the stream was closed")
            failures += 1
            try:
                async with aclosing(self._open_once()) as items:
                    async for item in items:
                        if failures:
                            delays, failures = self._settings.backoff.delays(), 0
                        yield item
            except grpc.aio.AioRpcError as error:
                refusal = from_rpc_error(error)
            except TimeoutError:
                refusal = QikiError(grpc.StatusCode.DEADLINE_EXCEEDED, f"silent for {self._settings.silence_s} s")
            if self._archive is not None and isinstance(refusal, ResumeTokenExpiredError):
                detour = self._archive.detour(refusal, self.resume_token, self._settings, self._on_state)
                async with aclosing(detour) as items:
                    async for item in items:
                        self._resume_token = item.resume_token
                        yield item
            elif self.ended is None:
                if refusal.code not in TRANSIENT or failures == self._settings.max_tries:
                    raise refusal
                self._on_state(str(refusal))
                await asyncio.sleep(next(delays))

    async def _open_once(self) -> AsyncGenerator[Event[P] | Idle, None]:
        # A message keeps the memory of every string it ever contained: each opening has a request of its own.
        request = type(self._request)()
        request.CopyFrom(self._request)
        cast(Any, request).resume_token = self._resume_token
        call = self._method(request)
        try:
            first = True
            while (response := await self._read(call)) is not grpc.aio.EOF:
                if first:
                    self._on_state(CONNECTED)
                    first = False
                item = self._take(response)
                if item is not None:
                    yield item
                if self.ended is not None:
                    return
        finally:
            call.cancel()  # an abandoned call lives on the server until its channel closes

    async def _read(self, call: Any) -> Any:
        async with asyncio.timeout(self._settings.silence_s):
            return await call.read()

    def _take(self, response: Any) -> Event[P] | Idle | None:
        self._resume_token = response.resume_token
        kind = response.WhichOneof("event")
        if kind == "heartbeat":
            return Idle(response.heartbeat, response.resume_token)
        if kind == "ended":
            self.ended = response.ended
            return None
        if kind == "draining" or kind is None:
            return None
        return Event(getattr(response, kind), response.context, response.resume_token)
