"""A reporter that records audit events during all faults and keeps every receipt, and a check of the audit trail."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from chain import Stored, read_audit
from chaos.arena import Arena
from mesh.tasks import raise_if_cancelled
from qiki.registrar.v1.registrar_service_pb2 import (
    AuditEvent,
    ListEventsRequest,
    Receipt,
    RecordedEvent,
    RecordEventsRequest,
)
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.audit_event import make_event
from qiki_sdk.channel import connect
from qiki_sdk.codes import BOOT_OK

if TYPE_CHECKING:  # the generated stub exists for the type checker alone
    from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceAsyncStub

PERIOD_S = 0.2
CALL_TIMEOUT_S = 2.0
PAGE_SIZE = 1000
MAX_PAGES = 1000


@dataclass(slots=True)
class Witness:
    """Reports one event after another; sends the same again until there is a receipt for it."""

    arena: Arena
    receipts: list[Receipt] = field(default_factory=list)

    async def run(self) -> None:
        """Report until cancelled."""
        target = f"127.0.0.1:{self.arena.mesh.ports['registrar']}"
        async with connect(target) as channel:
            stub: RegistrarServiceAsyncStub = RegistrarServiceStub(channel)
            while True:
                await self._report(stub, make_event("witness", BOOT_OK, f"fact {len(self.receipts) + 1}"))
                await asyncio.sleep(PERIOD_S)

    async def _report(self, stub: "RegistrarServiceAsyncStub", event: AuditEvent) -> None:
        while True:  # until it is cancelled: the registrar is away for any time
            raise_if_cancelled()
            try:
                answer = await stub.RecordEvents(RecordEventsRequest(events=[event]), timeout=CALL_TIMEOUT_S)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(PERIOD_S)
                continue
            self.receipts.append(answer.results[0].receipt)
            return


async def list_events(arena: Arena) -> list[RecordedEvent]:
    """Return the whole audit trail, oldest first, as the registrar lists it."""
    found: list[RecordedEvent] = []
    async with connect(f"127.0.0.1:{arena.mesh.ports['registrar']}") as channel:
        stub: RegistrarServiceAsyncStub = RegistrarServiceStub(channel)
        token = ""
        for _ in range(MAX_PAGES):
            page = await stub.ListEvents(ListEventsRequest(page_size=PAGE_SIZE, resume_token=token), timeout=10)
            found += page.events
            token = page.resume_token
            if page.complete:
                return found
    raise AssertionError(f"the record has more than {MAX_PAGES} pages")


async def audit_difference(arena: Arena, receipts: list[Receipt]) -> str:
    """Return the first disagreement of receipts, audit trail and bus; empty if they agree."""
    bus = await read_audit(arena.mesh)
    record = await list_events(arena)
    return compare_audit(bus, record, receipts)


def compare_audit(bus: list[Stored], record: list[RecordedEvent], receipts: list[Receipt]) -> str:
    """Return the first difference: the bus must hold the whole trail in order, and the trail each receipt once."""
    for place, message in enumerate(bus, start=1):
        if int(message.headers["ce-sequence"]) != place:
            return f"audit: message {place} on the bus has the sequence {message.headers['ce-sequence']}"
    on_bus = [AuditEvent.FromString(message.data) for message in bus]
    for place, recorded in enumerate(record[: len(on_bus)], start=1):
        if recorded.receipt.sequence != place or recorded.audit_event != on_bus[place - 1]:
            return f"audit: event {place} of the record is not message {place} on the bus"
    ids = [event.event_id for event in on_bus]
    if len(set(ids)) != len(ids):
        return "audit: an event is on the bus twice"
    for receipt in receipts:
        if not 1 <= receipt.sequence <= len(ids) or ids[receipt.sequence - 1] != receipt.event_id:
            return f"audit: the receipt for {receipt.event_id} at {receipt.sequence} does not hold"
    return ""
