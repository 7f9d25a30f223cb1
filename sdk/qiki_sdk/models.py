"""Pydantic models of an audit event and of its codes, for those who build events in Python: `qiki-sdk[models]`.

The client itself does not need Pydantic, and imports nothing from here.
"""

import time
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from qiki.registrar.v1.registrar_service_pb2 import Attribute, AuditEvent
from qiki_sdk.codes import (
    ALL,
    BY_NUMBER,
    MAX_ATTRIBUTE_NAME_CHARACTERS,
    MAX_ATTRIBUTE_VALUE_CHARACTERS,
    MAX_ATTRIBUTES,
    MAX_MESSAGE_CHARACTERS,
    MAX_REPORTER_CHARACTERS,
    SCHEMA_VERSION,
    Code,
    Severity,
)

_CONTROL = "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f"
Reporter = Annotated[
    str, StringConstraints(pattern=rf"^[A-Za-z0-9][A-Za-z0-9_\-./]{{0,{MAX_REPORTER_CHARACTERS - 1}}}\z")
]
AttributeName = Annotated[
    str, StringConstraints(pattern=rf"^[A-Za-z][A-Za-z0-9_\-.]{{0,{MAX_ATTRIBUTE_NAME_CHARACTERS - 1}}}\z")
]
AttributeValue = Annotated[
    str, StringConstraints(max_length=MAX_ATTRIBUTE_VALUE_CHARACTERS, pattern=rf"^[^{_CONTROL}]*\z")
]
Message = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_MESSAGE_CHARACTERS, pattern=rf"^[^{_CONTROL}]*\z")
]
Traceparent = Annotated[str, StringConstraints(pattern=r"^(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})?\z")]


class CodeModel(BaseModel):
    """One code of the audit trail."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(ge=100, le=999)
    name: str
    severity: Severity
    meaning: str
    remedy: str

    @classmethod
    def of(cls, code: Code) -> Self:
        """Return the model of a code."""
        return cls(number=code.number, name=code.name, severity=code.severity, meaning=code.meaning, remedy=code.remedy)


CODES: tuple[CodeModel, ...] = tuple(CodeModel.of(code) for code in ALL)


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


class AuditEventModel(BaseModel):
    """An audit event with the registrar's rules: what validates here, the registrar records.

    Name, severity and message follow from the code where they are not given; id and time are new.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: int
    reporter: Reporter
    name: str = ""
    severity: Severity | None = None
    message: Message = ""
    attributes: dict[AttributeName, AttributeValue] = Field(default_factory=dict, max_length=MAX_ATTRIBUTES)
    event_id: uuid.UUID = Field(default_factory=uuid.uuid4)
    run_id: uuid.UUID | None = None
    simulation_time: AwareDatetime | None = None
    reported_time: AwareDatetime = Field(default_factory=_now)
    traceparent: Traceparent = ""

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: Any) -> Any:
        """Take name, severity and message from the code, which must be known."""
        if not isinstance(given, dict):
            return given
        number = given.get("code")
        code = number if isinstance(number, Code) else BY_NUMBER.get(number) if isinstance(number, int) else None
        if code is None:
            raise ValueError(f"code: {number!r} is not a known code")
        if (name := given.get("name") or code.name) != code.name:
            raise ValueError(f"name: {name!r} is not the name of code {code.number}, which is {code.name!r}")
        defaults = {"severity": code.severity, "message": code.meaning}
        filled = {field: given.get(field) or default for field, default in defaults.items()}
        return {**given, **filled, "code": code.number, "name": code.name}

    def to_message(self) -> AuditEvent:
        """Return the event as the API's message."""
        assert self.severity is not None, "filled in"
        event = AuditEvent(
            schema_version=SCHEMA_VERSION,
            event_id=str(self.event_id),
            code=self.code,
            name=self.name,
            severity=int(self.severity),  # type: ignore[arg-type]  # the numbers are those on the wire
            reporter=self.reporter,
            reported_time=_timestamp(self.reported_time),
            run_id=str(self.run_id) if self.run_id else "",
            message=self.message,
            attributes=[Attribute(name=name, value=value) for name, value in sorted(self.attributes.items())],
            traceparent=self.traceparent,
        )
        if self.simulation_time is not None:
            event.simulation_time.CopyFrom(_timestamp(self.simulation_time))
        return event

    def to_json(self) -> str:
        """Return the event as the JSON of the API's message: the payload of a CloudEvent for the bus."""
        return json_format.MessageToJson(self.to_message(), preserving_proto_field_name=True, indent=None)

    @classmethod
    def of(cls, event: AuditEvent) -> Self:
        """Return the model of a message.

        Raises:
            ValidationError: it breaks a rule.
        """
        return cls.model_validate(
            {
                "code": event.code,
                "reporter": event.reporter,
                "name": event.name,
                "severity": int(event.severity),
                "message": event.message,
                "attributes": {item.name: item.value for item in event.attributes},
                "event_id": event.event_id,
                "run_id": event.run_id or None,
                "simulation_time": _datetime(event.simulation_time) if event.HasField("simulation_time") else None,
                "reported_time": _datetime(event.reported_time),
                "traceparent": event.traceparent,
            }
        )


def _timestamp(instant: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp


def _datetime(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
