"""Backlog of a channel: the events that its source has and that are not known to be stored, outage or not."""

import asyncio
from collections.abc import Callable

from adapters.jetstream.outbound.source import Source
from mesh.tasks import raise_if_cancelled
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.errors import QikiError

LOOK_PERIOD_S = 2.0
LOOK_TIMEOUT_S = 2.0


class Backlog:
    """Count of one channel's waiting events.

    A channel reads ahead of its writes as far as its queue holds. Beyond that, and while it does not read at all, the
    position of the source is asked for: otherwise the count would stop at the queue's limit in any longer outage.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._run_id = ""
        self._last_sequence = 0

    def begin(self, run: Run) -> None:
        """Count the events of this run."""
        if run.run_id != self._run_id:
            self._run_id, self._last_sequence = run.run_id, 0

    def seen(self, sequence: int) -> None:
        """Note that the source has an event of this sequence."""
        self._last_sequence = max(self._last_sequence, sequence)

    def waiting(self, stored_sequence: int, queued: int) -> int:
        """Return the number of waiting events: those behind the last stored one, at least the queued ones."""
        return max(queued, self._last_sequence - stored_sequence)

    async def watch(self, is_needed: Callable[[], bool]) -> None:
        """Ask the source for its position at intervals, where that is needed, until cancelled."""
        while True:
            raise_if_cancelled()
            await asyncio.sleep(LOOK_PERIOD_S)
            if is_needed():
                await self._look()

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                run = await self._source.run()
                last = await self._source.last_sequence()
        except (QikiError, TimeoutError):
            return  # the position known before stays valid: it only grows
        if run.run_id == self._run_id:
            self.seen(last)
