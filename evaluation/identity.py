"""Whether things are known for what they are: SIAP's measures of identity."""

from collections.abc import Sequence
from dataclasses import dataclass

from svc_tracker.domain.state.types import Indices


@dataclass(frozen=True, slots=True)
class IdentityCounts:
    """Of the things `tracked` (JT), in one picture or in several added up, how they are identified.

    `unknown` (JU): none of a thing's tracks has an identity; `correct` (JC): all have the thing's own; `wrong` (JI):
    all have one, and none the thing's. The rest is ambiguous. (Votruba et al., "Single Integrated Air Picture (SIAP)
    metrics implementation", 2001, as in Stone Soup's `IDSIAPMetrics`.)
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
        """The share of tracked things with any identity, (JT - JU) / JT; None where nothing is tracked."""
        return (self.tracked - self.unknown) / self.tracked if self.tracked else None

    @property
    def correctness(self) -> float | None:
        """The share of tracked things with their own identity alone, JC / JT; None where nothing is tracked."""
        return self.correct / self.tracked if self.tracked else None

    @property
    def ambiguity(self) -> float | None:
        """The share of tracked things whose tracks do not agree, (JT - JU - JC - JI) / JT; None as above."""
        ambiguous = self.tracked - self.unknown - self.correct - self.wrong
        return ambiguous / self.tracked if self.tracked else None


def identity_counts(truth_identities: Sequence[str], track_identities: Sequence[str], pairs: Indices) -> IdentityCounts:
    """Return how things are identified by their tracks, given the pairs' rows of both, (k, 2); "" is no identity.

    A thing without an identity is never known correctly. Raises ValueError, which begins with the argument's name.
    """
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"pairs must be of shape (k, 2), not {pairs.shape}")
    if (pairs < 0).any() or (pairs >= (len(truth_identities), len(track_identities))).any():
        raise ValueError("pairs holds a row that is not there")
    said: dict[int, set[str]] = {}
    for thing, track in pairs.tolist():
        said.setdefault(thing, set()).add(track_identities[track])
    return IdentityCounts(
        tracked=len(said),
        unknown=sum(names == {""} for names in said.values()),
        correct=sum(
            truth_identities[thing] != "" and names == {truth_identities[thing]} for thing, names in said.items()
        ),
        wrong=sum("" not in names and truth_identities[thing] not in names for thing, names in said.items()),
    )
