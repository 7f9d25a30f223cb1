"""Gaps of producers: numbers of an epoch that never came, each reported once, before the next event of the epoch.

Nothing is read back from the log at the start: a producer says with each request which of its events had an answer.
"""

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import REPORTER_GAP

# Epochs remembered, the newest.
MAX_EPOCHS = 10_000
REPORTER = "svc_registrar"


class ProducerPositions:
    """The newest number of each epoch: of what is recorded, and of what is being recorded."""

    def __init__(self) -> None:
        self._recorded: OrderedDict[str, int] = OrderedDict()
        self._taken: dict[str, int] = {}

    def recorded(self, events: Iterable[AuditEvent]) -> None:
        """Note events that are in the log, or were refused for good."""
        for event in events:
            if event.producer_sequence and is_epoch(event.producer_epoch):
                epoch = event.producer_epoch
                self._recorded[epoch] = max(self._recorded.pop(epoch, 0), event.producer_sequence)
                if self._taken.get(epoch, 0) <= self._recorded[epoch]:
                    self._taken.pop(epoch, None)
        while len(self._recorded) > MAX_EPOCHS:
            self._recorded.popitem(last=False)

    def take(self, events: Sequence[AuditEvent], answered: int | None) -> list[tuple[int, AuditEvent]]:
        """Note events about to be recorded; return a report of each gap and the index of the event behind it.

        `answered` is the newest number that had an answer before, according to the request; None: not known.
        """
        gaps: list[tuple[int, AuditEvent]] = []
        for index, event in enumerate(events):
            epoch, sequence = event.producer_epoch, event.producer_sequence
            if not sequence or not is_epoch(epoch):
                continue
            last = max(self._taken.get(epoch, 0), self._recorded.get(epoch, 0), answered or 0)
            if sequence > last + 1 and (last or answered is not None):
                gaps.append((index, _gap(event, last + 1, sequence - 1)))
            self._taken[epoch] = max(last, sequence)
        return gaps

    def failed(self, events: Iterable[AuditEvent]) -> None:
        """Forget events that could not be recorded: their producer sends them again."""
        for event in events:
            self._taken.pop(event.producer_epoch, None)


def is_epoch(text: str) -> bool:
    """Return whether a text is an epoch: a UUID."""
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False


def _gap(event: AuditEvent, first: int, last: int) -> AuditEvent:
    return make_event(
        REPORTER,
        REPORTER_GAP,
        f"{last - first + 1} events of {event.reporter or 'a reporter'} never came: numbers {first} to {last}",
        key=f"{REPORTER_GAP.name}/{event.producer_epoch}/{first}-{last}",
        attributes={"epoch": event.producer_epoch, "first": first, "last": last, "reporter": event.reporter},
    )
