"""Conversion between the protocol's messages and the domain's events, records and queries."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from mesh.clock import to_timestamp
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, EventsFilter, ForeignEvent, Receipt
from qiki_sdk.codes import MAX_EVENT_BYTES, Severity
from svc_registrar import event_json
from svc_registrar.domain.audit_record import (
    AuditRecord,
    Instant,
    InvalidEventError,
    check,
    check_code,
    check_instant,
    check_reporter,
)
from svc_registrar.domain.foreign_record import ForeignRecord, check_foreign
from svc_registrar.domain.index import Entry, Query
from svc_registrar.domain.lines import Line
from svc_registrar.log.log import Codec

MAX_FILTER_ITEMS = 100
MAX_TEXT_CHARACTERS = 100
_NS_PER_S = 1_000_000_000
_FIRST_NS, _LAST_NS = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Submission:
    """A checked event, ready to be recorded: `body` is the event serialized, `content` that of its line."""

    event: AuditEvent
    entry: Entry
    body: bytes
    content: bytes

    @property
    def event_id(self) -> bytes:
        """The 16 bytes of the event's id."""
        return self.entry.event_id


def to_submission(event: AuditEvent) -> Submission:
    """Check an event and return it in its stored form.

    Raises:
        InvalidEventError: an invalid field; an empty name means the event as a whole.
    """
    if (size := event.ByteSize()) > MAX_EVENT_BYTES:
        raise InvalidEventError("", f"has {size} bytes, at most {MAX_EVENT_BYTES} are taken")
    check(_to_record(event))
    check_foreign(event.code, _to_foreign(event.foreign_event) if event.HasField("foreign_event") else None)
    body = event.SerializeToString(deterministic=True)
    return Submission(event, entry_of(event), body, event_json.to_content(event, body))


def is_same(submitted: AuditEvent, recorded: AuditEvent) -> bool:
    """Return whether two events are equal except for when and in which trace they were reported, and their number."""
    return _compared(submitted) == _compared(recorded)


def _compared(event: AuditEvent) -> bytes:
    content = AuditEvent()
    content.CopyFrom(event)
    content.ClearField("reported_time")
    content.ClearField("traceparent")
    content.ClearField("producer_epoch")
    content.ClearField("producer_sequence")
    return content.SerializeToString(deterministic=True)


def entry_of(event: AuditEvent) -> Entry:
    """Return the index entry of an event."""
    return Entry(uuid.UUID(event.event_id).bytes, event.code, event.severity, event.reporter)


def _entry(line: Line) -> Entry:
    return entry_of(event_json.from_line(line)[0])


def _content(body: bytes) -> bytes:
    return event_json.to_content(AuditEvent.FromString(body), body)


CODEC = Codec(_content, _entry)


def to_receipt(event_id: str, sequence: int, recorded_ns: int, body: bytes, leaf: bytes) -> Receipt:
    """Return the receipt of a recorded event."""
    return Receipt(
        event_id=event_id,
        sequence=sequence,
        digest=hashlib.sha256(body).digest(),
        recorded_time=to_timestamp(recorded_ns),
        leaf_hash=leaf,
    )


def to_query(wanted: EventsFilter) -> Query | None:
    """Return the query of a filter, or None if it excludes nothing.

    Raises:
        InvalidEventError: an invalid field of the filter.
    """
    if wanted.min_severity and wanted.min_severity not in [int(item) for item in Severity]:
        raise InvalidEventError("filter.min_severity", f"{wanted.min_severity} is not known")
    for field, items in (("filter.codes", wanted.codes), ("filter.reporters", wanted.reporters)):
        if len(items) > MAX_FILTER_ITEMS:
            raise InvalidEventError(field, f"holds {len(items)}, at most {MAX_FILTER_ITEMS} are taken")
    if len(wanted.text) > MAX_TEXT_CHARACTERS:
        size = len(wanted.text)
        raise InvalidEventError("filter.text", f"has {size} characters, at most {MAX_TEXT_CHARACTERS} are taken")
    if wanted.max_code and wanted.max_code < wanted.min_code:
        raise InvalidEventError("filter.max_code", f"is {wanted.max_code}, below min_code, which is {wanted.min_code}")
    _check_each(wanted.codes, wanted.reporters)
    query = Query(
        codes=frozenset(wanted.codes),
        min_severity=wanted.min_severity,
        reporters=frozenset(wanted.reporters),
        recorded_from_ns=_bound_ns(wanted, "recorded_from"),
        recorded_before_ns=_bound_ns(wanted, "recorded_before"),
        min_code=wanted.min_code,
        max_code=wanted.max_code,
        text=wanted.text.casefold(),
    )
    return None if query == Query() else query


def has_text(event: AuditEvent, text: str) -> bool:
    """Return whether the message, or the value of an attribute, contains a text, which is in lower case."""
    return text in event.message.casefold() or any(text in item.value.casefold() for item in event.attributes)


def _check_each(codes: Sequence[int], reporters: Sequence[str]) -> None:
    for index, code in enumerate(codes):
        check_code(f"filter.codes[{index}]", code)
    for index, reporter in enumerate(reporters):
        check_reporter(f"filter.reporters[{index}]", reporter)


def _bound_ns(wanted: EventsFilter, field: str) -> int | None:
    if not wanted.HasField(field):  # type: ignore[arg-type]  # one of the filter's two times
        return None
    instant = _to_instant(getattr(wanted, field))
    check_instant(f"filter.{field}", instant)
    # No record is beyond the range of 64 bits of nanoseconds: the years 1677 to 2262.
    return min(max(instant.seconds * _NS_PER_S + instant.nanos, _FIRST_NS), _LAST_NS)


def _to_record(event: AuditEvent) -> AuditRecord:
    return AuditRecord(
        schema_version=event.schema_version,
        event_id=event.event_id,
        code=event.code,
        name=event.name,
        severity=event.severity,
        reporter=event.reporter,
        simulation_time=_to_instant(event.simulation_time) if event.HasField("simulation_time") else None,
        reported_time=_to_instant(event.reported_time) if event.HasField("reported_time") else None,
        run_id=event.run_id,
        message=event.message,
        attributes=[(item.name, item.value) for item in event.attributes],
        traceparent=event.traceparent,
        producer_epoch=event.producer_epoch,
        producer_sequence=event.producer_sequence,
    )


def _to_foreign(event: ForeignEvent) -> ForeignRecord:
    required = (("bus_subject", event.bus_subject), ("id", event.id), ("source", event.source), ("type", event.type))
    attributes = [(item.name, item.value) for item in event.attributes]
    return ForeignRecord(required, attributes, len(event.data), event.data_size_bytes, len(event.data_digest))


def _to_instant(timestamp: Timestamp) -> Instant:
    return Instant(timestamp.seconds, timestamp.nanos)
