"""Log of the health problems of a mesh under observation."""

from collections.abc import Mapping, Sequence

from cli.local_mesh.probe import ServiceStatus


class HealthLog:
    """Observes a mesh; records each kind of problem of each process once, as first seen."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """Start with the processes' ids, by name: a changed id is a restart."""
        self._pids = dict(pids)
        self._problems: dict[tuple[str, str], str] = {}

    def look(self, statuses: Sequence[ServiceStatus], pids: Mapping[str, int]) -> None:
        """Record the statuses, and the ids of the processes that are alive."""
        for status in statuses:
            if status.status != "SERVING":
                detail = f": {status.detail}" if status.detail else ""
                self._problems.setdefault((status.name, status.status), f"{status.name} was {status.status}{detail}.")
        for name, pid in pids.items():
            if self._pids.get(name) != pid:
                self._problems.setdefault((name, "restarted"), f"{name} died and was started again.")

    def problems(self) -> list[str]:
        """Return the problems as sentences; empty if there was none."""
        return list(self._problems.values())
