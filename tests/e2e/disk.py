"""The small disk below JetStream (small-disk.yaml): fill it to the last byte, and free it."""

from containers import Compose

FILLER = "/data/filler"
# In ever smaller pieces, for a write that does not fit entirely leaves a rest.
_FILL = f"for size in 1048576 4096 1; do busybox dd if=/dev/zero bs=$size 2>/dev/null >>{FILLER}; done; true"


def fill(compose: Compose) -> None:
    """Write until nothing more fits. Raises SmokeError."""
    compose.execute("disk", "sh", "-c", _FILL)


def free(compose: Compose) -> None:
    """Delete what filled it. Raises SmokeError."""
    compose.execute("disk", "busybox", "rm", FILLER)


def free_kib(compose: Compose) -> int:
    """Return the KiB that are free. Raises SmokeError."""
    line = compose.execute("disk", "busybox", "df", "-Pk", "/data").splitlines()[-1]
    return int(line.split()[3])
