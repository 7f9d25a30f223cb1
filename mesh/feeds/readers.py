"""The required readers of a feed: the confirmed position of each, and which one blocks a lossless producer. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from mesh.feeds.token import Token


class RequiredReaders:
    """Confirmed positions by reader; an absent reader counts as at the start.

    A confirmation ahead of the producer is provisional: after a restart the producer replays events that its readers
    already have. It counts until its position is reached, and is dropped if the event there has another digest.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._confirmed = dict.fromkeys(names, 0)
        self._provisional: dict[str, Token] = {}
        self._intervals_s: dict[str, float] = {}

    @property
    def confirmed(self) -> Mapping[str, int]:
        """Sequence up to which each required reader has confirmed, verified."""
        return MappingProxyType(self._confirmed)

    def reset(self) -> None:
        """Drop every confirmation: another run starts."""
        self._confirmed = dict.fromkeys(self._confirmed, 0)
        self._provisional.clear()

    @property
    def confirm_interval_s(self) -> float:
        """The longest confirm interval that a reader has declared, in seconds of simulation time; 0 for none."""
        return max(self._intervals_s.values(), default=0.0)

    def declare(self, name: str, confirm_interval_s: float) -> None:
        """Keep a reader's confirm interval: it applies to every run until the reader opens its stream again."""
        self._intervals_s[name] = confirm_interval_s

    def confirm(self, name: str, sequence: int) -> int:
        """Accept a verified confirmation and return the reader's position; a position never moves back."""
        self._confirmed[name] = max(self._confirmed[name], sequence)
        return self._confirmed[name]

    def confirm_provisionally(self, name: str, token: Token) -> None:
        """Keep a provisional confirmation: of a position that the producer has not reached yet."""
        known = self._provisional.get(name)
        if known is None or token.sequence > known.sequence:
            self._provisional[name] = token

    def drop_provisional(self) -> None:
        """Drop the remaining provisional confirmations: the replay has ended without reaching them."""
        self._provisional.clear()

    def reached(self, sequence: int, digest: bytes) -> bool:
        """Verify the provisional confirmations of the event just produced; return whether one of them was valid."""
        verified = False
        for name in [name for name, token in self._provisional.items() if token.sequence <= sequence]:
            token = self._provisional.pop(name)
            if token.sequence == sequence and token.digest == digest:
                self.confirm(name, sequence)
                verified = True
        return verified

    def confirmed_by_all(self) -> int | None:
        """Return the sequence up to which every required reader has confirmed, or None where no reader is required.

        Provisional confirmations do not count: what is recorded as safe, or is irreversible, must have been verified.
        """
        return min(self._confirmed.values(), default=None)

    def slowest(self) -> tuple[str, int] | None:
        """Return the required reader with the lowest position, and that position, or None where no reader is required.

        Provisional confirmations count: this is for flow control alone. A producer that replays would otherwise wait
        for readers that wait for it.
        """
        positions = {
            name: max(sequence, token.sequence if (token := self._provisional.get(name)) else 0)
            for name, sequence in self._confirmed.items()
        }
        return min(positions.items(), key=lambda item: item[1], default=None)
