"""A feed's schedule: the ticks that yield events, so that tick and sequence are closed forms of each other."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """One event that is due: `sequence` in the feed (from 1), `source` index, `number` within the source (from 1)."""

    sequence: int
    source: int
    number: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Sources merged in the order (tick, source); source i is due at every positive multiple of `periods[i]` ticks.

    Tick 0 is the state before the first step and yields nothing.
    """

    periods: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(period < 1 for period in self.periods):
            raise ValueError(f"periods must be at least one tick: {self.periods}")

    def count_through(self, tick: int) -> int:
        """Return how many events are due in ticks 1..tick: the last sequence after that tick."""
        return sum(tick // period for period in self.periods)

    def due(self, tick: int) -> Iterator[Slot]:
        """Yield the slots due at exactly this tick, in order."""
        sequence = self.count_through(tick - 1) if tick > 0 else 0
        for source, period in enumerate(self.periods):
            if tick > 0 and tick % period == 0:
                sequence += 1
                yield Slot(sequence, source, tick // period)

    def tick_of(self, sequence: int) -> int:
        """Return the tick at which the event of this sequence is due: the first T with count_through(T) >= sequence."""
        if sequence < 1 or not self.periods:
            raise ValueError(f"no event has sequence {sequence}")
        low, high = 0, sequence * min(self.periods)
        while low + 1 < high:  # halves the interval: at most 64 rounds
            middle = (low + high) // 2
            low, high = (low, middle) if self.count_through(middle) >= sequence else (middle, high)
        return high
