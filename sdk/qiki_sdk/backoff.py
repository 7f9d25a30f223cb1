"""Backoff: waits between tries, exponential with full jitter, bounded."""

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits drawn from [floor, min(cap, first * 2**n)]; a new iterator starts again from the first."""

    first_s: float = 0.1
    cap_s: float = 5.0
    floor_s: float = 0.02

    def delays(self) -> Iterator[float]:
        """Yield the waits, without end."""
        ceiling = self.first_s
        while True:
            yield random.uniform(self.floor_s, ceiling)
            ceiling = min(self.cap_s, ceiling * 2)
