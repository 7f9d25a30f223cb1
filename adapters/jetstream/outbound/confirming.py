"""Confirmations: report to the source, at intervals, up to where its events are stored."""

import asyncio

from adapters.jetstream.outbound.source import Source
from mesh import failpoints
from mesh.tasks import raise_if_cancelled
from qiki_sdk.errors import QikiError
from qiki_sdk.stream import TRANSIENT

CONFIRM_PERIOD_S = 0.2


class Confirmations:
    """Confirms one channel's `stored_token`, the token of the last event that JetStream has acknowledged."""

    def __init__(self, source: Source) -> None:
        self.stored_token = ""
        self._source = source
        self._connections = 0

    def on_connection(self) -> None:
        """Record that the source was lost or is back: a restarted source has forgotten what was confirmed."""
        self._connections += 1

    async def run(self) -> None:
        """Confirm every new token until cancelled."""
        confirmed = "", 0
        while True:
            raise_if_cancelled()
            asked = self.stored_token, self._connections
            if asked != confirmed and await self.confirm():
                confirmed = asked
            await asyncio.sleep(CONFIRM_PERIOD_S)

    async def confirm(self) -> bool:
        """Confirm now; return whether the source accepted it. An unreachable source is tried again later.

        Raises:
            QikiError: a refusal that a retry cannot change.
        """
        if not self.stored_token:
            return False
        try:
            failpoints.reach("confirmation.send")
            await self._source.confirm(self.stored_token)
            failpoints.reach("confirmation.answered")
        except QikiError as error:
            if error.code not in TRANSIENT:
                raise
            return False
        return True
