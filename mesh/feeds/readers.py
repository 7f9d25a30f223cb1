"""The required readers of a feed: how far each has confirmed, and who holds a lossless producer. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from mesh.feeds.token import Token


class RequiredReaders:
    """Confirmed places by reader; an absent reader counts as at the beginning.

    A confirmation ahead of the producer is a claim: after its restart a producer computes again what its readers have
    already got. A claim counts as confirmed until its place is reached, and is dropped where other bytes stand there.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._confirmed = dict.fromkeys(names, 0)
        self._claims: dict[str, Token] = {}
        self._intervals_s: dict[str, float] = {}

    @property
    def confirmed(self) -> Mapping[str, int]:
        """Sequence up to which each required reader is safe, verified."""
        return MappingProxyType(self._confirmed)

    def reset(self) -> None:
        """Forget every confirmation: another run begins."""
        self._confirmed = dict.fromkeys(self._confirmed, 0)
        self._claims.clear()

    @property
    def confirm_interval_s(self) -> float:
        """The longest confirm interval that a reader has declared, in seconds of simulation time; 0 for none."""
        return max(self._intervals_s.values(), default=0.0)

    def declare(self, name: str, confirm_interval_s: float) -> None:
        """Keep how seldom a reader confirms: it holds until the reader opens its stream again, for every run."""
        self._intervals_s[name] = confirm_interval_s

    def confirm(self, name: str, sequence: int) -> int:
        """Take a verified confirmation and return the reader's place; a place never moves back."""
        self._confirmed[name] = max(self._confirmed[name], sequence)
        return self._confirmed[name]

    def claim(self, name: str, token: Token) -> None:
        """Keep a confirmation of a place that the producer has not reached yet."""
        known = self._claims.get(name)
        if known is None or token.sequence > known.sequence:
            self._claims[name] = token

    def drop_claims(self) -> None:
        """Forget the claims that are still open: nothing of the past remains that they could be of."""
        self._claims.clear()

    def reached(self, sequence: int, digest: bytes) -> bool:
        """Settle the claims on the event that was just produced; return whether one of them was verified."""
        verified = False
        for name in [name for name, claim in self._claims.items() if claim.sequence <= sequence]:
            claim = self._claims.pop(name)
            if claim.sequence == sequence and claim.digest == digest:
                self.confirm(name, sequence)
                verified = True
        return verified

    def confirmed_by_all(self) -> int | None:
        """Return the sequence up to which every required reader has confirmed, or None where no reader is required.

        Claims do not count: what is recorded as safe, or acted on for good, must have been verified.
        """
        return min(self._confirmed.values(), default=None)

    def slowest(self) -> tuple[str, int] | None:
        """Return the required reader that is least far and its place, or None where no reader is required.

        Claims count: this is for flow control alone. A producer that computes its past again would otherwise wait for
        readers that wait for it.
        """
        places = {
            name: max(sequence, claim.sequence if (claim := self._claims.get(name)) else 0)
            for name, sequence in self._confirmed.items()
        }
        return min(places.items(), key=lambda item: item[1], default=None)
