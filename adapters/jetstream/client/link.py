"""A connection to NATS that is kept for readers: made, made anew where it is closed, and cleared up behind them."""

import asyncio
import logging
from collections import deque

from nats.aio.client import Client

from adapters.jetstream.client.connection import ConnectError, ConnectionEvent, Happening, connect
from adapters.jetstream.client.history import HistoryUnavailableError, SubjectHistory
from adapters.jetstream.client.reader import SubjectReader
from mesh.feeds.notifier import Change
from mesh.serving.health import Loop
from mesh.tasks import cleanup, raise_if_cancelled
from qiki_sdk.backoff import Backoff

BEAT_S = 1.0
CONNECT_TIMEOUT_S = 5.0
_LOG = logging.getLogger(__name__)


class Link:
    """Gives looks into subjects and readers of them while NATS can be reached; says why while it cannot."""

    def __init__(self, nats_url: str, name: str, pulse: Loop) -> None:
        """Make a link; nothing is opened before it runs. `name` is what the server's monitor shows."""
        self.state = "waiting for NATS"
        self._nats_url = nats_url
        self._name = name
        self._pulse = pulse
        self._client: Client | None = None
        self._left: deque[SubjectReader] = deque()
        self._change = Change()

    def history(self, stream: str, subject: str) -> SubjectHistory:
        """Return a subject to look into; raises HistoryUnavailableError where NATS cannot be reached."""
        return SubjectHistory(self._connected(), stream, subject)

    def reader(self, stream: str, subject: str, first_sequence: int) -> SubjectReader:
        """Return a reader of a subject; raises HistoryUnavailableError. Hand it to `leave` when it is done with."""
        return SubjectReader(self._connected(), stream, subject, first_sequence)

    def leave(self, reader: SubjectReader) -> None:
        """Take a reader back and close it soon; does not wait, so that a call that is cancelled can do it."""
        self._left.append(reader)
        self._change.notify()

    async def run(self) -> None:
        """Keep the connection, for ever."""
        while True:
            raise_if_cancelled()
            client = await self._connect()
            try:
                self._client = client
                while not client.is_closed:
                    raise_if_cancelled()
                    await self._close_left()
                    self._pulse.beat()
                    await self._change.wait(BEAT_S)
            finally:
                self._client = None
                await cleanup(self._close_left())
                await cleanup(client.close())
            self._say("the connection was closed; a new one is made")

    def _connected(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise HistoryUnavailableError(self.state)
        return self._client

    async def _close_left(self) -> None:
        while self._left:
            await self._left.popleft().close()

    async def _connect(self) -> Client:
        for delay in Backoff(cap_s=2.0).delays():  # without end: the broker may come at any time
            raise_if_cancelled()
            try:
                client = await connect(self._nats_url, self._name, self._on_event, timeout_s=CONNECT_TIMEOUT_S)
            except ConnectError as error:
                self._say(f"waiting for NATS: {error}")
                await asyncio.sleep(delay)
            else:
                self._say("connected")
                return client
        raise AssertionError("the waits have no end")

    def _on_event(self, event: ConnectionEvent) -> None:
        if event.happening is Happening.ERROR:
            return  # of one attempt or one subscription; what becomes of the connection is told by the others
        self._say("connected" if event.happening is Happening.RECONNECTED else f"waiting for NATS: {event.happening}")
        self._change.notify()

    def _say(self, state: str) -> None:
        if state != self.state:
            _LOG.info("nats", extra={"state": state})
        self.state = state
        self._pulse.beat(state)
