"""Rules of an audit event, each naming its field. Pure."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from qiki_sdk.codes import (
    BY_NUMBER,
    MAX_ATTRIBUTE_NAME_CHARACTERS,
    MAX_ATTRIBUTE_VALUE_CHARACTERS,
    MAX_ATTRIBUTES,
    MAX_MESSAGE_CHARACTERS,
    MAX_REPORTER_CHARACTERS,
    SCHEMA_VERSION,
    Severity,
)

# 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z: the range of a protobuf timestamp.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_NS_PER_S = 1_000_000_000
# https://www.w3.org/TR/trace-context/: neither the trace's nor the span's id may be all zeros.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_REPORTER = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_\-./]{{0,{MAX_REPORTER_CHARACTERS - 1}}}")
_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_\-.]{{0,{MAX_ATTRIBUTE_NAME_CHARACTERS - 1}}}")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SHOWN_CHARACTERS = 80


class InvalidEventError(ValueError):
    """A field of an event breaks a rule."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Instant:
    """A wall-clock or simulation time as received: seconds since the Unix epoch, and nanoseconds."""

    seconds: int
    nanos: int


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An audit event as received."""

    schema_version: int
    event_id: str
    code: int
    name: str
    severity: int
    reporter: str
    simulation_time: Instant | None
    reported_time: Instant | None
    run_id: str
    message: str
    attributes: Sequence[tuple[str, str]]
    traceparent: str
    producer_epoch: str
    producer_sequence: int


def check(record: AuditRecord) -> None:
    """Check an event.

    Raises:
        InvalidEventError: the first rule that the event breaks.
    """
    if record.schema_version != SCHEMA_VERSION:
        raise InvalidEventError("schema_version", f"is {record.schema_version}, known is {SCHEMA_VERSION}")
    check_uuid("event_id", record.event_id)
    _check_code(record)
    _check_severity(record.severity)
    check_reporter("reporter", record.reporter)
    if record.simulation_time is not None:
        check_instant("simulation_time", record.simulation_time)
    if record.reported_time is None:
        raise InvalidEventError("reported_time", "is missing")
    check_instant("reported_time", record.reported_time)
    if record.run_id:
        check_uuid("run_id", record.run_id)
    if not record.message:
        raise InvalidEventError("message", "is empty")
    _check_text("message", record.message, MAX_MESSAGE_CHARACTERS)
    _check_attributes(record.attributes)
    if record.traceparent and not _TRACEPARENT.fullmatch(record.traceparent):
        raise InvalidEventError("traceparent", f"{_shown(record.traceparent)} is not a W3C trace context of version 00")
    if record.producer_epoch:
        check_uuid("producer_epoch", record.producer_epoch)
    elif record.producer_sequence:
        raise InvalidEventError("producer_sequence", f"is {record.producer_sequence} without a producer_epoch")


def check_uuid(field: str, text: str) -> None:
    """Check that a text is a UUID in its canonical form; raises InvalidEventError."""
    try:
        canonical = str(uuid.UUID(text)) == text
    except ValueError:
        canonical = False
    if not canonical:
        raise InvalidEventError(field, f"{_shown(text)} is not a UUID in its canonical lower-case form")


def check_code(field: str, code: int) -> None:
    """Check that a code is known; raises InvalidEventError."""
    if code not in BY_NUMBER:
        raise InvalidEventError(field, f"{code} is not a known code; codes are 100 to 999")


def check_reporter(field: str, reporter: str) -> None:
    """Check that a reporter's name is valid; raises InvalidEventError."""
    if not _REPORTER.fullmatch(reporter):
        allowed = f"1 to {MAX_REPORTER_CHARACTERS} characters A-Z a-z 0-9 _ - . /, the first of them A-Z a-z 0-9"
        raise InvalidEventError(field, f"{_shown(reporter)} is not {allowed}")


def check_instant(field: str, instant: Instant) -> None:
    """Check that a time is in the years 1 to 9999; raises InvalidEventError."""
    if not _FIRST_SECOND <= instant.seconds <= _LAST_SECOND:
        raise InvalidEventError(field, f"seconds is {instant.seconds}, outside the years 1 to 9999")
    if not 0 <= instant.nanos < _NS_PER_S:
        raise InvalidEventError(field, f"nanos is {instant.nanos}, not in 0..999999999")


def _check_code(record: AuditRecord) -> None:
    check_code("code", record.code)
    name = BY_NUMBER[record.code].name
    if record.name != name:
        raise InvalidEventError(
            "name", f"{_shown(record.name)} is not the name of code {record.code}, which is {name!r}"
        )


def _check_severity(severity: int) -> None:
    known = [int(item) for item in Severity]
    if severity not in known:
        raise InvalidEventError("severity", f"{severity} is not one of {known[0]} to {known[-1]}")


def _check_attributes(attributes: Sequence[tuple[str, str]]) -> None:
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidEventError("attributes", f"holds {len(attributes)}, at most {MAX_ATTRIBUTES} are taken")
    for index, (name, value) in enumerate(attributes):
        field = f"attributes[{index}]"
        if not _NAME.fullmatch(name):
            allowed = f"1 to {MAX_ATTRIBUTE_NAME_CHARACTERS} characters A-Z a-z 0-9 _ - ., the first of them A-Z a-z"
            raise InvalidEventError(f"{field}.name", f"{_shown(name)} is not {allowed}")
        if index and name <= attributes[index - 1][0]:
            raise InvalidEventError(
                f"{field}.name", f"{name!r} does not follow {attributes[index - 1][0]!r}: sort, each once"
            )
        _check_text(f"{field}.value", value, MAX_ATTRIBUTE_VALUE_CHARACTERS)


def _check_text(field: str, text: str, most: int) -> None:
    if len(text) > most:
        raise InvalidEventError(field, f"has {len(text)} characters, at most {most} are taken")
    if found := _CONTROL.search(text):
        raise InvalidEventError(field, f"holds the control character {found.group()!r} at {found.start()}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")
