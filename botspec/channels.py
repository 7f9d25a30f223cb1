"""The channel table: which Watch RPC feeds which NATS subject, checked against the API and the streams."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, Self

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from pydantic import Field, field_validator, model_validator

from botspec.base import Spec, refuse
from botspec.yaml_core import Loc
from qiki.radar.v1 import radar_service_pb2
from qiki.registrar.v1 import registrar_service_pb2
from qiki.sim.v1 import sim_service_pb2
from qiki.tracker.v1 import tracker_service_pb2

_API = (sim_service_pb2, radar_service_pb2, tracker_service_pb2, registrar_service_pb2)
_CONTROL = frozenset(f"qiki.common.v1.{name}" for name in ("Heartbeat", "Draining", "Ended"))
_MAX_SUBJECT_CHARACTERS = 255
# The characters that NATS recommends (ADR-6) and that every client, tool and file system passes on unchanged.
_SUBJECT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\Z")


@dataclass(frozen=True, slots=True)
class StreamDeclaration:
    """A JetStream stream's name and the subjects it holds; the adapter adds its limits."""

    name: str
    subjects: tuple[str, ...]


STREAMS = (
    StreamDeclaration("QIKI_SIM_V1", ("qiki.sim.v1.world", "qiki.sim.v1.sensors")),
    StreamDeclaration("QIKI_RADAR_V1", ("qiki.radar.v1.frames", "qiki.radar.v1.tracks")),
    StreamDeclaration("QIKI_EVENTS_V1", ("qiki.events.v1.>",)),
    StreamDeclaration("QIKI_COMMANDS_V1", ("qiki.commands.v1.>",)),
    StreamDeclaration("QIKI_RESPONSES_V1", ("qiki.responses.v1.>",)),
    StreamDeclaration("QIKI_DLQ_V1", ("qiki.dlq.v1.>", "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>")),
)


class Channel(Spec):
    """One feed published to NATS: the Watch RPC that it is read from, and the subject that it is written to."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    type: str
    rpc: str
    subject: str
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

    @field_validator("subject")
    @classmethod
    def _check_subject(cls, subject: str) -> str:
        if not _SUBJECT.match(subject) or len(subject) > _MAX_SUBJECT_CHARACTERS:
            raise ValueError(
                f"{subject!r} is no NATS subject to publish on: names of A-Z, a-z, 0-9, `_` and `-`, "
                f"joined by single dots, at most {_MAX_SUBJECT_CHARACTERS} characters in all"
            )
        return subject

    @field_validator("stream")
    @classmethod
    def _check_stream(cls, name: str) -> str:
        if name not in [stream.name for stream in STREAMS]:
            declared = ", ".join(stream.name for stream in STREAMS)
            raise ValueError(f"unbound channel: no stream {name!r} is declared (declared: {declared})")
        return name

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems: list[tuple[Loc, str]] = []
        payload_type = find_method(self.rpc).payload_type
        if payload_type != self.type:
            problems.append((("type",), f"{self.rpc!r} streams {payload_type!r}, not {self.type!r}"))
        stream = next(stream for stream in STREAMS if stream.name == self.stream)
        if not any(subject_matches(pattern, self.subject) for pattern in stream.subjects):
            held = ", ".join(stream.subjects)
            problems.append((("subject",), f"{self.subject!r} is not in stream {stream.name!r}, which holds {held}"))
        refuse("Channel", problems)
        return self


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


def subject_matches(pattern: str, subject: str) -> bool:
    """Return whether NATS would deliver `subject` to `pattern`: `*` is one token, a final `>` is one or more."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))


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
