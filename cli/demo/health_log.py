"""Remembers whatever was not well with a mesh while it was looked at."""

from collections.abc import Mapping, Sequence

from cli.local_mesh.probe import ServiceStatus


class HealthLog:
    """Takes looks at a mesh; each kind of trouble of each process is remembered once, as it was first seen."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """Begin with the processes' ids, by name: one that changes is a restart."""
        self._pids = dict(pids)
        self._problems: dict[tuple[str, str], str] = {}

    def look(self, statuses: Sequence[ServiceStatus], pids: Mapping[str, int]) -> None:
        """Take note of the statuses, and of the ids of the processes that are alive."""
        for status in statuses:
            if status.status != "SERVING":
                detail = f": {status.detail}" if status.detail else ""
                self._problems.setdefault((status.name, status.status), f"{status.name} was {status.status}{detail}.")
        for name, pid in pids.items():
            if self._pids.get(name) != pid:
                self._problems.setdefault((name, "restarted"), f"{name} died and was started again.")

    def problems(self) -> list[str]:
        """Return in sentences what was not well; nothing where all was."""
        return list(self._problems.values())
