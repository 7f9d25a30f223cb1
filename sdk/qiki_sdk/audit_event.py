"""How an audit event is made: named, cut to its bounds, ready to be sent as often as it takes."""

import time
import uuid
from collections.abc import Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from qiki.registrar.v1.registrar_service_pb2 import Attribute, AuditEvent
from qiki_sdk.codes import MAX_ATTRIBUTE_VALUE_CHARACTERS, MAX_MESSAGE_CHARACTERS, SCHEMA_VERSION, Code

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
) -> AuditEvent:
    """Return an event of now. Over-long text is cut, and says so by an ellipsis.

    Args:
        reporter: who reports it, such as `svc_sim`.
        code: what happened.
        message: one sentence for a person; empty: the code's meaning.
        simulation_time: when it happened in the run, where there is such a time.
        run_id: the run it belongs to; empty for none.
        key: names the event within the run and the reporter: to report it again, also after a restart, is then
            recognised as a repetition. Empty: the event is a new one.
        attributes: further facts by name.
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
    )


def _event_id(reporter: str, run_id: str, key: str) -> uuid.UUID:
    if not key:
        return uuid.uuid4()
    return uuid.uuid5(uuid.UUID(run_id) if run_id else _NO_RUN, f"audit/{reporter}/{key}")


def _fitting(text: str, most: int) -> str:
    """Return the text without what no text on the wire may hold (lone surrogates, control characters), and cut."""
    shown = text
    if not text.isprintable():
        clean = text.encode("utf-8", "replace").decode()
        shown = "".join(character if character.isprintable() or character in "\n\t" else " " for character in clean)
    return shown if len(shown) <= most else shown[: most - len(_CUT)] + _CUT
