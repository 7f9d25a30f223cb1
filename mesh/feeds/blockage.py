"""A blocked producer: how long a lossless feed has waited for a required reader, and the alarm beyond a limit."""

import logging
import time
from collections.abc import Callable

from qiki_sdk.codes import FEED_BLOCKED, FEED_UNBLOCKED

# Wall-clock time. A sink that is restarted returns sooner.
ALARM_S = 30.0
_LOG = logging.getLogger(__name__)


class Blockage:
    """The blockage of one feed. The producer calls `wait_for` at every check while it waits, and `end` when it resumes.

    An alarm is raised once for each wait during which the producer makes no event, and cleared once.
    `reader` and `seconds` are read from the metrics thread as well.
    """

    def __init__(self, feed: str, alarm_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.reader = ""
        self.report: Callable[..., object] = lambda *_event, **_attributes: None  # as `AuditReporter.report`
        self._feed = feed
        self._alarm_s = alarm_s
        self._now = now
        self._since_s = 0.0
        self._raised = False

    @property
    def seconds(self) -> float:
        """Seconds for which the producer has waited; 0 where it does not wait."""
        return max(0.0, self._now() - self._since_s) if self.reader else 0.0

    def wait_for(self, reader: str) -> str:
        """Note that the producer waits for this reader; return a description of the wait."""
        if not self.reader:
            self._since_s = self._now()
        self.reader = reader
        if not self._raised and self.seconds >= self._alarm_s:
            self._raised = True
            text = f"{self._feed} is blocked by {reader}, which has confirmed nothing for {self._alarm_s:g} s"
            _LOG.error("a required reader blocks the feed", extra={"feed": self._feed, "reader": reader})
            self.report(FEED_BLOCKED, text, feed=self._feed, reader=reader)
        if self._raised:
            return f"ALARM: blocked for more than {self._alarm_s:g} s by {self._feed}: {reader}"
        return f"blocked by {self._feed}: {reader}"

    def end(self) -> None:
        """Note that the producer has resumed."""
        if self._raised:
            blocked_s = round(self.seconds, 3)
            _LOG.info("the feed is blocked no longer", extra={"feed": self._feed, "blocked_s": blocked_s})
            self.report(FEED_UNBLOCKED, feed=self._feed, reader=self.reader, blocked_s=blocked_s)
        self.give_up()

    def give_up(self) -> None:
        """Note that the producer stops waiting without having resumed: it or its run ends."""
        self.reader, self._raised = "", False
