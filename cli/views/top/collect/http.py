"""One bounded HTTP GET, cancelled as easily as it was started."""

import asyncio
from typing import Final

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
MAX_HEADERS: Final = 100
OK: Final = 200


class HttpError(Exception):
    """There was no usable answer; the message gives the reason."""


async def get(address: str, path: str, limit_s: float) -> tuple[int, bytes]:
    """Return status and body of GET http://address/path within `limit_s` seconds. Raises HttpError."""
    try:
        async with asyncio.timeout(limit_s):
            return await _get(address, path)
    except TimeoutError:
        raise HttpError(f"no answer from {address} within {limit_s:g} s") from None
    except ConnectionError:
        raise HttpError(f"no connection to {address}") from None
    except (OSError, ValueError) as error:
        raise HttpError(f"no answer from {address}: {getattr(error, 'strerror', None) or error}") from None


async def _get(address: str, path: str) -> tuple[int, bytes]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        # HTTP/1.0: the body ends with the connection.
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
        status = await reader.readline()
        if not status.startswith(b"HTTP/"):
            raise ValueError("it does not speak HTTP")
        await _skip_headers(reader)
        body = bytearray()
        while (part := await reader.read(65_536)) and len(body) <= MAX_BODY_BYTES:
            body += part
    finally:
        writer.close()
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"the answer is larger than {MAX_BODY_BYTES} bytes")
    return int(status.partition(b" ")[2][:3]), bytes(body)


async def _skip_headers(reader: asyncio.StreamReader) -> None:
    for _ in range(MAX_HEADERS):
        line = await reader.readline()  # raises ValueError where it is too long
        if not line:
            raise ValueError("the answer ended too early")
        if not line.strip():
            return
    raise ValueError(f"the answer has more than {MAX_HEADERS} headers")
