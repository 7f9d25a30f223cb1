"""Construction of the registrar's parts."""

import logging

from botspec.derived.runtime import load_part
from botspec.sections import Core
from mesh.serving.runtime import ServiceContext, ServiceParts, run_service
from mesh.serving.server import GrpcService
from mesh.storage.state_dir import open_state_dir
from qiki.registrar.v1.registrar_service_pb2 import DESCRIPTOR
from qiki.registrar.v1.registrar_service_pb2_grpc import add_RegistrarServiceServicer_to_server
from svc_registrar import wire
from svc_registrar.config import RegistrarSettings
from svc_registrar.feed import FEED, LogFeed
from svc_registrar.log.log import Log, Rotation
from svc_registrar.metrics import RegistrarMetrics
from svc_registrar.producers import ProducerPositions
from svc_registrar.recorder import Recorder
from svc_registrar.service import RegistrarServicer
from svc_registrar.upkeep import Upkeep, UpkeepSettings

_LOG = logging.getLogger(__name__)


def main() -> None:
    """Run the registrar."""
    run_service(RegistrarSettings, build)


def build(settings: RegistrarSettings, service: ServiceContext) -> ServiceParts:
    """Make the registrar's parts.

    Raises:
        SpecError: the BotSpec cannot be used.
        StartError: the state directory cannot be used, or the log in it is damaged.
    """
    spec = load_part(Core, "registrar", settings).spec
    state_dir = open_state_dir(settings.state_dir, "registrar", service.resources)
    rotation = Rotation(settings.segment_bytes, settings.segment_age_s)
    log = Log.open(state_dir, spec.bot.bot_id, wire.CODEC, rotation)
    _LOG.info("log open", extra={"log_id": log.head.log_id, "events": log.last_index, "path": str(log.path)})
    spans, metrics = service.telemetry.spans, RegistrarMetrics(service.telemetry.registry, log)
    log_feed = LogFeed(log, spec.readers(FEED), spans)
    upkeep = Upkeep(log, UpkeepSettings.of(settings), lambda: log_feed.feed.safe_sequence)
    recorder = Recorder(log, log_feed, service.health.loop("log"), upkeep, spans=spans, metrics=metrics)
    service.health.facts_from(recorder.facts)
    servicer = RegistrarServicer(
        log, log_feed, recorder, producers=ProducerPositions(), heartbeat_s=settings.heartbeat_s
    )
    name = DESCRIPTOR.services_by_name["RegistrarService"].full_name
    mount = GrpcService(name, add_RegistrarServiceServicer_to_server, servicer)
    return ServiceParts(mounts=[mount], feeds=[log_feed.feed], loops=[recorder.advance])
