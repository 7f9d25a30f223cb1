"""Stalled loops: reported to the audit trail once each, when a loop has been silent for longer than its limit."""

import asyncio
import logging
from collections.abc import Callable

from mesh.serving.health import Health
from qiki_sdk.codes import LOOP_STALLED

PERIOD_S = 1.0
_LOG = logging.getLogger(__name__)


class StallWatch:
    """The watch of one service's loops. `report` is called as `AuditReporter.report`."""

    def __init__(self, health: Health, report: Callable[..., object]) -> None:
        self._health = health
        self._report = report
        self._stalled: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Look at the loops periodically, until cancelled: silence sends no notification."""
        while True:
            self.look()
            await asyncio.sleep(PERIOD_S)

    def look(self) -> None:
        """Report each loop that has stalled since the last look."""
        silent_s = self._health.stalled_loops()
        for name in sorted(silent_s.keys() - self._stalled):
            facts = {"loop": name, "silent_s": round(silent_s[name], 1)}
            _LOG.error("a loop has stalled", extra=facts)
            self._report(LOOP_STALLED, f"{name} has not advanced for {silent_s[name]:.0f} s", **facts)
        self._stalled = frozenset(silent_s)
