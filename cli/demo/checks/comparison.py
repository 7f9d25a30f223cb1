"""Emitted events compared with stored messages: a table, and a sentence for each difference."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.jetstream.verify.count import SubjectTally


@dataclass(frozen=True, slots=True)
class SubjectCount:
    """One subject: the number of events that the producer emitted in the run, and the messages in JetStream.

    Of the run's messages `held` counts all and `distinct` the different event ids. `first` and `last` are the sequences
    of the first and last message, 0 for none. `in_order`: each sequence is one more than the one before.
    """

    subject: str
    emitted: int
    held: int
    distinct: int
    in_order: bool
    first: int
    last: int

    @property
    def twice(self) -> int:
        """Number of messages that repeat an earlier event."""
        return self.held - self.distinct

    def problem(self) -> str:
        """Return the difference as a sentence, or an empty text where all match."""
        if self.in_order and self.first > 1 and self.last == self.emitted and not self.twice:
            return (
                f"{self.subject}: the first {self.first - 1} of {self.emitted} events are no longer there; the stream "
                f"keeps the newest ones. Choose a shorter scenario."
            )
        if self.distinct < self.emitted:
            missing = self.emitted - self.distinct
            return f"{self.subject}: {missing} of {self.emitted} events are missing; the last one there is {self.last}."
        if self.distinct > self.emitted:
            return f"{self.subject}: {self.distinct - self.emitted} more events than the {self.emitted} emitted."
        if self.twice:
            return f"{self.subject}: {self.twice} messages are there twice."
        if not self.in_order:
            return f"{self.subject}: every event is there once, but not in order."
        return ""


def count_of(emitted: int, held: SubjectTally) -> SubjectCount:
    """Return the comparison of one subject. If the subject has several runs, the newest one is compared."""
    if not held.runs:
        return SubjectCount(held.subject, emitted, held=0, distinct=0, in_order=True, first=0, last=0)
    run = held.runs[-1]
    return SubjectCount(
        subject=held.subject,
        emitted=emitted,
        held=run.messages,
        distinct=run.distinct_ids,
        in_order=held.contiguous,
        first=run.first_sequence,
        last=run.last_sequence,
    )


def table_lines(counts: Sequence[SubjectCount]) -> list[str]:
    """Return the table, one line per subject, columns aligned."""
    rows = [("subject", "emitted", "in JetStream", "twice", "")]
    rows += [
        (
            count.subject,
            f"{count.emitted}",
            f"{count.held}",
            f"{count.twice}",
            "DIFFERS" if count.problem() else "equal",
        )
        for count in counts
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
