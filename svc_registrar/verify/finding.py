"""Results of a verification: kinds of tampering, each with an exit status of the command."""

from dataclasses import dataclass, field
from enum import IntEnum


class Kind(IntEnum):
    """Kind of a difference; its number is the exit status of `qiki audit verify`."""

    CHANGED = 3
    REMOVED = 4
    REORDERED = 5
    INSERTED = 6
    ROLLED_BACK = 7
    NOT_VERIFIABLE = 8
    TREE_DAMAGED = 9


@dataclass(frozen=True, slots=True)
class Finding:
    """The first difference: `index` is the record from which the log is wrong, 0 if it concerns no record."""

    kind: Kind
    index: int
    text: str


@dataclass(slots=True)
class Report:
    """Result of a verification: records that checkpoints prove, records after them, and the first difference."""

    proved: int = 0
    unproved: int = 0
    checkpoints: int = 0
    oldest: int = 1
    unfinished_bytes: int = 0
    finding: Finding | None = None
    notes: list[str] = field(default_factory=list)
