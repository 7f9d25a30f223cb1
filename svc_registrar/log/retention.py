"""Removal of old segments by policy: none that a signed checkpoint does not cover."""

from dataclasses import dataclass

from svc_registrar.log.log import Log
from svc_registrar.log.recovery import write_oldest

_NS_PER_S = 1_000_000_000
# Segments removed at a time: some milliseconds.
MAX_REMOVED = 16


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Segments that may go: those whose records are all beyond the age, or the oldest beyond the size; 0: none."""

    age_s: float = 0.0
    bytes: int = 0

    def __bool__(self) -> bool:
        """Whether any segment may ever go."""
        return self.age_s > 0 or self.bytes > 0


def expire(log: Log, policy: RetentionPolicy, now_ns: int, safe_index: int) -> int:
    """Remove the oldest complete segments that the policy lets go; return how many went.

    A segment stays while one of its records is beyond the newest checkpoint, or beyond `safe_index`, which required
    readers have confirmed. Tree and index keep their entries, so that every proof stays possible.

    Raises:
        OSError: it cannot be done; what was begun ends at the next start.
    """
    newest = log.checkpoints.newest
    covered = min(newest.checkpoint.size if newest else 0, safe_index)
    removed = 0
    with log.writing:
        while policy and removed < MAX_REMOVED and (following := log.segments.second_first):
            last = following - 1
            too_old = policy.age_s > 0 and now_ns - log.index.row(last).recorded_ns > policy.age_s * _NS_PER_S
            too_large = 0 < policy.bytes < log.size_bytes
            if last > covered or not (too_old or too_large):
                break
            write_oldest(log.path, following)  # first: at the start a missing segment is a loss unless this explains it
            log.segments.drop_oldest()
            removed += 1
    return removed
