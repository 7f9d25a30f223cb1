"""Wiring of the radar's parts."""

from collections.abc import Mapping

from botspec.derived.runtime import load_part
from botspec.model import Loaded
from botspec.sections import Fitted
from mesh.feeds.feed import Feed
from mesh.folds.quarantine import Quarantine
from mesh.folds.runner import FoldReports, FoldRunner, FoldSource
from mesh.serving.runtime import ServiceContext, ServiceParts, run_service
from mesh.serving.server import GrpcService
from qiki.common.v1.stream_pb2 import Run
from qiki.radar.v1.radar_service_pb2 import DESCRIPTOR, WatchFramesResponse, WatchTruthResponse
from qiki.radar.v1.radar_service_pb2_grpc import add_RadarServiceServicer_to_server
from qiki.sim.v1 import sim_service_pb2 as sim
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect
from svc_radar.config import RadarSettings, to_model
from svc_radar.fold import Feeds, RadarFold
from svc_radar.metrics import RadarMetrics
from svc_radar.service import RadarServicer

READER = "radar"


def main() -> None:
    """Run the radar."""
    run_service(RadarSettings, build)


def build(settings: RadarSettings, service: ServiceContext) -> ServiceParts:
    """Build the radar's parts.

    Raises:
        SpecError: the BotSpec cannot be used.
        StartError: half the retention is too short for a scan.
    """
    bot_spec = load_part(Fitted, "radar", settings)
    spec = bot_spec.spec
    models = tuple(to_model(radar) for radar in spec.radars)
    longest_scan_s = max((model.scan_period_s for model in models), default=0.0)
    settings.check_retention(longest_scan_s + spec.simulation.world_period_s)
    frames = Feed(
        settings.feed("frames", spec.readers("frames")), WatchFramesResponse, "frame", service.telemetry.spans
    )
    truth = None
    if settings.serve_truth:
        truth = Feed(settings.feed("truth", ()), WatchTruthResponse, "truth", service.telemetry.spans)
    feeds = Feeds(frames, truth)
    beside = [truth] if truth else []
    heartbeat = service.health.loop("observer")
    service.health.facts_from(lambda: facts(frames))
    reports = FoldReports(service.audit, Quarantine(service.audit, service.telemetry.registry, "world"), heartbeat)

    metrics = RadarMetrics(service.telemetry.registry)

    async def open_fold(run: Run, _anew: bool) -> RadarFold:
        return RadarFold(run, models, feeds, reports, metrics)

    # A frame is safe once its readers have confirmed it, and depends on the snapshots of its whole scan.
    confirm_interval_s = longest_scan_s + spec.simulation.world_period_s
    runner = FoldRunner(
        _world(settings, bot_spec, confirm_interval_s),
        frames,
        bot_spec.digest,
        open_fold=open_fold,
        heartbeat=heartbeat,
        beside=beside,
        report=service.audit.report,
    )
    servicer = RadarServicer(feeds, [model.sensor_id for model in models], settings.heartbeat_s)
    mount = GrpcService(
        DESCRIPTOR.services_by_name["RadarService"].full_name, add_RadarServiceServicer_to_server, servicer
    )
    return ServiceParts(mounts=[mount], feeds=[frames, *beside], loops=[runner.run])


def facts(frames: Feed) -> Mapping[str, object]:
    """Return the fields of the status line."""
    return {
        "run_id": frames.run.run_id if frames.run else "",
        "frames": frames.store.last_sequence,
        "replaying": frames.replaying,
        "ended": frames.ended,
    }


def _world(settings: RadarSettings, bot_spec: Loaded[Fitted], confirm_interval_s: float) -> FoldSource:
    stub = SimServiceStub(connect(settings.sim_target))
    return FoldSource(
        service="svc_sim",
        reader=READER if READER in bot_spec.spec.readers("world") else "",
        get_run=stub.GetRun,
        run_request=sim.GetRunRequest,
        watch=stub.WatchWorld,
        watch_request=sim.WatchWorldRequest,
        confirm=stub.ConfirmWorld,
        confirm_request=sim.ConfirmWorldRequest,
        confirm_interval_s=confirm_interval_s,
    )
