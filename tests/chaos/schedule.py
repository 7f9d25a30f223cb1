"""The schedule of a run's faults: drawn from a seed, and from nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice
from random import Random

from chaos.proxy import Trouble

PROCESSES = ("sim", "radar", "tracker", "registrar", "bridge", "archive", "nats")
LINKS = (
    "sim-radar",
    "radar-tracker",
    "sim-bridge",
    "radar-bridge",
    "tracker-bridge",
    "registrar-bridge",
    "bridge-nats",
    "archive-nats",
    "archive-historian",
    "sim-registrar",
    "radar-registrar",
    "tracker-registrar",
    "archive-registrar",
)
KILLS, STOPS = 0.72, 0.14  # the shares of all faults; the rest are troubles of links
LONGER_THAN_ANY_TIMEOUT_S = 16.0  # gRPC's keepalive gives up after 15 s, an acknowledgement after 5 s
MAX_AT_ONCE = 3
LONG_FROM_FAULTS = 100


class Kind(StrEnum):
    """The action of a fault."""

    KILL = "killed"
    STOP = "stopped"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: of a process, or of a link, where `trouble` names the disturbance; with its duration."""

    kind: Kind
    target: str
    duration_s: float = 0.0
    trouble: Trouble | None = None

    def __str__(self) -> str:
        what = self.trouble or {Kind.KILL: "kill", Kind.STOP: "stop"}[self.kind]
        return f"{what} {self.target}" + (f" {self.duration_s:.1f} s" if self.duration_s else "")


@dataclass(frozen=True, slots=True)
class Strike:
    """Faults at the same moment, `calm_s` after all has recovered from the ones before; or without waiting for it."""

    faults: tuple[Fault, ...]
    calm_s: float
    in_recovery: bool


def draw(seed: int, count: int) -> list[Strike]:
    """Return the strikes of a run: `count` faults in all."""
    random = Random(seed)
    faults = list(_faults(random, count, with_long=count >= LONG_FROM_FAULTS))
    random.shuffle(faults)
    strikes: list[Strike] = []
    while faults:
        size = random.choices(range(1, MAX_AT_ONCE + 1), (0.55, 0.3, 0.15))[0]
        together = _distinct(faults[:size])
        del faults[: len(together)]
        in_recovery = bool(strikes) and random.random() < 0.2
        strikes.append(Strike(together, round(random.uniform(0.2, 1.5), 2), in_recovery))
    return strikes


def _faults(random: Random, count: int, with_long: bool) -> Iterator[Fault]:
    kills = round(count * KILLS)
    stops = round(count * STOPS)
    for process in islice(cycle(PROCESSES), kills):
        yield Fault(Kind.KILL, process)
    for process in islice(cycle(reversed(PROCESSES)), stops):
        yield Fault(Kind.STOP, process, _duration_s(random, with_long))
    troubles = list(Trouble)
    for link in islice(cycle(random.sample(LINKS, len(LINKS))), count - kills - stops):
        yield Fault(Kind.CUT, link, _duration_s(random, with_long), random.choice(troubles))


def _duration_s(random: Random, with_long: bool) -> float:
    """Draw a duration: mostly short; if time allows, one in ten exceeds every timeout."""
    long = with_long and random.random() < 0.1
    return round(random.uniform(LONGER_THAN_ANY_TIMEOUT_S, 18.0) if long else random.uniform(0.3, 3.0), 1)


def _distinct(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Return the first faults, up to one whose target is hit already."""
    taken: dict[str, Fault] = {}
    for fault in faults:
        if fault.target in taken:
            break
        taken[fault.target] = fault
    return tuple(taken.values())
