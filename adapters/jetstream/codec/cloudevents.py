"""The CloudEvents NATS binary binding: an event's context to message headers and back.

Source: CloudEvents 1.0 NATS Protocol Binding, section 3.1 (binary content mode). Header names are compared exactly as
written, in lower case. Besides the `ce-` headers a message carries the aliases `ce_id`, `ce_type`, `ce_source` and
`ce_time` for readers of an older contract, with the same values.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

from qiki.common.v1 import stream_pb2

CONTENT_TYPE = "application/protobuf"
RESUME_TOKEN = "qiki-resume-token"
TRACEPARENT = "traceparent"
MESSAGE_ID = "Nats-Msg-Id"

_SPEC_VERSION = "1.0"
_ALIASED = ("id", "type", "source", "time")
_SEQUENCE_DIGITS = 20
_SEQUENCE_MAX = 2**64 - 1
_STATUS_LINE = b"NATS/1.0\r\n"

_PLAIN = re.compile(r"[!#$&-~]*")  # U+0021..U+007E without the double quote and the percent sign
_VISIBLE = re.compile(r"[!-~]+")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f]")  # not allowed in a CloudEvents String
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BACKSLASHED = re.compile(r"\\(.)")
_TRIPLET = re.compile(rb"%([0-9A-Fa-f]{2})")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DIGITS = re.compile(r"[0-9]{1,20}")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


class HeaderError(ValueError):
    """A header is missing, contradicts another one or cannot be read; `header` is its name."""

    def __init__(self, header: str, problem: str) -> None:
        super().__init__(f"header {header}: {problem}")
        self.header = header
        self.problem = problem


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The attributes in a message's headers; `content_type` and `resume_token` are empty where it has none."""

    context: stream_pb2.EventContext
    resume_token: str
    content_type: str


def to_headers(context: stream_pb2.EventContext, resume_token: str, hop_traceparent: str | None) -> dict[str, str]:
    """Return the headers of the event's message. Raise `HeaderError` for a context that no reader could parse."""
    if not context.HasField("run_created"):
        raise HeaderError("ce-runcreated", "is missing")
    created = context.run_created
    source = _of_source(context.source, context.type, context.run_id, created.seconds, created.nanos)
    event_id, instant = _encoded("ce-id", _named("ce-id", context.id)), _rfc3339("ce-time", context, "time")
    headers = {
        **source,
        "ce-id": event_id,
        "ce_id": event_id,
        MESSAGE_ID: event_id,
        "ce-time": instant,
        "ce_time": instant,
        "ce-recordedtime": _rfc3339("ce-recordedtime", context, "recorded_time"),
        "ce-sequence": _padded(context.sequence),
        RESUME_TOKEN: _visible(RESUME_TOKEN, resume_token),
    }
    if context.subject:
        headers["ce-subject"] = _encoded("ce-subject", context.subject)
    if context.traceparent:
        headers["ce-traceparent"] = _encoded("ce-traceparent", context.traceparent)
    if context.tracestate:
        headers["ce-tracestate"] = _encoded("ce-tracestate", context.tracestate)
    if hop_traceparent:
        headers[TRACEPARENT] = _visible(TRACEPARENT, hop_traceparent)
    return headers


@lru_cache(maxsize=64)
def _of_source(source: str, type_name: str, run_id: str, created_s: int, created_ns: int) -> Mapping[str, str]:
    """Return the headers common to all events of a source: built once, not for each event."""
    attributes = {
        "specversion": _SPEC_VERSION,
        "type": _named("ce-type", type_name),
        "source": _named("ce-source", source),
        "datacontenttype": CONTENT_TYPE,
        "dataschema": f"proto:{type_name}",
        "run": _named("ce-run", run_id),
        "runcreated": _instant_text("ce-runcreated", created_s, created_ns),
    }
    headers = {f"ce-{name}": _encoded(f"ce-{name}", value) for name, value in attributes.items()}
    return headers | {f"ce_{name}": headers[f"ce-{name}"] for name in ("type", "source")}


def from_headers(headers: Mapping[str, str]) -> ReadContext:
    """Parse the headers of a message that a bridge wrote: every attribute is required except subject and trace.

    Raises `HeaderError`, which names the header, for one that is missing, contradicts its alias or cannot be parsed.
    """
    read = from_foreign_headers(headers)
    for header in ("ce-time", "ce-sequence", "ce-recordedtime", "ce-run", "ce-runcreated", RESUME_TOKEN):
        if not headers.get(header) and not headers.get(_alias(header)):
            raise HeaderError(header, "is missing")
    if read.content_type != CONTENT_TYPE:
        raise HeaderError("ce-datacontenttype", f"is {read.content_type!r}, expected {CONTENT_TYPE}")
    return read


def from_foreign_headers(headers: Mapping[str, str]) -> ReadContext:
    """Parse any CloudEvent: only id, source and type are required, and `ce-specversion` beside a `ce-id`.

    A missing attribute stays unset in the context. Raises `HeaderError` as `from_headers` does.
    """
    if (version := headers.get("ce-specversion")) != _SPEC_VERSION and (version or "ce-id" in headers):
        raise HeaderError("ce-specversion", f"is {version!r}, expected {_SPEC_VERSION}" if version else "is missing")
    context = stream_pb2.EventContext(
        id=_required(headers, "id"),
        source=_required(headers, "source"),
        type=_required(headers, "type"),
        time=_instant(headers, "time"),
        sequence=read_sequence(headers) if "ce-sequence" in headers else 0,
        subject=_attribute(headers, "subject"),
        run_id=_attribute(headers, "run"),
        run_created=_instant(headers, "runcreated"),
        recorded_time=_instant(headers, "recordedtime"),
        traceparent=_attribute(headers, "traceparent"),
        tracestate=_attribute(headers, "tracestate"),
    )
    return ReadContext(context, headers.get(RESUME_TOKEN, ""), _attribute(headers, "datacontenttype"))


def attributes_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return all attributes in a message's headers by name; raises `HeaderError` for one that cannot be decoded."""
    found = {name[3:]: _decoded(headers, name) for name in headers if name.startswith("ce-") and name[3:]}
    aliased = {name: _decoded(headers, f"ce_{name}") for name in _ALIASED if f"ce_{name}" in headers}
    return aliased | found


def read_sequence(headers: Mapping[str, str]) -> int:
    """Return the event's sequence, 1 or more. Raises `HeaderError` where it is missing or invalid."""
    text = headers.get("ce-sequence", "")
    if not text:
        raise HeaderError("ce-sequence", "is missing")
    if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= _SEQUENCE_MAX:
        raise HeaderError("ce-sequence", f"{text!r} is not a number from 1 to {_SEQUENCE_MAX}")
    return int(text)


def header_size(headers: Mapping[str, str]) -> int:
    """Return the length in bytes of the NATS/1.0 header block of these headers."""
    text = "".join([*headers, *map(str.strip, headers.values())])
    size = len(text) if text.isascii() else len(text.encode())
    return len(_STATUS_LINE) + size + len(headers) * len(b": \r\n") + len(b"\r\n")


def size_on_wire(headers: Mapping[str, str], payload: bytes) -> int:
    """Return the bytes that the server compares with `max_payload`: the header block and the payload together."""
    return header_size(headers) + len(payload)


def encode_value(text: str) -> str:
    """Percent-encode an attribute's value (binding, section 3.1.3.2)."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(c if _PLAIN.fullmatch(c) else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)


def decode_value(value: str) -> str:
    """Undo one round of double quotes and percent-encoding. Raises `ValueError` for malformed text."""
    if value.startswith('"'):
        quoted = _QUOTED.fullmatch(value)
        if quoted is None:
            raise ValueError("has an unbalanced double quote")
        value = _BACKSLASHED.sub(r"\1", quoted[1])
    if "%" in value:
        if _BARE_PERCENT.search(value):
            raise ValueError("has a percent sign that two hexadecimal digits do not follow")
        value = _TRIPLET.sub(lambda match: bytes([int(match[1], 16)]), value.encode()).decode()
    if _FORBIDDEN.search(value):
        raise ValueError("has a control character")
    return value


def _named(header: str, value: str) -> str:
    if not value:
        raise HeaderError(header, "is missing")
    return value


def _encoded(header: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if _FORBIDDEN.search(value):
        raise HeaderError(header, "has a control character")
    return encode_value(value)


def _visible(header: str, value: str) -> str:
    if not _VISIBLE.fullmatch(value):
        raise HeaderError(header, f"{value!r} is not one or more visible ASCII characters")
    return value


def _padded(sequence: int) -> str:
    if sequence < 1:
        raise HeaderError("ce-sequence", "is 0, sequences begin at 1")
    return str(sequence).zfill(_SEQUENCE_DIGITS)


def _rfc3339(header: str, context: stream_pb2.EventContext, field: str) -> str:
    if not context.HasField(field):  # type: ignore[arg-type] # the stub lists the names as literals
        raise HeaderError(header, "is missing")
    stamp: Timestamp = getattr(context, field)
    return _instant_text(header, stamp.seconds, stamp.nanos)


def _instant_text(header: str, seconds: int, nanos: int) -> str:
    """Format the time as protobuf's JSON does: a fraction of 0, 3, 6 or 9 digits, and Z."""
    if nanos == 0:
        return _second(header, seconds) + "Z"
    if not 0 < nanos < 1_000_000_000:
        raise HeaderError(header, f"{nanos} nanoseconds are not within a second")
    digits = f"{nanos:09d}"
    if digits.endswith("000"):
        digits = digits[:3] if digits.endswith("000000") else digits[:6]
    return f"{_second(header, seconds)}.{digits}Z"


@lru_cache(maxsize=256)
def _second(header: str, seconds: int) -> str:
    """Format the time without its fraction: most events share their second with the one before."""
    try:
        return Timestamp(seconds=seconds).ToJsonString().removesuffix("Z")
    except ValueError as error:
        raise HeaderError(header, str(error)) from error


def _alias(header: str) -> str:
    return header.replace("ce-", "ce_", 1)


def _attribute(headers: Mapping[str, str], name: str) -> str:
    header, alias = f"ce-{name}", f"ce_{name}"
    first = _decoded(headers, header)
    if name not in _ALIASED or alias not in headers:
        return first
    second = _decoded(headers, alias)
    if first and second and first != second and not (name == "time" and _same_instant(first, second)):
        raise HeaderError(header, f"{first!r} contradicts {alias} {second!r}")
    return first or second


def _decoded(headers: Mapping[str, str], header: str) -> str:
    try:
        return decode_value(headers.get(header, ""))
    except ValueError as error:  # also a UnicodeDecodeError: bytes that are not UTF-8
        raise HeaderError(header, str(error)) from error


def _required(headers: Mapping[str, str], name: str) -> str:
    return _named(f"ce-{name}", _attribute(headers, name))


def _instant(headers: Mapping[str, str], name: str) -> Timestamp | None:
    text = _attribute(headers, name)
    if not text:
        return None
    try:
        return _timestamp(text)
    except ValueError as error:
        raise HeaderError(f"ce-{name}", f"{text!r} is not an RFC 3339 time: {error}") from error


def _same_instant(first: str, second: str) -> bool:
    try:
        return _timestamp(first) == _timestamp(second)
    except ValueError:
        return False


def _timestamp(text: str) -> Timestamp:
    if not _RFC3339.fullmatch(text):  # the protobuf parser alone accepts far more than RFC 3339
        raise ValueError("not of the form YYYY-MM-DDThh:mm:ss[.fraction](Z|+hh:mm)")
    stamp = Timestamp()
    stamp.FromJsonString(text.upper())
    return stamp
