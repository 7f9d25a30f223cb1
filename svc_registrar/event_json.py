"""An audit event as the JSON of a line, by proto3's JSON mapping with the proto's field names, and back to its bytes.

The mapping covers the kinds of fields that the event has: text, numbers, bytes, enums, times, messages and lists.
"""

import base64
import json
import re
from calendar import timegm
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from svc_registrar.domain.lines import Line, time_text

_TIMESTAMP = "google.protobuf.Timestamp"
_NS_PER_S = 1_000_000_000
_TIME = re.compile(r"(.{19})(?:\.(\d{1,9}))?Z")
_WIDE = frozenset({FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64})
_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def to_content(event: AuditEvent, body: bytes) -> bytes:
    """Return the content of an event's line; `body` is the event, serialized.

    Fields that this version does not know have no JSON: then the bytes are kept beside it as `wire`, in base64.
    """
    text = _ENCODE(_to_json(event))
    known = AuditEvent()
    known.CopyFrom(event)
    known.DiscardUnknownFields()
    if known.ByteSize() == len(body):
        return f'"event":{text}'.encode()
    return f'"event":{text},"wire":"{base64.b64encode(body).decode()}"'.encode()


def from_line(line: Line) -> tuple[AuditEvent, bytes]:
    """Return the event of a line, and its serialized bytes exactly as they were submitted."""
    found = json.loads(b"{" + line.content + b"}")
    if "wire" in found:
        body = base64.b64decode(found["wire"])
        return AuditEvent.FromString(body), body
    event = AuditEvent(**_from_json(AuditEvent.DESCRIPTOR, found["event"]))
    return event, event.SerializeToString(deterministic=True)


def _to_json(message: Message) -> dict[str, Any]:
    found = {}
    for field, value in message.ListFields():
        name, write = _writer(field)
        found[name] = write(value)
    return found


def _from_json(descriptor: Descriptor, values: dict[str, Any]) -> dict[str, Any]:
    fields = descriptor.fields_by_name
    return {name: _reader(fields[name])(value) for name, value in values.items()}


@cache
def _writer(field: FieldDescriptor) -> tuple[str, Callable[[Any], Any]]:
    one = _one_writer(field)
    return field.name, (lambda values: [one(value) for value in values]) if field.is_repeated else one


@cache
def _reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    one = _one_reader(field)
    return (lambda values: [one(value) for value in values]) if field.is_repeated else one


def _one_writer(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.message_type is not None:
        return _time_json if field.message_type.full_name == _TIMESTAMP else _to_json
    if field.enum_type is not None:
        names = {number: item.name for number, item in field.enum_type.values_by_number.items()}
        return lambda value: names.get(value, value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode()
    return str if field.cpp_type in _WIDE else _same


def _one_reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.message_type is not None:
        descriptor = field.message_type
        return _json_time if descriptor.full_name == _TIMESTAMP else lambda value: _from_json(descriptor, value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64decode
    return int if field.cpp_type in _WIDE else _same


def _same(value: Any) -> Any:
    return value


def _time_json(value: Any) -> str:
    """Return a time with nanoseconds: always nine digits, so that text sorts as time does."""
    return time_text(value.seconds * _NS_PER_S + value.nanos).decode()


def _json_time(text: str) -> dict[str, int]:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time in UTC")
    seconds = timegm(datetime.fromisoformat(found[1]).timetuple())
    return {"seconds": seconds, "nanos": int((found[2] or "0").ljust(9, "0"))}
