"""Settings of the tracker."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from mesh.retention import RetentionSettings
from mesh.settings import Port


class TrackerSettings(RetentionSettings):
    """What the tracker can be told; the environment's prefix is `QIKI_TRACKER_`.

    Without `state_dir` no checkpoints are kept: a restart folds the run from the oldest frame the radar still has.
    """

    model_config = SettingsConfigDict(env_prefix="QIKI_TRACKER_")
    service_name: ClassVar[str] = "svc_tracker"

    grpc_port: int = Port(50053)
    http_port: int = Port(9103)
    radar_target: str = "127.0.0.1:50052"
    state_dir: Path | None = None
    checkpoint_period_s: float = Field(default=30.0, gt=0.0, le=3_600.0)
