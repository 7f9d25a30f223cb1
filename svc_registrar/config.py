"""Settings of the registrar."""

from pathlib import Path
from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from mesh.settings import Port, ServiceSettings


class RegistrarSettings(ServiceSettings):
    """Settings of the registrar; the environment's prefix is `QIKI_REGISTRAR_`.

    Without `state_dir` a new temporary one is made: each start is then a new log. `registrar_target` stays empty: the
    registrar writes its own reports to its log, and sends them to nobody.
    """

    model_config = SettingsConfigDict(env_prefix="QIKI_REGISTRAR_")
    service_name: ClassVar[str] = "svc_registrar"

    grpc_port: int = Port(50054)
    http_port: int = Port(9104)
    registrar_target: str = ""
    state_dir: Path | None = None
