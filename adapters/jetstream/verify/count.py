"""Event counts of a subject by run, to verify that every event is stored once and in order."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.jetstream.codec.cloudevents import HeaderError, decode_value, read_sequence


@dataclass(frozen=True, slots=True)
class RunTally:
    """One run's events on a subject, in the order in which they are stored.

    `contiguous`: every sequence is exactly one more than that of the message before.
    """

    run_id: str
    messages: int
    distinct_ids: int
    first_sequence: int
    last_sequence: int
    contiguous: bool


@dataclass(frozen=True, slots=True)
class SubjectTally:
    """All events of a subject, by run, in the order of the runs' first messages.

    `contiguous`: every run is contiguous, and no two runs' events are interleaved.
    """

    subject: str
    contiguous: bool
    runs: tuple[RunTally, ...]

    @property
    def messages(self) -> int:
        """The number of messages of all runs."""
        return sum(run.messages for run in self.runs)


class Counter:
    """Fold a subject's messages, in the order in which they are stored, into its tally."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._runs: dict[str, _Run] = {}
        self._current: _Run | None = None
        self._interleaved = False

    def add(self, headers: Mapping[str, str]) -> None:
        """Add the next message. Raises `HeaderError`."""
        event_id, run_id = _text(headers, "ce-id"), _text(headers, "ce-run")
        sequence = read_sequence(headers)
        if self._current is None or self._current.run_id != run_id:
            self._interleaved |= run_id in self._runs
            self._current = self._runs.setdefault(run_id, _Run(run_id))
        self._current.add(event_id, sequence)

    def result(self) -> SubjectTally:
        """Return the tally of the messages added so far."""
        runs = tuple(run.result() for run in self._runs.values())
        return SubjectTally(self.subject, not self._interleaved and all(run.contiguous for run in runs), runs)


@dataclass(slots=True)
class _Run:
    run_id: str
    ids: set[str] = field(default_factory=set)
    messages: int = 0
    first: int = 0
    last: int = 0
    contiguous: bool = True

    def add(self, event_id: str, sequence: int) -> None:
        if self.messages == 0:
            self.first = sequence
        elif sequence != self.last + 1:
            self.contiguous = False
        self.messages += 1
        self.last = sequence
        self.ids.add(event_id)

    def result(self) -> RunTally:
        return RunTally(
            run_id=self.run_id,
            messages=self.messages,
            distinct_ids=len(self.ids),
            first_sequence=self.first,
            last_sequence=self.last,
            contiguous=self.contiguous,
        )


def _text(headers: Mapping[str, str], header: str) -> str:
    value = headers.get(header)
    if not value:
        raise HeaderError(header, "is missing")
    try:
        return decode_value(value)
    except ValueError as error:
        raise HeaderError(header, str(error)) from error
