"""Upkeep of the log beside recording: checkpoints by number and time, their publication, removal of old segments."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from qiki_sdk import codes
from qiki_sdk.codes import Code
from svc_registrar.config import RegistrarSettings
from svc_registrar.log.checkpoints import Kept
from svc_registrar.log.log import Log
from svc_registrar.log.retention import RetentionPolicy, expire

# How often old segments are looked for.
EXPIRE_PERIOD_S = 60.0
# An event to record: its code and its attributes.
Report: TypeAlias = "tuple[Code, Mapping[str, object]]"


@dataclass(frozen=True, slots=True)
class UpkeepSettings:
    """A checkpoint is signed every so many events or seconds; every `publish_s` one is published."""

    checkpoint_events: int = 10_000
    checkpoint_s: float = 10.0
    publish_s: float = 300.0
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)

    @classmethod
    def of(cls, settings: RegistrarSettings) -> Self:
        """Return those of the service's settings."""
        retention = RetentionPolicy(settings.retention_s, settings.retention_bytes)
        return cls(settings.checkpoint_events, settings.checkpoint_s, settings.publish_s, retention)


class Upkeep:
    """The upkeep of one log. `safe_index` gives the record up to which required readers have confirmed."""

    def __init__(self, log: Log, settings: UpkeepSettings, safe_index: Callable[[], int]) -> None:
        self._log = log
        self._settings = settings
        self._safe_index = safe_index
        now_s = time.monotonic()
        self._signed_at_s = self._published_at_s = self._expired_at_s = now_s
        self._published_size = self._signed_size

    @property
    def _signed_size(self) -> int:
        newest = self._log.checkpoints.newest
        return newest.checkpoint.size if newest else 0

    def due(self, *, idle: bool) -> bool:
        """Return whether `run` has work: in a pause as soon as a record is not signed, else by number and time."""
        now_s, unsigned = time.monotonic(), self._log.last_index - self._signed_size
        if self._settings.retention and now_s - self._expired_at_s >= EXPIRE_PERIOD_S:
            return True
        if unsigned == 0:
            return False
        elapsed = now_s - self._signed_at_s >= self._settings.checkpoint_s
        return idle or elapsed or unsigned >= self._settings.checkpoint_events

    def run(self) -> list[Report]:
        """Sign a checkpoint, and remove old segments; return what is to be recorded of it.

        Raises:
            OSError: the disk fails.
        """
        reports: list[Report] = []
        now_s = time.monotonic()
        newest = self._log.checkpoint()
        self._signed_at_s = now_s
        if self._settings.retention:
            self._expired_at_s, oldest = now_s, self._log.oldest_index
            expire(self._log, self._settings.retention, time.time_ns(), self._safe_index())
            if self._log.oldest_index > oldest:
                reports.append((codes.LOG_TRIMMED, {"first": oldest, "last": self._log.oldest_index - 1}))
        if newest is not None and self._publishes(newest, now_s):
            reports.append((codes.LOG_CHECKPOINT, {"size": newest.checkpoint.size, "note": newest.note}))
        return reports

    def _publishes(self, newest: Kept, now_s: float) -> bool:
        """Return whether the newest checkpoint is to be published, which then counts as done."""
        # A published checkpoint is itself one record more: alone it is no reason for the next one.
        if newest.checkpoint.size - self._published_size <= 1:
            return False
        if now_s - self._published_at_s < self._settings.publish_s:
            return False
        self._published_at_s, self._published_size = now_s, newest.checkpoint.size
        return True
