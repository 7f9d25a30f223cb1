"""The state that one picture on the screen shows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cli.views.top.model.alerts import Alert, newest_first
from cli.views.top.model.audit import AuditTrail
from cli.views.top.model.conditions import ERROR
from cli.views.top.model.mesh import MeshState
from cli.views.top.model.radar import RadarPicture
from qiki_sdk.codes import GAP

GAP_SHOWN_S: Final = 600.0  # the report of a gap stays an alert for so long


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All data at `now_s` seconds on the monotonic clock, and `wall_s` since 1970; `where` names the mesh."""

    now_s: float
    wall_s: float
    where: str
    mesh: MeshState = field(default_factory=MeshState)
    radar: RadarPicture = field(default_factory=RadarPicture)
    audit: AuditTrail = field(default_factory=AuditTrail)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts of the mesh and the gaps that services have reported, newest first."""
        return newest_first((*self.mesh.alerts, *self._gaps()))

    @property
    def active_alerts(self) -> int:
        """The number of alerts that persist."""
        return sum(alert.is_active for alert in self.alerts)

    def _gaps(self) -> Iterator[Alert]:
        for line in self.audit.lines:
            age_s = self.wall_s - line.reported_s
            if line.code == GAP.number and abs(age_s) <= GAP_SHOWN_S:
                text = f"gap reported by {line.reporter}: {line.message}"
                yield Alert(f"reported:{line.event_id}", ERROR, text, self.now_s - age_s)
