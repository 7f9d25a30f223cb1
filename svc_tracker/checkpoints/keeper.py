"""Checkpoint keeper: writes checkpoints in a thread, records them as safe once every reader has confirmed."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from mesh.feeds.notifier import Notifier
from mesh.folds.quarantine import NOT_QUARANTINED
from mesh.threads import finish_in_thread
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import FAULT, STORAGE_FAILED, STORAGE_RESTORED
from svc_tracker.checkpoints.store import Checkpoint, CheckpointPosition, CheckpointStore, Written

# If the readers never confirm, every second one of more checkpoints than this is removed.
MAX_CHECKPOINTS = 64
# Older safe checkpoints kept: if the newest is damaged, the source may still have the frames after the one before it.
SPARES = 1
IDLE_S = 1.0
RETRY_S = 5.0
_LOG = logging.getLogger(__name__)


class CheckpointKeeper:
    """Keeps one run's checkpoints, one write at a time. Lives on one event loop; only the writes run in a thread.

    `safe` is the newest position recorded as safe on the disk: no other may be confirmed to the source.
    """

    def __init__(
        self, store: CheckpointStore, change: Notifier, audit: AuditReporter, resumed_from: Sequence[Written] = ()
    ) -> None:
        """Continue with what the store found, oldest first; `change` is notified when a reader has confirmed."""
        self._store = store
        self._change = change
        self._audit = audit
        self._written = list(resumed_from)
        self._offered: Callable[[], Checkpoint] | None = None
        self._writing = False
        self._failed = False
        self.safe: CheckpointPosition | None = resumed_from[-1].place if resumed_from else None

    @property
    def is_free(self) -> bool:
        """Whether every offered checkpoint has been written."""
        return self._offered is None and not self._writing

    def offer(self, make: Callable[[], Checkpoint]) -> None:
        """Queue a checkpoint to be made and written in a thread, replacing one that still waits; the fold goes on.

        The newest is always written eventually: a lossless source that waits for it sends no frame for another.
        """
        self._offered = make
        self._change.notify()

    async def run(self, confirmed: Callable[[], tuple[int, int]], on_safe: Callable[[], None]) -> None:
        """Write offered checkpoints and record the safe ones, without end.

        `confirmed` returns the verified sequences that all required readers of each output have confirmed; `on_safe` is
        called when `safe` has moved.
        """
        while True:
            try:
                if self._offered is not None:
                    await self._write(self._offered)
                elif safe := self._newly_safe(*confirmed()):
                    await self._record(safe, on_safe)
                else:
                    await self._change.wait(IDLE_S)
            except OSError as error:
                self._fail(error)
                await asyncio.sleep(RETRY_S)

    async def _write(self, make: Callable[[], Checkpoint]) -> None:
        """Write the checkpoint; if that fails it is offered again, unless a newer one is.

        A checkpoint that cannot be made is reported and skipped: it would fail again.
        """
        self._offered, self._writing = None, True
        try:
            written = await finish_in_thread(lambda: self._store.write(make()))
        except OSError:
            self._offered = self._offered or make
            raise
        except NOT_QUARANTINED:
            raise
        except Exception as error:  # noqa: BLE001 (a bug in it must not end the fold)
            _LOG.exception("a checkpoint could not be made")
            self._audit.report(FAULT, f"a checkpoint could not be made: {type(error).__name__}: {error}")
            return
        finally:
            self._writing = False
        self._restore()
        self._written.append(written)
        if len(self._written) > MAX_CHECKPOINTS:
            given_up = self._written[1::2]
            self._written = self._written[::2]
            await finish_in_thread(self._store.remove, [each.place for each in given_up])

    def _newly_safe(self, tracks: int, guard: int) -> list[Written]:
        """Return the checkpoints to record: the newest safe one, and its spare; empty if nothing is new."""
        count = sum(1 for each in self._written if each.place.is_safe(tracks, guard))
        if count == 0 or self._written[count - 1].place == self.safe:
            return []
        return self._written[max(0, count - 1 - SPARES) : count]

    async def _record(self, safe: list[Written], on_safe: Callable[[], None]) -> None:
        """Record the safe checkpoints; then call `on_safe`, and remove the older ones."""
        await finish_in_thread(self._store.record, safe)
        self._restore()
        self.safe = safe[-1].place
        on_safe()
        first = self._written.index(safe[0])
        older, self._written = self._written[:first], self._written[first:]
        if older:
            await finish_in_thread(self._store.remove, [each.place for each in older])

    def _fail(self, error: OSError) -> None:
        _LOG.warning("checkpoints cannot be kept", extra={"why": str(error)})
        if not self._failed:
            self._failed = True
            self._audit.report(STORAGE_FAILED, f"checkpoints cannot be kept: {error.strerror or error}")

    def _restore(self) -> None:
        if self._failed:
            self._failed = False
            self._audit.report(STORAGE_RESTORED, "checkpoints can be kept again")
