"""Frame of a check in containers: start, check, logs of what failed, and everything taken down however it ends."""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from containers import CALL_LIMIT_S, CLEAN_UP_S, Compose, require_engine
from outcome import SmokeError, say

HEALTHY_LIMIT_S = 120.0


def new_compose(name: str, limit_s: float, **options: Any) -> Compose:
    """Return the mesh's containers under a name of their own; the limit holds for all of it, taking down included."""
    ends_at = time.monotonic() + limit_s - CLEAN_UP_S
    return Compose(project=f"qiki-{name}-{os.getpid()}", ends_at=ends_at, **options)


def run(compose: Compose, check: Callable[[Compose], None]) -> int:
    """Run the check and take everything down; return the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        require_engine(compose)
    except SmokeError as error:
        say(f"FAILED: {error}")
        return 1
    status = 1
    try:
        check(compose)
        status = 0
    except SmokeError as error:
        say(f"FAILED: {error}")
        compose.show_logs()
    finally:
        # no interrupt from here on: the containers must be taken down
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if not compose.take_down():
            status = 1
    say("PASSED" if status == 0 else "did not pass")
    return status


def start(compose: Compose) -> None:
    """Build the image and start the mesh, until every container is healthy. Raises SmokeError."""
    compose.run("building the image", "build", "--quiet")
    compose.run(
        "starting nats and the services, and waiting until they are healthy",
        "up", "--detach", "--wait", "--wait-timeout", f"{HEALTHY_LIMIT_S:.0f}",
        limit_s=HEALTHY_LIMIT_S + CALL_LIMIT_S,
    )  # fmt: skip


def require(problems: list[str]) -> None:
    """Raise SmokeError that names all problems, if there are any."""
    if problems:
        raise SmokeError("\n  ".join((f"{len(problems)} checks failed:", *problems)))


def _leave(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)
