"""Structured content mode: a whole CloudEvent in the message's payload, in the JSON or the Protobuf format. Pure.

Sources: CloudEvents 1.0, JSON Event Format and Protobuf Event Format. Both are read into the attributes and the payload
that the binary mode has in headers and body.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from qiki.cloudevents.v1.cloud_event_pb2 import CloudEvent, CloudEventAttributeValue

JSON_FORMAT = "application/cloudevents+json"
PROTOBUF_FORMAT = "application/cloudevents+protobuf"
_NAME = re.compile(r"[a-z0-9]+")
_NOT_ATTRIBUTES = frozenset({"data", "data_base64"})


class StructuredError(ValueError):
    """A payload that is not an event in its format; the text names the attribute, where it is one."""


@dataclass(frozen=True, slots=True)
class StructuredEvent:
    """The attributes by name, each as text, and the payload; `content_type` is empty where the event has none."""

    attributes: Mapping[str, str]
    data: bytes

    @property
    def content_type(self) -> str:
        """The attribute `datacontenttype`."""
        return self.attributes.get("datacontenttype", "")


def read_json(body: bytes) -> StructuredEvent:
    """Read an event in the JSON format.

    Raises:
        StructuredError: it is not one.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:  # also bytes that are not UTF-8
        raise StructuredError(f"the payload is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise StructuredError("the payload is not a JSON object")
    attributes = {
        name: _json_value(name, value)
        for name, value in fields.items()
        if name not in _NOT_ATTRIBUTES and value is not None
    }
    return StructuredEvent(_checked(attributes), _json_data(fields, attributes.get("datacontenttype", "")))


def read_protobuf(body: bytes) -> StructuredEvent:
    """Read an event in the Protobuf format; a payload that is a message is its serialized bytes.

    Raises:
        StructuredError: it is not one.
    """
    try:
        event = CloudEvent.FromString(body)
    except DecodeError as error:
        raise StructuredError(f"the payload is not a CloudEvent in protobuf: {error}") from error
    required = {"id": event.id, "source": event.source, "specversion": event.spec_version, "type": event.type}
    attributes = {name: _protobuf_value(value) for name, value in event.attributes.items()}
    kind = event.WhichOneof("data")
    if kind == "proto_data":
        data = event.proto_data.value
        attributes.setdefault("datacontenttype", "application/protobuf")
    else:
        data = event.text_data.encode() if kind == "text_data" else event.binary_data
    return StructuredEvent(_checked(attributes | {name: value for name, value in required.items() if value}), data)


def _checked(attributes: Mapping[str, str]) -> Mapping[str, str]:
    for name in attributes:
        if not _NAME.fullmatch(name):
            raise StructuredError(f"attribute {name!r}: a name has lower-case characters and digits alone")
    return attributes


def _json_value(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    raise StructuredError(f"attribute {name!r}: a value is text, a boolean or an integer")


def _json_data(fields: Mapping[str, Any], content_type: str) -> bytes:
    """Return the payload: as it was, where it is text or encoded; a JSON value is serialized again, without spaces."""
    if "data_base64" in fields:
        try:
            return base64.b64decode(fields["data_base64"], validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise StructuredError(f"data_base64: not base64: {error}") from error
    data = fields.get("data")
    kind = content_type.partition(";")[0].strip().lower()
    is_json = not kind or kind == "application/json" or kind.endswith("+json")
    if isinstance(data, str) and not is_json:
        return data.encode("utf-8", "surrogatepass")
    if data is None and "data" not in fields:
        return b""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _protobuf_value(value: CloudEventAttributeValue) -> str:
    kind = value.WhichOneof("attr")
    if kind == "ce_boolean":
        return str(value.ce_boolean).lower()
    if kind == "ce_integer":
        return str(value.ce_integer)
    if kind == "ce_bytes":
        return base64.b64encode(value.ce_bytes).decode()
    if kind == "ce_timestamp":
        return value.ce_timestamp.ToJsonString()
    return value.ce_string or value.ce_uri or value.ce_uri_ref
