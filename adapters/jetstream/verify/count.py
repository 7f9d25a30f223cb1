"""Event counts of a subject by run, to verify that every event is stored once and in order."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.jetstream.codec.cloudevents import HeaderError, decode_value, read_sequence


@dataclass(frozen=True, slots=True)
class Record:
    """One stored event: CloudEvents id, sequence and, where payloads were read, the payload's SHA-256 in hex."""

    event_id: str
    sequence: int
    payload_sha256: str = ""


@dataclass(frozen=True, slots=True)
class RunTally:
    """One run's events on a subject, in the order in which they are stored.

    `duplicates` counts messages with an id seen before; `gaps`, the sequences missing between lowest and highest.
    `contiguous`: every sequence is exactly one more than that of the message before.
    """

    run_id: str
    messages: int
    distinct_ids: int
    first_sequence: int
    last_sequence: int
    contiguous: bool
    duplicates: int
    gaps: int
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class SubjectTally:
    """All events of a subject. The sequences are those of its first and last message, 0 where it is empty.

    `contiguous`: every run is contiguous, and no two runs' events are interleaved.
    """

    subject: str
    messages: int
    distinct_ids: int
    first_sequence: int
    last_sequence: int
    contiguous: bool
    duplicates: int
    gaps: int
    runs: tuple[RunTally, ...]


class Counter:
    """Fold a subject's messages, in the order in which they are stored, into its tally."""

    def __init__(self, subject: str, *, keep_records: bool = False) -> None:
        self.subject = subject
        self.messages = 0
        self._keep_records = keep_records
        self._runs: dict[str, _Run] = {}
        self._current: _Run | None = None
        self._interleaved = False

    def add(self, headers: Mapping[str, str], payload: bytes | None) -> None:
        """Add the next message; `payload` is None where it was not read. Raises `HeaderError`."""
        event_id, run_id = _text(headers, "ce-id"), _text(headers, "ce-run")
        sequence = read_sequence(headers)
        if self._current is None or self._current.run_id != run_id:
            self._interleaved |= run_id in self._runs
            self._current = self._runs.setdefault(run_id, _Run(run_id, self._keep_records))
        self._current.add(event_id, sequence, payload)
        self.messages += 1

    def result(self) -> SubjectTally:
        """Return the tally of the messages added so far."""
        runs = tuple(run.result() for run in self._runs.values())
        ids: set[str] = set().union(*(run.ids for run in self._runs.values()))
        return SubjectTally(
            subject=self.subject,
            messages=self.messages,
            distinct_ids=len(ids),
            first_sequence=runs[0].first_sequence if runs else 0,
            last_sequence=self._current.last if self._current else 0,
            contiguous=not self._interleaved and all(run.contiguous for run in runs),
            duplicates=self.messages - len(ids),
            gaps=sum(run.gaps for run in runs),
            runs=runs,
        )


@dataclass(slots=True)
class _Run:
    run_id: str
    keep_records: bool
    ids: set[str] = field(default_factory=set)
    sequences: set[int] = field(default_factory=set)
    messages: int = 0
    first: int = 0
    last: int = 0
    contiguous: bool = True
    records: list[Record] = field(default_factory=list)

    def add(self, event_id: str, sequence: int, payload: bytes | None) -> None:
        if self.messages == 0:
            self.first = sequence
        elif sequence != self.last + 1:
            self.contiguous = False
        self.messages += 1
        self.last = sequence
        self.ids.add(event_id)
        self.sequences.add(sequence)
        if self.keep_records:
            digest = "" if payload is None else hashlib.sha256(payload).hexdigest()
            self.records.append(Record(event_id, sequence, digest))

    def result(self) -> RunTally:
        span = max(self.sequences) - min(self.sequences) + 1
        return RunTally(
            run_id=self.run_id,
            messages=self.messages,
            distinct_ids=len(self.ids),
            first_sequence=self.first,
            last_sequence=self.last,
            contiguous=self.contiguous,
            duplicates=self.messages - len(self.ids),
            gaps=span - len(self.sequences),
            records=tuple(self.records),
        )


def _text(headers: Mapping[str, str], header: str) -> str:
    value = headers.get(header)
    if not value:
        raise HeaderError(header, "is missing")
    try:
        return decode_value(value)
    except ValueError as error:
        raise HeaderError(header, str(error)) from error
