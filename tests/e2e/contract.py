"""The contract of every message on the bus: its CloudEvents headers, their aliases, and the order."""

import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

from bus import Message
from google.protobuf import message as protobuf
from google.protobuf.timestamp_pb2 import Timestamp
from outcome import SmokeError

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"
TRACEPARENT = r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
HEADER_FORMS = {
    "ce-specversion": r"1\.0",
    "ce-id": UUID,
    "ce-subject": r"[!-~]+",
    "ce-time": INSTANT,
    "ce-sequence": r"\d{20}",
    "ce-datacontenttype": r"application/protobuf",
    "ce-traceparent": TRACEPARENT,
    "ce-recordedtime": INSTANT,
    "ce-run": UUID,
    "ce-runcreated": INSTANT,
    "traceparent": TRACEPARENT,
    "qiki-resume-token": r"\S+",
}
TIMES = ("ce-time", "ce-recordedtime", "ce-runcreated")
# alias -> header
ALIASES = {
    "ce_id": "ce-id",
    "Nats-Msg-Id": "ce-id",
    "ce_type": "ce-type",
    "ce_source": "ce-source",
    "ce_time": "ce-time",
}
P = TypeVar("P", bound=protobuf.Message)


def header_problems(message: Message, feed: str, payload_type: type[protobuf.Message]) -> Iterator[str]:
    """Check a message's headers against the contract of its feed; yield each difference."""
    headers, name_of_type = message.headers, payload_type.DESCRIPTOR.full_name
    forms = HEADER_FORMS | {
        "ce-type": re.escape(name_of_type),
        "ce-dataschema": re.escape(f"proto:{name_of_type}"),
        "ce-source": rf"/qiki/[a-z0-9-]+/{re.escape(headers.get('ce-run', ''))}/{feed}",
    }
    at = f"{message.subject} {message.sequence}"
    for name, form in forms.items():
        if not re.fullmatch(form, headers.get(name, ""), re.ASCII):
            yield f"{at}: header {name} is {headers.get(name)!r}, not of the form {form}"
    for alias, name in ALIASES.items():
        if (feed, alias) == ("audit", "Nats-Msg-Id"):  # a record's id may be a message id on the stream before
            continue
        if headers.get(alias) != headers.get(name):
            yield f"{at}: header {alias} is {headers.get(alias)!r}, but {name} is {headers.get(name)!r}"
    for name in TIMES:
        if instant(message, name) is None:
            yield f"{at}: header {name} is no time: {headers.get(name)!r}"


def order_problems(messages: Sequence[Message]) -> Iterator[str]:
    """Check the order of a subject of a new mesh: sequences contiguous from 1, of one source."""
    if [message.sequence for message in messages] != [f"{number:020d}" for number in range(1, len(messages) + 1)]:
        found = ", ".join(message.sequence.lstrip("0") for message in messages)
        yield f"{messages[0].subject}: the sequences are not contiguous from 1: {found}"
    if len(sources := {message.headers.get("ce-source") for message in messages}) != 1:
        yield f"{messages[0].subject}: events of more than one source: {sources}"


def same(message: Message, what: str, found: object, expected: object) -> Iterator[str]:
    """Yield the difference between the two values, if any."""
    if found != expected:
        yield f"{message.subject} {message.sequence}: {what} is {found!r}, expected {expected!r}"


def instant(message: Message, name: str) -> Timestamp | None:
    """Return the time in a header, None if it holds none."""
    found = Timestamp()
    try:
        found.FromJsonString(message.headers.get(name, ""))
    except ValueError:
        return None
    return found


def trace_id(message: Message) -> str:
    """Return the event's trace id; empty if it has none."""
    return "".join(message.headers.get("ce-traceparent", "").split("-")[1:2])


def decode(message: Message, payload_type: type[P]) -> P:
    """Return the payload. Raises SmokeError if it is not of this type."""
    try:
        return payload_type.FromString(message.payload)
    except protobuf.DecodeError as error:
        kind = payload_type.DESCRIPTOR.name
        raise SmokeError(f"{message.subject} {message.sequence}: the payload is no {kind}: {error}") from error
