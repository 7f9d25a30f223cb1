"""The collector process: settings, parts, entry point. It is built like every service of the mesh."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cli.views.trace.collector.receiver import SERVICE_NAME, TraceReceiver, add_receiver
from cli.views.trace.collector.store import StoreLimits, StoreUnavailableError, open_store
from mesh.serving.errors import StartError
from mesh.serving.runtime import ServiceContext, ServiceParts, run_service
from mesh.serving.server import GrpcService
from mesh.settings import Port, ServiceSettings
from mesh.storage.state_dir import open_state_dir

DEFAULT_PORT = 4317
DEFAULT_HTTP_PORT = 9107


class CollectorSettings(ServiceSettings):
    """Settings of the collector; the environment variables have the prefix `QIKI_COLLECTOR_`.

    Without `state_dir` the store is temporary. The oldest spans are deleted beyond `max_spans` or `max_bytes`. The
    collector exports no spans of its own.
    """

    model_config = SettingsConfigDict(env_prefix="QIKI_COLLECTOR_")
    service_name: ClassVar[str] = "collector"

    grpc_port: int = Port(DEFAULT_PORT)
    http_port: int = Port(DEFAULT_HTTP_PORT)
    registrar_target: str = ""
    trace_exporter: Literal["otlp", "console", "none"] = "none"
    state_dir: Path | None = None
    max_spans: int = Field(default=StoreLimits().spans, ge=1_000, le=5_000_000)
    max_bytes: int = Field(default=StoreLimits().size_bytes, ge=4 * 1024 * 1024, le=4 * 1024 * 1024 * 1024)


def main() -> None:
    """Run the collector."""
    run_service(CollectorSettings, build)


def build(settings: CollectorSettings, service: ServiceContext) -> ServiceParts:
    """Make the collector's parts.

    Raises:
        StartError: the store's directory cannot be used.
    """
    directory = open_state_dir(settings.state_dir, "collector", service.resources)
    try:
        store = open_store(directory, StoreLimits(settings.max_spans, settings.max_bytes))
    except StoreUnavailableError as error:
        raise StartError(f"{error}; name another directory with the setting state_dir") from error
    service.resources.callback(store.close)
    receiver = TraceReceiver(store, service.telemetry.registry)
    service.health.facts_from(receiver.facts)
    return ServiceParts(mounts=[GrpcService(SERVICE_NAME, add_receiver, receiver)])
