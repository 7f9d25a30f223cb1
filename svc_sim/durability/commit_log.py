"""A run's history: which ticks are settled, and which commands act in them."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from qiki.sim.v1.commands_pb2 import CommandOutcome, CommandRecord
from svc_sim.domain.world import World
from svc_sim.durability.journal import Journal
from svc_sim.durability.reservation import Reservation
from svc_sim.wire import commands as command_wire

_LOG = logging.getLogger(__name__)


class History:
    """Settles ticks and lets commands in, one thing at a time.

    A tick may be computed, and seen, once it is reserved, and what is reserved is settled: a command acts after it, and
    is in the journal before any tick from there on is reserved. So a process that dies at any moment and computes the
    reserved ticks again finds in the journal all that acts in them, and nothing else.
    """

    def __init__(self, reservation: Reservation, journal: Journal, world: World) -> None:
        self._reservation = reservation
        self._journal = journal
        self._world = world
        self._lock = asyncio.Lock()
        self._apply(journal.records)

    @property
    def settled_tick(self) -> int:
        """The last tick whose history is settled."""
        return self._reservation.tick

    async def settle(self, tick: int) -> None:
        """Reserve the tick and some beyond it where that is not done yet; durable when this returns.

        Raises:
            OSError: it cannot be made durable; the tick must not be computed.
        """
        if self._reservation.covers(tick):
            return
        async with self._lock:
            await asyncio.to_thread(self._reserve, tick)

    async def enter(self, decide: Callable[[int], CommandRecord]) -> CommandRecord:
        """Write down what `decide`, given the last settled tick, says of a command; it acts once that is durable.

        Raises:
            OSError: it cannot be made durable; nothing has happened.
        """
        async with self._lock:
            record = decide(self._reservation.tick)
            await asyncio.to_thread(self._journal.append, record)
            self._apply([record])
            return record

    async def seal(self) -> None:
        """Take down how long the journal is, so that damage to its last record is not taken for an unfinished write.

        Raises:
            OSError: it cannot be made durable; the next reservation does it too.
        """
        async with self._lock:
            await asyncio.to_thread(self._seal)

    async def probe(self) -> None:
        """Try whether a command could be written down; raises OSError where not."""
        async with self._lock:
            await asyncio.to_thread(self._journal.probe)

    def close(self) -> None:
        """Seal the journal and give its file back, once nothing is written any more."""
        try:
            self._seal()
        except OSError as error:
            _LOG.warning("the journal's end could not be sealed", extra={"why": str(error)})
        self._journal.close()

    def _seal(self) -> None:
        if self._reservation.journal_bytes != self._journal.end:
            self._reservation.keep(self._journal.end)

    def _reserve(self, tick: int) -> None:
        # First, so that a record whose write has failed is not found by a restart in the midst of settled ticks.
        self._journal.mend()
        self._reservation.extend(tick, self._journal.end)

    def _apply(self, records: Iterable[CommandRecord]) -> None:
        applied = CommandOutcome.COMMAND_OUTCOME_APPLIED
        self._world.set_helms(
            (record.result.tick, command_wire.to_helm(record.command))
            for record in records
            if record.result.outcome == applied
        )
