"""The state that one picture on the screen shows."""

from dataclasses import dataclass, field

from cli.top.model.audit import AuditTrail
from cli.top.model.mesh import MeshState
from cli.top.model.radar import RadarPicture


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All data at `now_s` seconds on the monotonic clock, and `wall_s` since 1970; `where` names the mesh."""

    now_s: float
    wall_s: float
    where: str
    mesh: MeshState = field(default_factory=MeshState)
    radar: RadarPicture = field(default_factory=RadarPicture)
    audit: AuditTrail = field(default_factory=AuditTrail)
