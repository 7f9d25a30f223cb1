"""A NATS connection that reports its state, never gives up once established, and buffers nothing while down."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from nats.aio.client import Client, Server

from adapters.jetstream.client.errors import ConnectError
from mesh.tasks import cleanup

_log = logging.getLogger(__name__)

ATTEMPT_TIMEOUT_S = 2
PING_INTERVAL_S = 10
MAX_OUTSTANDING_PINGS = 2
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0


class ConnectionState(StrEnum):
    """The kinds of connection events."""

    DISCONNECTED = "disconnected"
    RECONNECTED = "reconnected"
    CLOSED = "closed"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """One event of a connection; `detail` is for people and may be empty."""

    state: ConnectionState
    detail: str = ""


async def connect(
    url: str, name: str, on_event: Callable[[ConnectionEvent], None], *, timeout_s: float = 10.0
) -> Client:
    """Connect to NATS at `url` (several: separated by commas); the server's monitor shows `name`.

    Raises `ConnectError` where no server answers within `timeout_s`. Afterwards the connection reconnects by itself,
    without a time limit; `on_event` receives its events, and must not block. While disconnected, a publish raises
    instead of buffering: a writer then knows what was not sent, and asks its sink for its tail. `CLOSED` is final.
    """
    client = Client()
    listener = _Listener(client, name, on_event)
    try:
        async with asyncio.timeout(timeout_s):
            await client.connect(
                servers=url.split(","),
                name=name,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                connect_timeout=ATTEMPT_TIMEOUT_S,
                reconnect_time_wait=1,
                reconnect_to_server_handler=_next_server,
                ping_interval=PING_INTERVAL_S,
                max_outstanding_pings=MAX_OUTSTANDING_PINGS,
                pending_size=0,  # no buffer while disconnected, and no forced flush, which swallows cancellation
                disconnected_cb=listener.disconnected,
                reconnected_cb=listener.reconnected,
                closed_cb=listener.closed,
                error_cb=listener.error,
            )
    except TimeoutError as error:
        last = client.last_error
        await cleanup(_discard(client))
        raise ConnectError(
            f"no NATS server at {_without_secret(url)} within {timeout_s:g} s (last error: {last or 'no answer'}); "
            "start it, or correct the address"
        ) from error
    except BaseException:
        await cleanup(_discard(client))
        raise
    listener.established = True
    return client


def reconnect_delay_s(failures: int, draw: float) -> float:
    """Return the seconds to wait before the next attempt: doubling from 0.1 s to 5 s, spread by `draw` in [0, 1)."""
    full_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures, 16))
    return full_s * (0.5 + 0.5 * draw)


def _next_server(servers: list[Server], _info: dict[str, object]) -> tuple[Server, float]:
    server = min(servers, key=lambda candidate: candidate.reconnects)
    return server, reconnect_delay_s(server.reconnects, random.SystemRandom().random())


def _without_secret(url: str) -> str:
    return ",".join(part.rpartition("@")[2] if "@" in part else part for part in url.split(","))


async def _discard(client: Client) -> None:
    await client._close(Client.CLOSED, do_cbs=False)  # close() would report the end of a connection that never started


class _Listener:
    """Map the client's callbacks to log lines and events."""

    def __init__(self, client: Client, name: str, on_event: Callable[[ConnectionEvent], None]) -> None:
        self.established = False
        self._client = client
        self._name = name
        self._on_event = on_event

    async def disconnected(self) -> None:
        if self._client.is_closed:
            return  # `closed` follows and reports it
        _log.warning("NATS connection %s lost", self._name)
        self._on_event(ConnectionEvent(ConnectionState.DISCONNECTED))

    async def reconnected(self) -> None:
        _log.info("NATS connection %s is back", self._name)
        self._on_event(ConnectionEvent(ConnectionState.RECONNECTED))

    async def closed(self) -> None:
        _log.info("NATS connection %s closed", self._name)
        self._on_event(ConnectionEvent(ConnectionState.CLOSED))

    async def error(self, error: Exception) -> None:
        detail = str(error) or type(error).__name__
        _log.log(logging.WARNING if self.established else logging.DEBUG, "NATS connection %s: %s", self._name, detail)
        self._on_event(ConnectionEvent(ConnectionState.ERROR, detail))
