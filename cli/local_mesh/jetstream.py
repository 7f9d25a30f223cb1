"""Access from the command to JetStream: the adapter's topology and messages on the server at an address."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.message import DecodeError

from adapters.jetstream.client.connection import connect
from adapters.jetstream.client.errors import ConnectError, ConnectionGone, JetStreamError, UnknownOutcome
from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.codec.cloudevents import HeaderError
from adapters.jetstream.topology import consumers, streams
from adapters.jetstream.verify.read_back import read_back
from botspec.channels import Channel
from botspec.sections import Bus
from cli.errors import CliError, JetStreamUnavailableError, UsageError
from mesh.tasks import cleanup

CONNECT_TIMEOUT_S = 5.0


async def init_topology(nats_url: str, bus: Bus, size_factor: float = 1.0, replicas: int = 1) -> list[str]:
    """Create missing streams and apply permitted updates; return the changes, a line each.

    Raises CliError where the server cannot be reached, or a change would lose data and was not made.
    """
    async with connected(nats_url) as client:
        made = await streams.init(client, _wanted(bus, size_factor, replicas))
        return made + await consumers.init(client, bus.durables)


def declared_bytes(bus: Bus) -> int:
    """Return the total bytes that all streams reserve at their declared sizes."""
    return sum(stream.max_bytes for stream in bus.streams)


async def check_topology(nats_url: str, bus: Bus, size_factor: float = 1.0, replicas: int = 1) -> list[str]:
    """Return the server's differences from the declared topology, a line each. Raises CliError if it is unreachable."""
    async with connected(nats_url) as client:
        differences = await streams.check(client, _wanted(bus, size_factor, replicas))
        if not any(difference.field == "name" for difference in differences):
            differences += await consumers.check(client, bus.durables)
        return [str(difference) for difference in differences]


async def read_messages(
    nats_url: str,
    channels: Sequence[Channel],
    open_channel: Callable[[Channel], Callable[[StoredMessage], Awaitable[None]]],
) -> None:
    """Pass the messages in JetStream, channel after channel and in order, to the function returned by `open_channel`.

    Raises CliError where a message cannot be read, or is not of the mesh.
    """
    async with connected(nats_url) as client:
        for channel in channels:
            try:
                await read_back(client, channel.stream, channel.subject, open_channel(channel))
            except (JetStreamError, HeaderError, DecodeError) as error:
                raise CliError(f"{channel.subject} could not be read back from JetStream: {error}") from None


def _wanted(bus: Bus, size_factor: float, replicas: int) -> dict[str, Mapping[str, object]]:
    try:
        return streams.wanted_streams(bus, size_factor, replicas)
    except ValueError as error:
        raise UsageError(f"{error}.") from None


@asynccontextmanager
async def connected(nats_url: str) -> AsyncIterator[Any]:
    """Yield a client for the adapter; its type is internal to the adapter, and this package does not import nats.

    Raises JetStreamUnavailableError where the server gives no answer, and CliError where it refuses.
    """
    try:
        client = await connect(nats_url, "qiki-cli", lambda _event: None, timeout_s=CONNECT_TIMEOUT_S)
    except ConnectError as error:
        raise JetStreamUnavailableError(f"{error}.") from None
    try:
        yield client
    except (UnknownOutcome, ConnectionGone) as error:
        raise JetStreamUnavailableError(f"{error}; try again") from None
    except JetStreamError as error:
        raise CliError(str(error)) from None
    finally:
        await cleanup(client.close())
