"""Number of events of each feed in the run, from the end of its producer's stream."""

import asyncio
from collections.abc import Mapping, Sequence

import grpc
from google.protobuf.message import Message

from botspec.channels import Channel, find_method
from cli.errors import StalledError
from cli.local_mesh.probe import RETRY_S
from qiki_sdk.channel import connect
from qiki_sdk.errors import QikiError
from qiki_sdk.stream import Idle, Stream


async def feed_ends(channels: Sequence[Channel], targets: Mapping[str, str], stall_limit_s: float) -> dict[str, int]:
    """Return the last sequence of each channel's feed, by channel name, once every derived feed has ended.

    `targets` holds host:port by the API package of the service, such as `qiki.sim.v1`.
    Raises StalledError where a feed neither ends nor makes progress for `stall_limit_s` seconds.
    """
    ends: dict[str, int] = {}
    for channel in channels:
        package = channel.rpc.partition("/")[0].rpartition(".")[0]
        recorded = channel.policy == "recorded"
        ends[channel.name] = await _feed_end(channel.rpc, targets[package], stall_limit_s, now=recorded)
    return ends


async def _feed_end(rpc: str, target: str, stall_limit_s: float, *, now: bool) -> int:
    """Watch from the newest event until the feed sends Ended; `now` returns the current sequence of an endless feed."""
    loop = asyncio.get_running_loop()
    newest, reason = -1, "nothing was heard"
    try:
        async with asyncio.timeout(stall_limit_s) as deadline, connect(target) as transport:
            while True:  # bounded by the deadline, which only a new event postpones
                stream = _stream(transport, rpc)
                try:
                    async for item in stream.items():
                        reached = item.heartbeat.last_sequence if isinstance(item, Idle) else item.context.sequence
                        if reached > newest:
                            newest, reason = reached, f"it is at {reached}"
                            deadline.reschedule(loop.time() + stall_limit_s)
                        if now:
                            return reached
                except QikiError as error:  # behind the ring of a faster producer: continue from the newest event
                    reason = str(error)
                    await asyncio.sleep(RETRY_S)
                    continue
                assert stream.ended is not None, "a stream's iteration ends when the run is over"
                return stream.ended.last_sequence
    except TimeoutError:
        raise StalledError(
            f"{rpc} at {target} has not ended, and made no progress for {stall_limit_s:g} s: {reason}."
        ) from None


def _stream(transport: grpc.aio.Channel, rpc: str) -> Stream[Message]:
    found = find_method(rpc)
    method = transport.unary_stream(
        f"/{found.service}/{found.method}",
        request_serializer=found.request.SerializeToString,
        response_deserializer=found.response.FromString,
    )
    return Stream(method, found.request())
