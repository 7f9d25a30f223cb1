"""Settings of the simulator."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from pydantic_settings import SettingsConfigDict

from mesh.feeds.retention import RetentionSettings
from mesh.settings import Port
from svc_sim.pacer import AS_FAST_AS_POSSIBLE, MAX_SPEED, MIN_SPEED

MAX_CHECKPOINTS_A_RETENTION = 32


class SimSettings(RetentionSettings):
    """The simulator's settings; the environment's prefix is `QIKI_SIM_`.

    Without `state_dir` a temporary directory is created: each start is then a new run. `seed` overrides the scenario's
    seed, which overrides the BotSpec's; likewise `start_time` overrides the scenario's. `journal` is the command
    journal of another run, which this run replays with the same `run_id` and `start_time`. `checkpoint_period_s` is the
    simulation time between two checkpoints of a bot with a rigid body; it is at least a 32nd of `retention_s`.
    """

    model_config = SettingsConfigDict(env_prefix="QIKI_SIM_")
    service_name: ClassVar[str] = "svc_sim"

    grpc_port: int = Port(50051)
    http_port: int = Port(9101)
    scenario: Path | None = None
    state_dir: Path | None = None
    journal: Path | None = None
    speed: Literal["max"] | Annotated[float, Field(ge=MIN_SPEED, le=MAX_SPEED)] = 1.0
    paused: bool = False
    run_id: UUID | None = None
    start_time: AwareDatetime | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    checkpoint_period_s: float = Field(default=60.0, gt=0.0, le=3_600.0)

    def checkpoint_period_ticks(self, tick_ns: int) -> int:
        """Return the ticks between two checkpoints: not so few that a whole retention has many of them."""
        period_s = max(self.checkpoint_period_s, self.retention_s / MAX_CHECKPOINTS_A_RETENTION)
        return max(1, int(period_s * 1e9) // tick_ns)

    def speed_factor(self) -> float:
        """Return the speed in the pacer's form."""
        return AS_FAST_AS_POSSIBLE if self.speed == "max" else self.speed


def to_nanoseconds(instant: datetime) -> int:
    """Return a UTC instant in nanoseconds since the Unix epoch, exactly."""
    since = instant.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
