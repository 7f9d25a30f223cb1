"""The channel table: which Watch RPC feeds which NATS subject, checked against the API and the streams."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple, Self

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from pydantic import AfterValidator, Field, field_validator, model_validator

from botspec.base import Spec, refuse
from botspec.bus.streams import Stream
from botspec.bus.subjects import check_subject
from botspec.yaml_core import Loc
from qiki.radar.v1 import radar_service_pb2
from qiki.registrar.v1 import registrar_service_pb2
from qiki.sim.v1 import sim_service_pb2
from qiki.tracker.v1 import tracker_service_pb2

_API = (sim_service_pb2, radar_service_pb2, tracker_service_pb2, registrar_service_pb2)
_CONTROL = frozenset(f"qiki.common.v1.{name}" for name in ("Heartbeat", "Draining", "Ended"))
REQUIRED_CHANNELS: Final[Mapping[str, str]] = {
    "frames": "qiki.radar.v1.RadarService/WatchFrames",
    "tracks": "qiki.tracker.v1.TrackerService/WatchTracks",
    "audit": "qiki.registrar.v1.RegistrarService/WatchEvents",
}
"""Channels without which nothing can be replayed, tracked or audited, each with its RPC."""


class Channel(Spec):
    """One feed published to NATS: the Watch RPC that it is read from, and the subject that it is written to."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    type: str
    rpc: str
    subject: Annotated[str, AfterValidator(check_subject)]
    stream: str
    policy: Literal["derived", "recorded"] = "derived"

    @property
    def confirm(self) -> str:
        """The RPC by which a required reader confirms: `WatchX` pairs with `ConfirmX` of the same service."""
        return _confirm_of(self.rpc)

    @field_validator("type")
    @classmethod
    def _check_type(cls, name: str) -> str:
        try:
            descriptor_pool.Default().FindMessageTypeByName(name)
        except KeyError:
            raise ValueError(f"unknown protobuf type {name!r}") from None
        return name

    @field_validator("rpc")
    @classmethod
    def _check_rpc(cls, rpc: str) -> str:
        find_method(rpc)
        if _find_descriptor(_confirm_of(rpc)) is None:
            raise ValueError(f"{rpc!r} has no {_confirm_of(rpc)!r} beside it")
        return rpc

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems: list[tuple[Loc, str]] = []
        payload_type = find_method(self.rpc).payload_type
        if payload_type != self.type:
            problems.append((("type",), f"{self.rpc!r} streams {payload_type!r}, not {self.type!r}"))
        refuse("Channel", problems)
        return self


def channel_problems(channels: Sequence[Channel], streams: Sequence[Stream]) -> Iterator[tuple[Loc, str]]:
    """Yield (loc, message) for every repetition, missing required channel, and conflict with the streams."""
    yield from duplicates(channels)
    by_name = {stream.name: stream for stream in streams}
    for number, channel in enumerate(channels):
        yield from _stream_problems(number, channel, by_name)
        wanted = REQUIRED_CHANNELS.get(channel.name, channel.rpc)
        if channel.rpc != wanted:
            yield (number, "rpc"), f"channel {channel.name!r} should read {wanted!r}; rename it for another feed"
    names = [channel.name for channel in channels]
    for name, rpc in REQUIRED_CHANNELS.items():
        if name not in names:
            yield (), f"channel {name!r} is required: add it with `rpc: {rpc}`"


def _stream_problems(number: int, channel: Channel, by_name: Mapping[str, Stream]) -> Iterator[tuple[Loc, str]]:
    stream = by_name.get(channel.stream)
    if stream is None:
        declared = ", ".join(by_name) or "none"
        yield (number, "stream"), f"unbound channel: no stream {channel.stream!r} is declared (declared: {declared})"
        return
    if not stream.stores(channel.subject):
        held = ", ".join(stream.subjects)
        yield (number, "subject"), f"{channel.subject!r} is not in stream {stream.name!r}, which holds {held}"
    if stream.max_age_s is not None:
        message = f"stream {stream.name!r} has max_age_s, and a bridge needs each subject's last message: "
        yield (number, "stream"), message + "limit it by max_msgs_per_subject"
    if stream.max_msgs_per_subject is None:
        message = f"stream {stream.name!r} has no max_msgs_per_subject and would fill up: give it this limit"
        yield (number, "stream"), message


def duplicates(channels: Sequence[Channel]) -> Iterator[tuple[Loc, str]]:
    """Yield (loc, message) for every name, and every subject, that an earlier channel already has."""
    names: dict[str, int] = {}
    subjects: dict[str, int] = {}
    for number, channel in enumerate(channels):
        if names.setdefault(channel.name, number) != number:
            yield (number, "name"), f"channel {channel.name!r} is given twice"
        if (first := subjects.setdefault(channel.subject, number)) != number:
            yield (number, "subject"), f"subject {channel.subject!r} is already that of {channels[first].name!r}"


class Method(NamedTuple):
    """A Watch RPC: its full service name, its own name, its message classes, and the payload's field."""

    service: str
    method: str
    request: type[Message]
    response: type[Message]
    payload_field: str

    @property
    def payload_type(self) -> str:
        """Full name of the payload's message type."""
        payload = self.response.DESCRIPTOR.fields_by_name[self.payload_field].message_type
        assert payload is not None, "find_method takes message fields only"
        return str(payload.full_name)


def find_method(rpc: str) -> Method:
    """Return the RPC named `<service full name>/<method>`.

    Raises ValueError where there is no such RPC, or it does not follow the Watch contract: named `WatchX`, server
    streaming, with exactly one payload in its response's `oneof event`.
    """
    descriptor = _find_descriptor(rpc)
    if descriptor is None:
        raise ValueError(f"unknown rpc {rpc!r}")
    event = descriptor.output_type.oneofs_by_name.get("event")
    fields = event.fields if event else ()
    payloads = [field.name for field in fields if field.message_type and field.message_type.full_name not in _CONTROL]
    if not (descriptor.name.startswith("Watch") and descriptor.server_streaming and len(payloads) == 1):
        raise ValueError(f"{rpc!r} is not a Watch rpc with one payload in `oneof event`")
    return Method(
        str(descriptor.containing_service.full_name),
        str(descriptor.name),
        GetMessageClass(descriptor.input_type),
        GetMessageClass(descriptor.output_type),
        payloads[0],
    )


def _find_descriptor(rpc: str) -> MethodDescriptor | None:
    service, _, method = rpc.partition("/")
    found: MethodDescriptor | None = None
    for module in _API:
        for descriptor in module.DESCRIPTOR.services_by_name.values():
            if descriptor.full_name == service:
                found = descriptor.methods_by_name.get(method)
    return found


def _confirm_of(rpc: str) -> str:
    service, _, method = rpc.partition("/")
    return f"{service}/Confirm{method.removeprefix('Watch')}"
