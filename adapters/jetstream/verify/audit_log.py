"""Messages on the audit subject compared with the registrar's log: which of them are records of it."""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError

from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.codec.stored_event import NotABridgesError, StoredEvent, read_stored
from mesh.feeds.token import short_digest
from mesh.folds import upstream
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, ListEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.channel import connect
from qiki_sdk.errors import QikiError

if TYPE_CHECKING:  # the generated stub exists for the type checker alone
    from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceAsyncStub

# Ranges of stream sequences that this process wrote, as many as a full durable may still have to read.
MAX_RANGES = 10_000
_NOT_IN_LOG = frozenset({grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT})


class Standing(Enum):
    """Standing of a message on the audit subject."""

    RECORDED = "is in the log"
    MISSING = "is a bridge's message by its form, and not in the log"
    FOREIGN = "is not a bridge's message"


@dataclass(frozen=True, slots=True)
class Finding:
    """The standing of a message, and why it is not in the log; `event` is None for one that is not a bridge's."""

    standing: Standing
    why: str
    event: StoredEvent | None


class AuditRecords:
    """The records of one registrar's log on the bus; `written` are those that this process has written itself."""

    def __init__(self, registrar_target: str) -> None:
        self._registrar: RegistrarServiceAsyncStub = RegistrarServiceStub(connect(registrar_target))
        self.written = WrittenRecords()

    async def look_up(self, message: StoredMessage) -> Finding:
        """Return the standing of a message.

        A token names log, sequence and payload digest of its event: the log that accepts it holds that event.

        Raises:
            QikiError: the registrar gives no answer now.
        """
        try:
            event = read_stored(message)
        except NotABridgesError as error:
            return Finding(Standing.FOREIGN, str(error), None)
        if problem := _problem(event):
            return Finding(Standing.FOREIGN, problem, None)
        token = event.token.encode()
        try:
            request = ListEventsRequest(resume_token=token, newest_first=True, page_size=1)
            await upstream.call(self._registrar.ListEvents, request)
        except QikiError as error:
            if error.code not in _NOT_IN_LOG:
                raise
            return Finding(Standing.MISSING, error.reason or error.code.name, event)
        return Finding(Standing.RECORDED, "", event)


class WrittenRecords:
    """Stream sequences of the audit messages that this process has written: these need no comparison."""

    def __init__(self) -> None:
        self._ranges: deque[tuple[int, int]] = deque(maxlen=MAX_RANGES)

    def add(self, first: int, last: int) -> None:
        """Add the sequences of one write; writes ascend."""
        if self._ranges and self._ranges[-1][1] + 1 == first:
            self._ranges[-1] = (self._ranges[-1][0], last)
        else:
            self._ranges.append((first, last))

    def __contains__(self, sequence: int) -> bool:
        for first, last in reversed(self._ranges):  # newest first: an older range does not hold a later sequence
            if first <= sequence:
                return sequence <= last
        return False

    @property
    def last(self) -> int:
        """The newest of them; 0 where there is none."""
        return self._ranges[-1][1] if self._ranges else 0


def _problem(event: StoredEvent) -> str:
    """Return why the message cannot be a record, whatever the log holds; empty where it can."""
    if event.context.type != AuditEvent.DESCRIPTOR.full_name:
        return f"its type is {event.context.type!r}"
    if event.token.digest != short_digest(event.payload):
        return "its payload is not that of its resume token"
    try:
        event_id = AuditEvent.FromString(event.payload).event_id
    except DecodeError as error:
        return f"its payload cannot be read: {error}"
    return "" if event_id == event.context.id else f"its ce-id is not the event_id {event_id!r} of its payload"
