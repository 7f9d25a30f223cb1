"""Findings of a check over many messages: all are counted, the first of each kind are named."""

from collections import defaultdict
from dataclasses import dataclass, field

MAX_NAMED = 5


@dataclass(slots=True)
class _Kind:
    count: int = 0
    named: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Findings:
    """Findings by subject and by the check that failed."""

    _kinds: dict[tuple[str, str], _Kind] = field(default_factory=lambda: defaultdict(_Kind))

    def add(self, subject: str, place: str, check: str, detail: str) -> None:
        """Add a finding: `place` names the message, such as "event 7"; `check` the rule; `detail` the violation."""
        kind = self._kinds[subject, check]
        kind.count += 1
        if len(kind.named) < MAX_NAMED:
            kind.named.append(f"{subject}, {place}: {check}: {detail}.")

    def sentences(self) -> list[str]:
        """Return the findings as sentences: for each subject and check the first few, and the number of others."""
        found: list[str] = []
        for (subject, check), kind in self._kinds.items():
            found += kind.named
            if (more := kind.count - len(kind.named)) > 0:
                found.append(f"{subject}: {check}: {more} more.")
        return found

    def __len__(self) -> int:
        """Count all findings, named or not."""
        return sum(kind.count for kind in self._kinds.values())
