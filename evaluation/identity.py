"""SIAP's identity measures: targets whose tracks have the correct identity."""

from collections.abc import Sequence
from dataclasses import dataclass

from svc_tracker.domain.state.types import Indices


@dataclass(frozen=True, slots=True)
class IdentityCounts:
    """The tracked targets (JT) of one picture or several, by the identities of their tracks.

    `unknown` (JU): no track of the target has an identity; `correct` (JC): all have the target's own; `wrong` (JI):
    all have one, and none the target's. The others are ambiguous (Votruba et al., "Single Integrated Air Picture (SIAP)
    metrics implementation", 2001, as in Stone Soup's `IDSIAPMetrics`).
    """

    tracked: int
    unknown: int
    correct: int
    wrong: int

    def __add__(self, other: "IdentityCounts") -> "IdentityCounts":
        return IdentityCounts(
            self.tracked + other.tracked,
            self.unknown + other.unknown,
            self.correct + other.correct,
            self.wrong + other.wrong,
        )

    @property
    def completeness(self) -> float | None:
        """The fraction of tracked targets with an identity, (JT - JU) / JT; None without tracked targets."""
        return (self.tracked - self.unknown) / self.tracked if self.tracked else None

    @property
    def correctness(self) -> float | None:
        """The fraction of tracked targets with their own identity alone, JC / JT; None without tracked targets."""
        return self.correct / self.tracked if self.tracked else None

    @property
    def ambiguity(self) -> float | None:
        """The fraction of tracked targets whose tracks disagree, (JT - JU - JC - JI) / JT; None as above."""
        ambiguous = self.tracked - self.unknown - self.correct - self.wrong
        return ambiguous / self.tracked if self.tracked else None


def identity_counts(truth_identities: Sequence[str], track_identities: Sequence[str], pairs: Indices) -> IdentityCounts:
    """Return the identity counts of pairs (k, 2), rows of targets and tracks; "" is no identity.

    A target without an identity is never correct. Raises ValueError naming the argument.
    """
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"pairs must be of shape (k, 2), not {pairs.shape}")
    if (pairs < 0).any() or (pairs >= (len(truth_identities), len(track_identities))).any():
        raise ValueError("pairs must be rows of truth_identities and track_identities")
    reported: dict[int, set[str]] = {}
    for target, track in pairs.tolist():
        reported.setdefault(target, set()).add(track_identities[track])
    return IdentityCounts(
        tracked=len(reported),
        unknown=sum(names == {""} for names in reported.values()),
        correct=sum(
            truth_identities[target] != "" and names == {truth_identities[target]} for target, names in reported.items()
        ),
        wrong=sum("" not in names and truth_identities[target] not in names for target, names in reported.items()),
    )
