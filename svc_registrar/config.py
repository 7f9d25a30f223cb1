"""Settings of the registrar."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from mesh.settings import Port, ServiceSettings


class RegistrarSettings(ServiceSettings):
    """Settings of the registrar; the environment's prefix is `QIKI_REGISTRAR_`.

    Without `state_dir` a new temporary one is made: each start is then a new log. `registrar_target` stays empty: the
    registrar writes its own reports to its log, and sends them to nobody.

    A segment is complete at `segment_bytes` or `segment_age_s`. Complete ones are removed once they are older than
    `retention_s`, or the oldest while the log exceeds `retention_bytes`; 0 keeps all. A checkpoint is signed every
    `checkpoint_events` events or `checkpoint_s`, and in a pause; every `publish_s` one becomes an audit event.
    """

    model_config = SettingsConfigDict(env_prefix="QIKI_REGISTRAR_")
    service_name: ClassVar[str] = "svc_registrar"

    grpc_port: int = Port(50054)
    http_port: int = Port(9104)
    registrar_target: str = ""
    state_dir: Path | None = None
    segment_bytes: int = Field(default=64 * 1024 * 1024, ge=64 * 1024, le=1024 * 1024 * 1024)
    segment_age_s: float = Field(default=86_400.0, ge=60.0)
    retention_s: float = Field(default=0.0, ge=0.0)
    retention_bytes: int = Field(default=0, ge=0)
    checkpoint_events: int = Field(default=10_000, ge=1)
    checkpoint_s: float = Field(default=10.0, ge=0.1)
    publish_s: float = Field(default=300.0, ge=1.0)
