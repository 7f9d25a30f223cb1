"""Wiring of the simulator's parts."""

from pathlib import Path

from botspec.derived.runtime import load_part
from botspec.model import Loaded
from botspec.sections import Fitted
from mesh.feeds.feed import Feed
from mesh.schedule import Schedule
from mesh.serving.runtime import ServiceContext, ServiceParts, run_service
from mesh.serving.server import GrpcService
from mesh.storage.runs import RunInputs, code_digest, load_or_create
from mesh.storage.state_dir import open_state_dir
from mesh.telemetry.spans import WorkSpans
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.sim_service_pb2 import DESCRIPTOR, WatchSensorsResponse, WatchWorldResponse
from qiki.sim.v1.sim_service_pb2_grpc import add_SimServiceServicer_to_server
from svc_sim.commands import Commands
from svc_sim.config import SimSettings, to_nanoseconds
from svc_sim.domain.loader import load_scenario
from svc_sim.domain.scenario import LoadedScenario
from svc_sim.domain.world import World, last_tick_of
from svc_sim.durability.commit_log import CommitLog
from svc_sim.durability.journal import Journal, adopt
from svc_sim.durability.reservation import Reservation, prepare
from svc_sim.metrics import SimMetrics
from svc_sim.navigation import Navigation
from svc_sim.pacer import Pacer
from svc_sim.service import SimServicer
from svc_sim.simulation import Feeds, Simulation

# In simulation time: the most that a restart recomputes beyond the visible ticks.
RESERVED_BLOCK_NS = 1_000_000_000


def main() -> None:
    """Run the simulator."""
    run_service(SimSettings, build)


def build(settings: SimSettings, service: ServiceContext) -> ServiceParts:
    """Build the simulator's parts.

    Raises:
        SpecError: the BotSpec or the scenario cannot be used.
        StartError: the state directory cannot be used, or half the retention is too short for a scan.
    """
    bot_spec = load_part(Fitted, "sim", settings)
    scenario = load_scenario(settings.scenario or default_scenario(), bot_spec.spec.radars)
    longest_scan_s = max((radar.scan_period_s for radar in bot_spec.spec.radars), default=0.0)
    settings.check_retention(longest_scan_s + bot_spec.spec.simulation.world_period_s)
    state_dir = open_state_dir(settings.state_dir, "sim", service.resources)
    inputs = _run_inputs(settings, bot_spec, scenario)
    run = load_or_create(state_dir, inputs, lambda new: prepare(state_dir, new.run_id))
    feeds = _feeds(settings, bot_spec, service.telemetry.spans)
    if settings.journal:
        adopt(settings.journal, state_dir, run)
    reservation = Reservation.open(state_dir, run.run_id, max(1, RESERVED_BLOCK_NS // run.tick_ns))
    journal = Journal.open(state_dir, run, reservation.journal_bytes)
    world = World(scenario, run.run_id, run.tick_ns)
    commit_log = CommitLog(reservation, journal, world)
    service.resources.callback(commit_log.close)
    simulation = _simulation(
        settings=settings, bot_spec=bot_spec, run=run, world=world, feeds=feeds, commit_log=commit_log, service=service
    )
    commands = Commands(run, commit_log, journal, service.audit, service.health.loop("commands"))
    return _parts(simulation, commands, feeds, settings.heartbeat_s, service)


def default_scenario() -> Path:
    """Return the path of the default scenario."""
    return Path(__file__).parent / "scenarios" / "crossing.yaml"


def _run_inputs(settings: SimSettings, bot_spec: Loaded[Fitted], scenario: LoadedScenario) -> RunInputs:
    script, simulation = scenario.scenario, bot_spec.spec.simulation
    seeds = (settings.seed, script.seed, simulation.seed)
    start_time = settings.start_time or script.start_time
    return RunInputs(
        seed=next(seed for seed in seeds if seed is not None),
        bot_id=bot_spec.spec.bot.bot_id,
        tick_ns=simulation.tick_ns,
        last_tick=last_tick_of(scenario, simulation.tick_ns),
        scenario_digest=scenario.digest,
        bot_spec_digest=bot_spec.digest,
        code_digest=code_digest(Path(__file__).parent.parent / package for package in ("botspec", "mesh", "svc_sim")),
        run_id=str(settings.run_id) if settings.run_id else None,
        start_ns=to_nanoseconds(start_time) if start_time else None,
    )


def _feeds(settings: SimSettings, bot_spec: Loaded[Fitted], spans: WorkSpans) -> Feeds:
    readers = bot_spec.spec.readers
    return Feeds(
        world=Feed(settings.feed("world", readers("world")), WatchWorldResponse, "snapshot", spans),
        sensors=Feed(settings.feed("sensors", readers("sensors")), WatchSensorsResponse, "reading", spans),
    )


def _simulation(
    *,
    settings: SimSettings,
    bot_spec: Loaded[Fitted],
    run: Run,
    world: World,
    feeds: Feeds,
    commit_log: CommitLog,
    service: ServiceContext,
) -> Simulation:
    pacer = Pacer(run.tick_ns / 1e9, settings.speed_factor())
    if settings.paused:
        pacer.pause()
    metrics = SimMetrics(service.telemetry.registry)
    simulation = Simulation(
        run=run,
        world=world,
        snapshots=Schedule((bot_spec.spec.simulation.world_period_ticks,)),
        navigation=Navigation.of(bot_spec.spec, run.seed),
        feeds=feeds,
        pacer=pacer,
        commit_log=commit_log,
        audit=service.audit,
        spans=service.telemetry.spans,
        metrics=metrics,
    )
    metrics.phase = simulation.phase
    simulation.begin()  # before the server starts: no reader sees a feed without its run
    return simulation


def _parts(
    simulation: Simulation, commands: Commands, feeds: Feeds, heartbeat_s: float, service: ServiceContext
) -> ServiceParts:
    service.health.facts_from(lambda: {**simulation.facts(), "commands": len(commands)})
    heartbeat = service.health.loop("simulation")
    servicer = SimServicer(simulation, commands, feeds, heartbeat_s)
    name = DESCRIPTOR.services_by_name["SimService"].full_name
    return ServiceParts(
        mounts=[GrpcService(name, add_SimServiceServicer_to_server, servicer)],
        feeds=[feeds.world, feeds.sensors],
        loops=[lambda: simulation.advance(heartbeat), commands.advance],
    )
