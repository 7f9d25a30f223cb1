"""The commands that act in each tick, in the order of the journal, and a digest of those that have acted."""

import hashlib
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass

from qiki.sim.v1.commands_pb2 import Command, CommandOutcome, CommandRecord

_APPLIED = CommandOutcome.COMMAND_OUTCOME_APPLIED


@dataclass(frozen=True, slots=True)
class ActingCommand:
    """An accepted command, and the trace context of its caller, empty for none."""

    command: Command
    traceparent: str


class Timeline:
    """The accepted commands of one run by the first tick at which they act."""

    def __init__(self) -> None:
        self._acting: dict[int, list[ActingCommand]] = {}
        self._ticks: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        """Return the number of accepted commands."""
        return self._count

    def add(self, records: Iterable[CommandRecord]) -> None:
        """Add records of the journal in its order; those of refused commands and of ends have no effect."""
        for record in records:
            if record.result.outcome != _APPLIED:
                continue
            tick = record.result.tick
            if tick not in self._acting:
                self._acting[tick] = []
                insort(self._ticks, tick)
            self._acting[tick].append(ActingCommand(record.command, record.traceparent))
            self._count += 1

    def at(self, tick: int) -> tuple[ActingCommand, ...]:
        """Return the commands whose first tick this is."""
        return tuple(self._acting.get(tick, ()))

    def through(self, tick: int) -> Iterable[tuple[int, ActingCommand]]:
        """Yield the commands that act in a tick up to this one, with their ticks, in the order of effect."""
        for earlier in self._ticks[: bisect_right(self._ticks, tick)]:
            for acting in self._acting[earlier]:
                yield earlier, acting


class CommandDigest:
    """A running SHA-256 over the commands that have acted, in the order of effect: it names a history of commands."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def take(self, tick: int, acting: ActingCommand) -> None:
        """Add a command that acts from this tick on."""
        body = acting.command.SerializeToString(deterministic=True)
        self._digest.update(b"%d %d " % (tick, len(body)))
        self._digest.update(body)

    def hexdigest(self) -> str:
        """Return the digest of the commands so far."""
        return self._digest.hexdigest()
