"""Checks of the audit subject: every service has started, and the sensors work."""

from collections.abc import Iterator

from bus import Message
from contract import decode, header_problems, instant, order_problems, same

from qiki.registrar.v1.registrar_service_pb2 import AuditEvent

REPORTERS = ("svc_sim", "svc_radar", "svc_tracker", "svc_registrar", "bridge", "archive")


class AuditTrail:
    """The first recorded events, until every service has reported its start and the simulator its sensors."""

    subject = "qiki.events.v1.audit"

    def __init__(self) -> None:
        self.events: list[tuple[Message, AuditEvent]] = []
        self._wanted = {*(("BOOT_OK", reporter) for reporter in REPORTERS), ("SENSOR_IO_OK", "svc_sim")}

    def take(self, message: Message) -> None:
        """Keep the event."""
        event = decode(message, AuditEvent)
        self.events.append((message, event))
        self._wanted.discard((event.name, event.reporter))

    def missing(self) -> str:
        """Return the events that are still missing."""
        return ", ".join(f"{name} of {reporter}" for name, reporter in sorted(self._wanted))

    def problems(self) -> Iterator[str]:
        """Check headers, ids and order of the found events; yield each difference."""
        for message, event in self.events:
            yield from header_problems(message, "audit", AuditEvent)
            yield from same(message, "event_id", event.event_id, message.headers.get("ce-id"))
            yield from same(message, "ce-subject", message.headers.get("ce-subject"), event.reporter)
            yield from same(message, "ce-time", instant(message, "ce-time"), event.reported_time)
        yield from order_problems([message for message, _ in self.events])
