"""A TCP link that can be disturbed: bytes delayed or dropped, connections cut, or closed towards one end only."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
MAX_CONNECTIONS = 256
CONNECT_TIMEOUT_S = 2.0
LATENCY_S = 0.25


class Trouble(StrEnum):
    """The disturbances of a link."""

    CUT = "cut"  # every connection is reset, new ones are refused
    DROP = "drop"  # connections stay open, bytes sent are dropped
    DELAY = "delay"  # every chunk comes late
    HALF_CLOSE = "half-close"  # the client reads an end of file, its bytes still arrive
    HALF_OPEN = "half-open"  # the client's end is reset, the server's end stays open and receives no more bytes


@dataclass(eq=False, slots=True)
class _Pair:
    """A connection from a client, and the one to the server that belongs to it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    # Once a byte was dropped, the byte stream is corrupt: forward no more.
    spoilt: bool = False
    client_ended: bool = False  # the client was sent an end of file
    pumps: list[asyncio.Task[None]] = field(default_factory=list)

    def abort(self) -> None:
        self.spoilt = True
        for writer in (self.client, self.server):
            writer.transport.abort()


class Link:
    """`async with Link("sim-radar", target_port) as link: ... link.port`; `suffer` troubles it for a while."""

    def __init__(self, name: str, target_port: int) -> None:
        self.name = name
        self.port = 0
        self._target_port = target_port
        self._pairs: set[_Pair] = set()
        self._troubles: list[Trouble] = []
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(self._accept, HOST, 0, limit=CHUNK_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._abort_all()
        for pair in list(self._pairs):
            for pump in pair.pumps:
                pump.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def suffer(self, trouble: Trouble, duration_s: float) -> None:
        """Disturb the link for a while, then restore it and reset corrupted connections."""
        self._troubles.append(trouble)
        hit = list(self._pairs)
        try:
            if trouble is Trouble.CUT:
                self._abort_all()
            for pair in hit:
                if trouble is Trouble.HALF_CLOSE and not pair.client.is_closing():
                    pair.client_ended = True
                    with suppress(OSError):
                        pair.client.write_eof()
                elif trouble is Trouble.HALF_OPEN:
                    pair.spoilt = True
                    pair.client.transport.abort()
            await asyncio.sleep(duration_s)
        finally:
            self._troubles.remove(trouble)
            for pair in list(self._pairs):
                if pair.spoilt or pair.client_ended:
                    pair.abort()
                    self._pairs.discard(pair)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if Trouble.CUT in self._troubles or len(self._pairs) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                far_reader, far_writer = await asyncio.open_connection(HOST, self._target_port, limit=CHUNK_BYTES)
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        pair.pumps = [
            self._tasks.create_task(self._pump(pair, reader, far_writer)),
            self._tasks.create_task(self._pump(pair, far_reader, writer)),
        ]

    async def _pump(self, pair: _Pair, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry one direction until its end; both ends of file, or an error, end the pair."""
        try:
            while data := await source.read(CHUNK_BYTES):
                if Trouble.DELAY in self._troubles:
                    await asyncio.sleep(LATENCY_S)
                if Trouble.DROP in self._troubles:
                    pair.spoilt = True
                if not (pair.spoilt or (pair.client_ended and sink is pair.client)):
                    sink.write(data)
                    await sink.drain()
        except OSError:
            pass
        finally:
            self._ended(pair)

    def _ended(self, pair: _Pair) -> None:
        """Forget a pair with a finished direction; a half-open one stays until the trouble is past."""
        if Trouble.HALF_OPEN in self._troubles and pair.spoilt:
            return
        pair.abort()
        self._pairs.discard(pair)

    def _abort_all(self) -> None:
        for pair in list(self._pairs):
            pair.abort()
