"""A NATS connection shared by readers: opened, reopened when closed, and cleaned up after its readers."""

import asyncio
import logging
from collections import deque

from nats.aio.client import Client

from adapters.jetstream.client.connection import ConnectionEvent, ConnectionState, connect
from adapters.jetstream.client.errors import ConnectError, UnknownOutcome
from adapters.jetstream.client.history import SubjectHistory
from adapters.jetstream.client.reader import SubjectReader
from mesh.feeds.notifier import Notifier
from mesh.serving.health import Heartbeat
from mesh.tasks import cleanup, raise_if_cancelled
from qiki_sdk.backoff import Backoff

BEAT_S = 1.0
CONNECT_TIMEOUT_S = 5.0
_LOG = logging.getLogger(__name__)


class Link:
    """Provide histories and readers of subjects while NATS is connected, and the reason while it is not."""

    def __init__(self, nats_url: str, name: str, heartbeat: Heartbeat) -> None:
        """Create a link; it opens nothing before it runs. The server's monitor shows `name`."""
        self.state = "waiting for NATS"
        self._nats_url = nats_url
        self._name = name
        self._heartbeat = heartbeat
        self._client: Client | None = None
        self._left: deque[SubjectReader] = deque()
        self._change = Notifier()

    def history(self, stream: str, subject: str) -> SubjectHistory:
        """Return the history of a subject; raises UnknownOutcome where NATS cannot be reached."""
        return SubjectHistory(self._connected(), stream, subject)

    def reader(self, stream: str, subject: str, first_sequence: int) -> SubjectReader:
        """Return a reader of a subject; raises UnknownOutcome. Pass it to `leave` after use."""
        return SubjectReader(self._connected(), stream, subject, first_sequence)

    def leave(self, reader: SubjectReader) -> None:
        """Take a reader back and close it soon; does not wait, so that a cancelled call can use it."""
        self._left.append(reader)
        self._change.notify()

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        while True:
            raise_if_cancelled()
            client = await self._connect()
            try:
                self._client = client
                while not client.is_closed:
                    raise_if_cancelled()
                    await self._close_left()
                    self._heartbeat.beat()
                    await self._change.wait(BEAT_S)
            finally:
                self._client = None
                await cleanup(self._close_left())
                await cleanup(client.close())
            self._say("the connection was closed; a new one is made")

    def _connected(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise UnknownOutcome(self.state)
        return self._client

    async def _close_left(self) -> None:
        while self._left:
            await self._left.popleft().close()

    async def _connect(self) -> Client:
        for delay in Backoff(cap_s=2.0).delays():  # without limit: the broker may start at any time
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
        if event.state is ConnectionState.ERROR:
            return  # of one attempt or one subscription; the other events report the connection's state
        self._say("connected" if event.state is ConnectionState.RECONNECTED else f"waiting for NATS: {event.state}")
        self._change.notify()

    def _say(self, state: str) -> None:
        if state != self.state:
            _LOG.info("nats", extra={"state": state})
        self.state = state
        self._heartbeat.beat(state)
