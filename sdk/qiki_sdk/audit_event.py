"""Construction of an audit event: with an id and a time, cut to its limits, ready to be sent any number of times."""

import time
import uuid
from collections.abc import Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from qiki.registrar.v1.registrar_service_pb2 import Attribute, AuditEvent
from qiki_sdk.codes import MAX_ATTRIBUTE_VALUE_CHARACTERS, MAX_MESSAGE_CHARACTERS, SCHEMA_VERSION, Code
from qiki_sdk.tracing import current_traceparent

_NO_RUN = uuid.UUID(int=0)
_CUT = "…"


def make_event(
    reporter: str,
    code: Code,
    message: str,
    *,
    simulation_time: Timestamp | None = None,
    run_id: str = "",
    key: str = "",
    attributes: Mapping[str, object] | None = None,
    traceparent: str = "",
) -> AuditEvent:
    """Return an event with the current time. Text that is too long is cut and ends in an ellipsis.

    Args:
        reporter: the reporter's name, such as `svc_sim`.
        code: the kind of event.
        message: one sentence for a person; empty: the code's meaning.
        simulation_time: the event's time in the run, where there is one.
        run_id: the run it belongs to; empty for none.
        key: names the event within the run and the reporter: a repetition of the report, also after a restart, is then
            recognised. Empty: the event is a new one.
        attributes: further facts by name.
        traceparent: the trace context of what caused it; empty: that of the caller's span, if there is one.
    """
    now_s, now_ns = divmod(time.time_ns(), 1_000_000_000)
    return AuditEvent(
        schema_version=SCHEMA_VERSION,
        event_id=str(_event_id(reporter, run_id, key)),
        code=code.number,
        name=code.name,
        severity=int(code.severity),  # type: ignore[arg-type]  # the numbers are those on the wire
        reporter=reporter,
        simulation_time=simulation_time,
        reported_time=Timestamp(seconds=now_s, nanos=now_ns),
        run_id=run_id,
        message=_fitting(message or code.meaning, MAX_MESSAGE_CHARACTERS),
        attributes=[
            Attribute(name=name, value=_fitting(str(value), MAX_ATTRIBUTE_VALUE_CHARACTERS))
            for name, value in sorted((attributes or {}).items())
        ],
        traceparent=traceparent or current_traceparent(),
    )


def _event_id(reporter: str, run_id: str, key: str) -> uuid.UUID:
    if not key:
        return uuid.uuid4()
    return uuid.uuid5(uuid.UUID(run_id) if run_id else _NO_RUN, f"audit/{reporter}/{key}")


def _fitting(text: str, most: int) -> str:
    """Return the text without characters that no message may contain (lone surrogates, control characters), and cut."""
    shown = text
    if not text.isprintable():
        clean = text.encode("utf-8", "replace").decode()
        shown = "".join(character if character.isprintable() or character in "\n\t" else " " for character in clean)
    return shown if len(shown) <= most else shown[: most - len(_CUT)] + _CUT
