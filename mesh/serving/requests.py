"""Requests that cannot be decoded: refused with a reason, not reported as a fault of the server.

The library calls a method's deserializer outside of its handler, so that an exception raised there becomes UNKNOWN and
a traceback in the log. Here a deserializer returns such a request as `Undecodable`, and the handler refuses it.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from mesh.serving.errors import RequestMalformedError


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A request whose bytes are not a message of `type_name`, and the decoding error."""

    type_name: str
    problem: str


def tolerant(deserializer: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return a deserializer that returns `Undecodable` where this one raises DecodeError."""
    descriptor = getattr(getattr(deserializer, "__self__", None), "DESCRIPTOR", None)
    type_name = descriptor.full_name if descriptor is not None else "the RPC's request"

    def deserialize(data: bytes) -> Any:
        try:
            return deserializer(data)
        except DecodeError as error:
            return Undecodable(type_name, str(error))

    return deserialize


def check_decoded(request: Any) -> None:
    """Raise RequestMalformedError for a request that could not be decoded."""
    if isinstance(request, Undecodable):
        raise RequestMalformedError(
            f"the request cannot be decoded: {request.problem}; encode it by this version of the proto files",
            type=request.type_name,
        )


async def decoded(requests: AsyncIterable[Any]) -> AsyncIterator[Any]:
    """Yield the requests of a stream; raises RequestMalformedError at the first that could not be decoded."""
    async for request in requests:
        check_decoded(request)
        yield request
