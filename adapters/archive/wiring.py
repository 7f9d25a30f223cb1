"""Assembly of the archive's parts."""

from prometheus_client import CollectorRegistry, Gauge

from adapters.archive.config import ArchiveSettings
from adapters.archive.service import ArchiveServicer
from adapters.jetstream.client.link import Link
from botspec.derived.runtime import load_part
from botspec.sections import Bus
from mesh.serving.runtime import ServiceContext, ServiceParts, run_service
from mesh.serving.server import GrpcService
from qiki.archive.v1.archive_service_pb2 import DESCRIPTOR
from qiki.archive.v1.archive_service_pb2_grpc import add_ArchiveServiceServicer_to_server


def main() -> None:
    """Run the archive."""
    run_service(ArchiveSettings, build)


def build(settings: ArchiveSettings, service: ServiceContext) -> ServiceParts:
    """Build the archive's parts.

    Raises:
        SpecError: the BotSpec cannot be used.
        ValueError: the archive's API cannot carry a channel's type.
    """
    spec = load_part(Bus, "archive", settings).spec
    link = Link(settings.nats_url, "qiki-archive", service.health.loop("nats"))
    servicer = ArchiveServicer(link, spec.channels, settings.heartbeat_s)
    service.health.facts_from(servicer.facts)
    _watch_waiting(service.telemetry.registry, servicer)
    name = DESCRIPTOR.services_by_name["ArchiveService"].full_name
    mount = GrpcService(name, add_ArchiveServiceServicer_to_server, servicer)
    return ServiceParts(mounts=[mount], streams=[servicer], loops=[link.run])


def _watch_waiting(registry: CollectorRegistry, servicer: ArchiveServicer) -> None:
    messages = Gauge("qiki_archive_waiting_messages", "Messages read ahead of the readers.", registry=registry)
    messages.set_function(servicer.waiting)
    streams = Gauge(
        "qiki_archive_waiting_streams", "Streams with messages that their reader has not taken.", registry=registry
    )
    streams.set_function(servicer.waiting_streams)
