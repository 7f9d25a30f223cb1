"""Construction of the tracker's parts."""

import logging
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from botspec.derived.runtime import load_part
from botspec.model import Loaded
from botspec.sections import Tracking
from mesh.feeds.feed import Feed
from mesh.feeds.notifier import Notifier
from mesh.folds.quarantine import Quarantine
from mesh.folds.runner import NEVER_S, FoldReports, FoldRunner, FoldSource
from mesh.serving.errors import StartError
from mesh.serving.runtime import ServiceContext, ServiceParts, run_service
from mesh.serving.server import GrpcService
from mesh.storage.state_dir import open_state_dir
from mesh.telemetry.spans import WorkSpans
from qiki.common.v1.stream_pb2 import Run
from qiki.radar.v1 import radar_service_pb2 as radar
from qiki.radar.v1.radar_service_pb2_grpc import RadarServiceStub
from qiki.tracker.v1.tracker_service_pb2 import DESCRIPTOR, WatchGuardResponse, WatchTracksResponse
from qiki.tracker.v1.tracker_service_pb2_grpc import add_TrackerServiceServicer_to_server
from qiki_sdk.channel import connect
from svc_tracker.checkpoints.store import Checkpointing
from svc_tracker.config import TrackerSettings, to_rules
from svc_tracker.fold import Outputs, TrackerFold
from svc_tracker.metrics import SessionMetrics, TrackerMetrics
from svc_tracker.service import SESSION_THREADS, TrackerServicer
from svc_tracker.warm_up import warm_up

_LOG = logging.getLogger(__name__)
READER = "tracker"
# How long a session's thread may keep the interpreter from the event loop; Python's default is five times that.
SWITCH_INTERVAL_S = 0.001


def main() -> None:
    """Run the tracker."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    run_service(TrackerSettings, build)


def build(settings: TrackerSettings, service: ServiceContext) -> ServiceParts:
    """Make the tracker's parts.

    Raises:
        SpecError: the BotSpec cannot be used.
        StartError: half the retention does not hold a scan and the interval between checkpoints, a scan takes longer
            than an unseen track is kept, or the BotSpec's tracker cannot be made.
    """
    bot_spec = load_part(Tracking, "tracker", settings)
    spec = bot_spec.spec
    longest_scan_s = max((radar_.scan_period_s for radar_ in spec.radars), default=0.0)
    settings.check_retention(longest_scan_s + settings.checkpoint_period_s)
    rules, spans = to_rules(spec), service.telemetry.spans
    if longest_scan_s >= rules.model.max_coast_s:
        raise StartError(
            f"a scan takes {longest_scan_s:g} s: tracks are given up after {rules.model.max_coast_s:g} s unseen"
        )
    if rules.model.compiled:
        _LOG.info("compiling the tracker's arithmetic; the first time on a machine that takes about a minute")
        warm_up(rules.model)
    outputs = _outputs(settings, bot_spec, spans)
    heartbeat = service.health.loop("follower")
    service.health.facts_from(lambda: facts(outputs))
    if settings.state_dir is not None:
        open_state_dir(settings.state_dir, "tracker", service.resources)
    checkpointing = Checkpointing(settings.state_dir, settings.checkpoint_period_s)
    registry = service.telemetry.registry
    reports = FoldReports(service.audit, Quarantine(service.audit, registry, "frames"), heartbeat)
    metrics = TrackerMetrics(registry)
    # A checkpoint is made at the first frame after each full period; without checkpoints, no frame is ever safe.
    confirm_interval_s = longest_scan_s + settings.checkpoint_period_s if settings.state_dir else NEVER_S

    async def open_fold(run: Run, from_scratch: bool) -> TrackerFold:
        return await TrackerFold.open(
            run, outputs, rules, checkpointing, reports, metrics=metrics, from_scratch=from_scratch
        )

    runner = FoldRunner(
        _frames(settings, bot_spec, confirm_interval_s),
        outputs.tracks,
        bot_spec.digest,
        open_fold=open_fold,
        heartbeat=heartbeat,
        beside=(outputs.guard,),
        report=service.audit.report,
    )
    sessions = ThreadPoolExecutor(SESSION_THREADS, thread_name_prefix="session")
    service.resources.callback(sessions.shutdown, wait=False, cancel_futures=True)
    servicer = TrackerServicer(outputs, rules, SessionMetrics(registry), sessions, settings.heartbeat_s)
    name = DESCRIPTOR.services_by_name["TrackerService"].full_name
    mount = GrpcService(name, add_TrackerServiceServicer_to_server, servicer)
    return ServiceParts(mounts=[mount], feeds=[outputs.tracks, outputs.guard], loops=[runner.run])


def _outputs(settings: TrackerSettings, bot_spec: Loaded[Tracking], spans: WorkSpans) -> Outputs:
    """Return the two feeds, which share one notifier of their readers' confirmations."""
    readers, confirmations = bot_spec.spec.readers, Notifier()
    tracks, guard = settings.feed("tracks", readers("tracks")), settings.feed("guard", readers("guard"))
    return Outputs(
        tracks=Feed(tracks, WatchTracksResponse, "track_set", spans, confirmations),
        guard=Feed(guard, WatchGuardResponse, "guard_event", spans, confirmations),
    )


def facts(outputs: Outputs) -> Mapping[str, object]:
    """Return the facts of a status line."""
    tracks = outputs.tracks
    return {
        "run_id": tracks.run.run_id if tracks.run else "",
        "track_sets": tracks.store.last_sequence,
        "guard_events": outputs.guard.store.last_sequence,
        "replaying": tracks.replaying,
        "ended": tracks.ended,
    }


def _frames(settings: TrackerSettings, bot_spec: Loaded[Tracking], confirm_interval_s: float) -> FoldSource:
    stub = RadarServiceStub(connect(settings.radar_target))
    return FoldSource(
        service="svc_radar",
        reader=READER if READER in bot_spec.spec.readers("frames") else "",
        get_run=stub.GetRun,
        run_request=radar.GetRunRequest,
        watch=stub.WatchFrames,
        watch_request=partial(radar.WatchFramesRequest, columns=True),
        confirm=stub.ConfirmFrames,
        confirm_request=radar.ConfirmFramesRequest,
        confirm_interval_s=confirm_interval_s,
    )
