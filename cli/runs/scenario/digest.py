"""Digest of a run: SHA-256 over the payloads of its derived feeds, equal for two executions of the same run."""

import hashlib
from typing import Any

from botspec.channels import Channel
from cli.demo.checks.event_check import CheckedEvent


class RunDigest:
    """Takes the events of one run, feed after feed, each in order; events of other runs are left out."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._feeds: dict[str, Any] = {}

    def __call__(self, channel: Channel, event: CheckedEvent) -> None:
        """Add an event."""
        if event.context.run_id != self._run_id or channel.policy != "derived":
            return
        feed = self._feeds.setdefault(channel.name, hashlib.sha256())
        feed.update(b"%d %d " % (event.context.sequence, len(event.data)))
        feed.update(event.data)

    def of_feeds(self) -> dict[str, str]:
        """Return the digest of each feed with events, by name in alphabetical order, hexadecimal."""
        return {name: self._feeds[name].hexdigest() for name in sorted(self._feeds)}

    def hexdigest(self) -> str:
        """Return the digest of all feeds."""
        text = "".join(f"{name} {digest}\n" for name, digest in self.of_feeds().items())
        return hashlib.sha256(text.encode()).hexdigest()
