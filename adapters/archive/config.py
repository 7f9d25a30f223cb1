"""Settings of the archive."""

from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from mesh.settings import Port, ServiceSettings


class ArchiveSettings(ServiceSettings):
    """The archive's settings; the environment variables have the prefix `QIKI_ARCHIVE_`."""

    model_config = SettingsConfigDict(env_prefix="QIKI_ARCHIVE_")
    service_name: ClassVar[str] = "archive"

    grpc_port: int = Port(50056)
    http_port: int = Port(9106)
    nats_url: str = "nats://127.0.0.1:4222"
