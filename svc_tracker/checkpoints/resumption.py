"""Starting point of a run's fold: the newest usable checkpoint that is recorded as safe, or from scratch."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from mesh.threads import finish_in_thread
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import CHECKPOINT_DAMAGED, STORAGE_FAILED
from svc_tracker.checkpoints.store import Checkpoint, CheckpointPosition, CheckpointStore, Found, Written
from svc_tracker.config import Rules
from svc_tracker.domain.guard.guard import Guard, GuardStateError
from svc_tracker.domain.snapshot import SnapshotError
from svc_tracker.domain.tracker import Tracker

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resumption:
    """The states to resume from, their position (None: before the first frame), and the checkpoints on the disk up to
    there, oldest first.
    """

    tracker: Tracker
    guard: Guard
    place: CheckpointPosition | None = None
    written: Sequence[Written] = ()


async def resume(
    store: CheckpointStore | None, rules: Rules, audit: AuditReporter, *, from_scratch: bool
) -> Resumption:
    """Return the starting point; `from_scratch` removes the run's checkpoints.

    A checkpoint that cannot be used is reported and skipped. If the disk fails, the fold starts from scratch.
    """
    found = Found()
    if store is not None:
        try:
            if from_scratch:
                await finish_in_thread(store.forget)
            else:
                found = await finish_in_thread(store.load)
        except OSError as error:
            _LOG.warning("checkpoints cannot be read", extra={"why": str(error)})
            audit.report(STORAGE_FAILED, f"checkpoints cannot be read: {error.strerror or error}")
    damage = list(found.damage)
    for count in range(len(found.checkpoints), 0, -1):
        written, checkpoint = found.checkpoints[count - 1]
        try:
            tracker, guard = await finish_in_thread(_restore, rules, checkpoint)
        except (SnapshotError, GuardStateError) as error:
            damage.append(f"of frame {written.place.frame_sequence}: {error}")
            continue
        _report(damage, audit)
        return Resumption(tracker, guard, written.place, [each for each, _ in found.checkpoints[:count]])
    _report(damage, audit)
    return Resumption(Tracker(rules.model, rules.identity), Guard(rules.guard))


def _restore(rules: Rules, checkpoint: Checkpoint) -> tuple[Tracker, Guard]:
    tracker = Tracker.restore(rules.model, checkpoint.tracker, rules.identity)
    return tracker, Guard.restore(rules.guard, checkpoint.guard)


def _report(damage: Sequence[str], audit: AuditReporter) -> None:
    for what in damage:
        _LOG.warning("a checkpoint cannot be used", extra={"why": what})
        audit.report(CHECKPOINT_DAMAGED, f"a checkpoint cannot be used: {what}")
