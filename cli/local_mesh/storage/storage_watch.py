"""Watch over nats-server's storage: after a failed write, as on a full disk, it stores nothing in that stream until a
restart. The watch restarts it once there is space.

nats-server's own `/healthz` names such a stream (with `js-enabled-only` it would not).
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from cli.local_mesh.probe import ask
from cli.local_mesh.storage.disk_space import ROOM_BYTES, free_bytes

LOOK_INTERVAL_S: Final = 1.0
# A disk that repeatedly fills up must not cause constant restarts of nats-server.
RESTART_INTERVAL_S: Final = 30.0
# A freshly started server may report itself unhealthy for a moment.
LOOKS_BEFORE_RESTART: Final = 2


@dataclass(slots=True)
class StorageCare:
    """Decides on a restart of nats-server: unhealthy twice in a row, space on the disk, and not too often."""

    problem: str = ""
    _looks: int = 0
    _restarted_s: float = -RESTART_INTERVAL_S

    def restarts_now(self, problem: str, free: int, now_s: float) -> bool:
        """Process one observation - a problem, or an empty text - and return whether to restart now."""
        self.problem = problem
        self._looks = self._looks + 1 if problem else 0
        if self._looks < LOOKS_BEFORE_RESTART or free < ROOM_BYTES:
            return False
        if now_s - self._restarted_s < RESTART_INTERVAL_S:
            return False
        self._restarted_s, self._looks = now_s, 0
        return True


class StorageWatch:
    """Checks nats-server's health every second while `run` runs; `restart` receives the reason."""

    def __init__(self, monitor_port: int, state_dir: Path, say: Callable[[str], None]) -> None:
        self._monitor_port = monitor_port
        self._state_dir = state_dir
        self._say = say
        self._care = StorageCare()

    @property
    def problem(self) -> str:
        """Sentence on the storage failure of nats-server; empty if there is none."""
        return self._care.problem

    async def run(self, restart: Callable[[str], None]) -> None:
        """Check until cancelled."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            free = self._free()
            found = await stored_badly(self._monitor_port)
            was_well = not self._care.problem
            if self._care.restarts_now(_sentence(found, free, self._state_dir), free, time.monotonic()):
                restart(f"it stores again only after a restart ({found})")
            elif was_well and self._care.problem:
                self._say(f"nats: {self._care.problem}")

    def _free(self) -> int:
        try:
            return free_bytes(self._state_dir)
        except OSError:
            return ROOM_BYTES  # unknown: an unneeded restart does no harm


async def stored_badly(monitor_port: int) -> str:
    """Return the stream error that nats-server reports; empty if it reports none or gives no answer."""
    answer = await ask(monitor_port, "/healthz")
    if answer is None or answer[0] != HTTPStatus.SERVICE_UNAVAILABLE:
        return ""
    try:
        return str(json.loads(answer[1])["error"])
    except (ValueError, KeyError, TypeError):
        return "it calls itself unavailable"


def _sentence(found: str, free: int, state_dir: Path) -> str:
    if not found:
        return ""
    if free >= ROOM_BYTES:
        return f"does not store everything: {found}"
    return (
        f"does not store everything, for the disk is full: {free:,} bytes are free in {state_dir}; "
        f"it goes on once {ROOM_BYTES:,} are ({found})"
    )
