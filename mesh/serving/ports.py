"""Waiting for a port: one used as the local end of an outgoing connection becomes free again.

Linux assigns local ports from 32768 up, where gRPC's usual ports are too: while a service is down, a connection may
get its port. A port with a listener is different, and is not waited for.
"""

import asyncio
import errno
import logging
import socket
from contextlib import suppress

# How long a restarted service waits for its port before it gives up: a connection whose own end closed first keeps the
# port for another minute (TIME_WAIT). And the interval between tries: no system reports that a port becomes free.
PORT_WAIT_S = 75.0
PORT_TRY_S = 0.1
CONNECT_TIMEOUT_S = 1.0
_LOG = logging.getLogger(__name__)


async def await_port(host: str, port: int, stop: asyncio.Event, limit_s: float = PORT_WAIT_S) -> bool:
    """Wait until the port can be listened on; return whether it can now.

    False once `stop` is set, and if the port has a listener, does not become free in time, or can never be bound: the
    error of binding it gives the cause. The event loop keeps running meanwhile.
    """
    loop = asyncio.get_running_loop()
    give_up_at, said = loop.time() + limit_s, False
    while (why := _refusal(host, port)) is not None:
        if why != errno.EADDRINUSE or await _is_listened_on(host, port) or loop.time() >= give_up_at:
            return False
        if not said:
            said = True
            _LOG.warning("the port is in use by a connection; waiting for it", extra={"port": port, "limit_s": limit_s})
        with suppress(TimeoutError):
            async with asyncio.timeout(PORT_TRY_S):
                await stop.wait()
                return False
    return True


def _refusal(host: str, port: int) -> int | None:
    """Return the error number of listening on the port, None if it can be listened on."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
            listener.bind(address)
            listener.listen(1)
    except OSError as error:
        return error.errno or errno.EINVAL
    return None


async def _is_listened_on(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _reader, writer = await asyncio.open_connection(host, port)
    except OSError:  # nobody answers; a timeout is an OSError too
        return False
    writer.close()
    return True
