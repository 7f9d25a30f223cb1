"""A channel's source: the RPCs of a feed, found by name in the API and called without generated stubs."""

from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass

from adapters.jetstream.codec.raw import raw_payload
from botspec.channels import Channel, find_method
from mesh.folds import upstream
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.stream import Idle, Stream, StreamSettings

READER = "bridge"


class Source:
    """The Watch, Confirm and GetRun of the service behind one channel of the BotSpec."""

    def __init__(self, channel: Channel, connection: grpc.aio.Channel, *, required: bool) -> None:
        """Find the methods. `required`: the BotSpec names the bridge among the feed's required readers."""
        method = find_method(channel.rpc)
        self.name = channel.name
        self.service = method.service
        self._required = required
        self._request_type: Any = method.request
        self._watch = connection.unary_stream(
            f"/{method.service}/{method.method}",
            request_serializer=method.request.SerializeToString,
            response_deserializer=raw_payload(method.response, method.payload_field).FromString,
        )
        self._confirm_type, self._confirm = _unary(connection, channel.confirm)
        self._run_type, self._get_run = _unary(connection, f"{method.service}/GetRun")

    async def run(self) -> Run:
        """Ask the source which run it serves.

        Raises:
            QikiError: the refusal.
        """
        response = await upstream.call(self._get_run, self._run_type())
        run: Run = response.run
        return run

    def stream(self, resume_token: str, settings: StreamSettings, on_state: Any) -> Stream[Any]:
        """Return the feed's stream after the token; without a token, from the oldest retained event.

        The events' payloads are the producer's bytes, undecoded.
        """
        request = self._request_type(
            resume_token=resume_token, from_oldest=not resume_token, reader=READER if self._required else ""
        )
        return Stream(self._watch, request, settings, on_state)

    async def last_sequence(self) -> int:
        """Ask the source for the sequence of its last event; it tells in the first heartbeat of every stream.

        Raises:
            QikiError: the refusal.
        """
        stream: Stream[Any] = Stream(self._watch, self._request_type(), StreamSettings(max_tries=1))
        async with aclosing(stream.items()) as items:
            async for item in items:
                if isinstance(item, Idle):
                    return item.heartbeat.last_sequence
        return stream.ended.last_sequence if stream.ended else 0

    async def confirm(self, resume_token: str) -> None:
        """Confirm that everything up to the token is stored in JetStream.

        Raises:
            QikiError: the refusal.
        """
        if self._required:
            await upstream.call(self._confirm, self._confirm_type(reader=READER, resume_token=resume_token))


def _unary(connection: grpc.aio.Channel, rpc: str) -> tuple[Any, Any]:
    service, _, name = rpc.rpartition("/")
    method: MethodDescriptor = Default().FindServiceByName(service).methods_by_name[name]
    request_type, response_type = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    call = connection.unary_unary(
        f"/{service}/{name}",
        request_serializer=request_type.SerializeToString,
        response_deserializer=response_type.FromString,
    )
    return request_type, call
