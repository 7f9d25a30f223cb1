"""The state of the chain during faults: the progress of every subject, the health and the memory of each process."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chain import RECORDED, facts
from chaos.arena import Arena
from chaos.schedule import PROCESSES

RECOVERY_TIMEOUT_S = 120.0
POLL_S = 0.1
# Events are rare: the absence of a new one proves nothing.
SPARSE = ("guard",)


class NotRecovered(AssertionError):  # noqa: N818 - named for what happened
    """The chain did not recover in time; the text has the state of each part."""


@dataclass(slots=True)
class Watcher:
    """Watches one arena; `also` returns the progress of a reader of it, by the name of its source."""

    arena: Arena
    also: Callable[[], Mapping[str, int]] = dict
    reached: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    peaks_kib: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def look(self) -> bool:
        """Read the progress of the derived channels; return whether the bridge has published all of them to the end."""
        channels = (await self._facts("bridge")).get("channels", {})
        derived = {name: channel for name, channel in channels.items() if name not in RECORDED}
        for name, channel in derived.items():
            self.reached[name] = max(self.reached[name], channel["sequence"])
        return bool(derived) and all(channel["ended"] for channel in derived.values())

    async def tick(self) -> int:
        """Return the simulation's tick, 0 if it is not reported."""
        tick: int = (await self._facts("sim")).get("tick", 0)
        return tick

    async def recovered(self) -> bool:
        """Wait until every process serves, and every derived subject and its reader have advanced.

        Return whether events flowed; False if the run has ended, as nothing can advance then.

        Raises NotRecovered.
        """
        await self.look()
        before = self._replay_points()
        try:
            async with asyncio.timeout(RECOVERY_TIMEOUT_S):
                while True:
                    ended = await self.look()
                    places = self._replay_points()
                    further = self.reached and all(places[name] > place for name, place in before.items())
                    if (further or ended) and await self._all_serve():
                        return bool(further)
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise NotRecovered(
                f"not within {RECOVERY_TIMEOUT_S} s: before {before}, {await self._describe()}"
            ) from None

    async def carried(self) -> None:
        """Return once the bridge has published every derived channel to the run's end. Raises NotRecovered."""
        clock = asyncio.get_running_loop().time
        before: dict[str, int] = {}
        moved_at = clock()
        while not (await self.look() and await self._all_serve()):
            if self.reached != before:
                before, moved_at = dict(self.reached), clock()
            elif clock() - moved_at > RECOVERY_TIMEOUT_S:
                raise NotRecovered(f"nothing moved for {RECOVERY_TIMEOUT_S} s: {await self._describe()}")
            await asyncio.sleep(POLL_S)

    def weigh(self) -> None:
        """Take in the high-water mark of every process that is alive."""
        for process in PROCESSES:
            pid = self.arena.pid(process)
            if pid is not None:
                self.peaks_kib[process] = max(self.peaks_kib[process], high_water_kib(pid))

    def _replay_points(self) -> dict[str, int]:
        places = {**self.reached, **self.also()}
        return {name: place for name, place in places.items() if not name.endswith(SPARSE)}

    async def _all_serve(self) -> bool:
        return all(status.status == "SERVING" for status in await self.arena.mesh.statuses())

    async def _describe(self) -> str:
        said = "; ".join(f"{each.name} {each.status} {each.detail}" for each in await self.arena.mesh.statuses())
        channels = (await self._facts("bridge")).get("channels", {})
        return f"now {self._replay_points()}; {said}; {channels}"

    async def _facts(self, service: str) -> dict[str, Any]:
        return await asyncio.to_thread(facts, self.arena.mesh, service)


def high_water_kib(pid: int) -> int:
    """Return the most memory that the process has held, 0 where it is gone."""
    return _status_kib(pid, "VmHWM:")


def resident_kib(pid: int) -> int:
    """Return the memory that the process holds now, 0 where it is gone."""
    return _status_kib(pid, "VmRSS:")


def _status_kib(pid: int, name: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith(name)), 0)
