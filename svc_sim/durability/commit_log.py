"""A run's history: its committed ticks, and the commands that act in them."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from qiki.sim.v1.commands_pb2 import CommandOutcome, CommandRecord
from svc_sim.domain.world import World
from svc_sim.durability.journal import Journal
from svc_sim.durability.reservation import Reservation
from svc_sim.durability.timeline import Timeline
from svc_sim.wire import commands as command_wire

_LOG = logging.getLogger(__name__)


class CommitLog:
    """Commit ticks and accept commands, one operation at a time.

    A tick may be computed, and become visible, once it is reserved, and a reserved tick is committed: a command acts
    after the last reserved tick, and is in the journal before its tick is reserved. A process that dies at any moment
    and recomputes the reserved ticks therefore finds in the journal exactly the commands that act in them.
    """

    def __init__(
        self,
        reservation: Reservation,
        journal: Journal,
        world: World,
        recorded: Callable[[CommandRecord], object] = lambda _record: None,
    ) -> None:
        """Apply the journal's records to the world; `recorded` is called with each further record once durable."""
        self._reservation = reservation
        self._journal = journal
        self._world = world
        self._recorded = recorded
        self.timeline = Timeline()
        self._lock = asyncio.Lock()
        self._apply(journal.records)

    @property
    def committed_tick(self) -> int:
        """The last committed tick."""
        return self._reservation.tick

    @property
    def journal_bytes(self) -> int:
        """Length of the journal on the disk."""
        return self._journal.end

    async def settle(self, tick: int) -> None:
        """Reserve the tick and some after it unless it is reserved already; durable on return.

        Raises:
            OSError: the reservation cannot be made durable; the tick must not be computed.
        """
        if self._reservation.covers(tick):
            return
        async with self._lock:
            await asyncio.to_thread(self._reserve, tick)

    async def enter(self, decide: Callable[[int], CommandRecord]) -> CommandRecord:
        """Record the result of `decide` at the last committed tick; the command acts once the record is durable.

        Raises:
            OSError: the record cannot be made durable; the command has had no effect.
        """
        async with self._lock:
            record = decide(self._reservation.tick)
            await asyncio.to_thread(self._journal.append, record)
            self._apply([record])
            self._recorded(record)
            return record

    async def conclude(self, record: CommandRecord) -> None:
        """Record the end of an accepted command; durable on return. It changes nothing in the world.

        Raises:
            OSError: the record cannot be made durable.
        """
        async with self._lock:
            await asyncio.to_thread(self._journal.append, record)
            self._recorded(record)

    async def seal(self) -> None:
        """Record the journal's length, so that damage to its last record is not mistaken for an unfinished write.

        Raises:
            OSError: the length cannot be made durable; the next reservation records it too.
        """
        async with self._lock:
            await asyncio.to_thread(self._seal)

    async def probe(self) -> None:
        """Test whether a command could be recorded; raise OSError if not."""
        async with self._lock:
            await asyncio.to_thread(self._journal.probe)

    def close(self) -> None:
        """Seal the journal and close its file, after the last write."""
        try:
            self._seal()
        except OSError as error:
            _LOG.warning("the journal's end could not be sealed", extra={"why": str(error)})
        self._journal.close()

    def _seal(self) -> None:
        if self._reservation.journal_bytes != self._journal.end:
            self._reservation.keep(self._journal.end)

    def _reserve(self, tick: int) -> None:
        # Mend first, so that a restart does not find a record of a failed write among committed ticks.
        self._journal.mend()
        self._reservation.extend(tick, self._journal.end)

    def _apply(self, records: Iterable[CommandRecord]) -> None:
        records, applied = list(records), CommandOutcome.COMMAND_OUTCOME_APPLIED
        self.timeline.add(records)
        self._world.set_helms(
            (record.result.tick, command_wire.to_helm(record.command))
            for record in records
            if record.result.outcome == applied
            if record.command.HasField("set_helm")
        )
