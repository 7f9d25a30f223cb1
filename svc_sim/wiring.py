"""Wiring of the simulator's parts."""

from pathlib import Path

from google.protobuf.message import Message

from botspec.derived.runtime import load_part
from botspec.model import Loaded
from botspec.sections import Fitted
from mesh.clock import SimulationClock
from mesh.feeds.feed import Feed
from mesh.serving.runtime import ServiceContext, ServiceParts, run_service
from mesh.serving.server import GrpcService
from mesh.storage.runs import RunInputs, code_digest, load_or_create
from mesh.storage.state_dir import open_state_dir
from mesh.telemetry.spans import WorkSpans
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.sim_service_pb2 import (
    DESCRIPTOR,
    WatchEnergyResponse,
    WatchNavStateResponse,
    WatchSensorsResponse,
    WatchShieldResponse,
    WatchWorldResponse,
)
from qiki.sim.v1.sim_service_pb2_grpc import add_SimServiceServicer_to_server
from svc_sim.commands.execution import Commands
from svc_sim.commands.life import CommandLife
from svc_sim.commands.record_writer import RecordWriter
from svc_sim.config import SimSettings, to_nanoseconds
from svc_sim.craft.components import bot_parts
from svc_sim.craft.effects import TickEffects
from svc_sim.craft.run import CraftRun
from svc_sim.craft.spec import craft_setup
from svc_sim.domain.scenario.loader import load_scenario
from svc_sim.domain.scenario.scenario import LoadedScenario
from svc_sim.domain.world import World, last_tick_of
from svc_sim.durability.checkpoints import CheckpointStore
from svc_sim.durability.commit_log import CommitLog
from svc_sim.durability.journal import Journal, adopt
from svc_sim.durability.reservation import Reservation, prepare
from svc_sim.lock_step import Turns, step_ticks_of
from svc_sim.metrics import SimMetrics
from svc_sim.navigation import Navigation
from svc_sim.outputs import Feeds, Outputs
from svc_sim.pacer import Pacer
from svc_sim.service import SimServicer
from svc_sim.simulation import Simulation

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
    scenario = load_scenario(settings.scenario or default_scenario(), bot_spec.spec.radars, bot_parts(bot_spec.spec))
    longest_scan_s = max((radar.scan_period_s for radar in bot_spec.spec.radars), default=0.0)
    settings.check_retention(longest_scan_s + bot_spec.spec.simulation.world_period_s)
    state_dir = open_state_dir(settings.state_dir, "sim", service.resources)
    inputs = _run_inputs(settings, bot_spec, scenario)
    run = load_or_create(state_dir, inputs, lambda new: prepare(state_dir, new.run_id))
    if settings.journal:
        adopt(settings.journal, state_dir, run)
    return _build_run(settings, service, bot_spec=bot_spec, scenario=scenario, state_dir=state_dir, run=run)


def _build_run(
    settings: SimSettings,
    service: ServiceContext,
    *,
    bot_spec: Loaded[Fitted],
    scenario: LoadedScenario,
    state_dir: Path,
    run: Run,
) -> ServiceParts:
    """Build the parts of a run, which the state directory holds; the craft continues from its checkpoint."""
    step_ticks = step_ticks_of(scenario, bot_spec.spec.simulation)
    # In lock step no tick after a step is reserved before the agents have completed it: their commands act there.
    reservation = Reservation.open(state_dir, run.run_id, step_ticks or max(1, RESERVED_BLOCK_NS // run.tick_ns))
    journal = Journal.open(state_dir, run, reservation.journal_bytes)
    life = CommandLife(run, journal.records, bot_spec.spec.readers("commands"), service.telemetry.spans)
    world = World(scenario, run.run_id, run.tick_ns, run.seed)
    commit_log = CommitLog(reservation, journal, world, life.add)
    service.resources.callback(commit_log.close)
    records = RecordWriter(run, commit_log, life, service.audit, service.health.loop("records"))
    setup = craft_setup(bot_spec.spec, run.seed)
    craft = CraftRun(setup, world, run, commit_log.timeline) if setup else None
    simulation = _simulation(
        settings=settings,
        bot_spec=bot_spec,
        scenario=scenario,
        run=run,
        world=world,
        feeds=_feeds(settings, bot_spec, life, service.telemetry.spans),
        craft=craft,
        commit_log=commit_log,
        records=records,
        service=service,
    )
    if craft is not None:
        store = CheckpointStore(state_dir, run.run_id)
        records.keep_checkpoints(store, simulation.retained_ticks)
        craft.restore(store, simulation.tick, commit_log.journal_bytes, service.audit)
    limits = setup.limits if setup else None
    commands = Commands(run, commit_log, journal, service.audit, service.health.loop("commands"), limits=limits)
    return _parts(simulation, commands, records, settings.heartbeat_s, service)


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


def _feeds(settings: SimSettings, bot_spec: Loaded[Fitted], life: CommandLife, spans: WorkSpans) -> Feeds:
    def feed(name: str, response_type: type[Message], payload_field: str) -> Feed:
        return Feed(settings.feed(name, bot_spec.spec.readers(name)), response_type, payload_field, spans)

    return Feeds(
        world=feed("world", WatchWorldResponse, "snapshot"),
        sensors=feed("sensors", WatchSensorsResponse, "reading"),
        energy=feed("energy", WatchEnergyResponse, "energy"),
        shield=feed("shield", WatchShieldResponse, "shield"),
        nav=feed("nav", WatchNavStateResponse, "nav_state"),
        commands=life,
    )


def _simulation(
    *,
    settings: SimSettings,
    bot_spec: Loaded[Fitted],
    scenario: LoadedScenario,
    run: Run,
    world: World,
    feeds: Feeds,
    craft: CraftRun | None,
    commit_log: CommitLog,
    records: RecordWriter,
    service: ServiceContext,
) -> Simulation:
    pacer = Pacer(run.tick_ns / 1e9, settings.speed_factor())
    if settings.paused:
        pacer.pause()
    metrics = SimMetrics(service.telemetry.registry)
    outputs = Outputs(
        feeds,
        world,
        Navigation.of(bot_spec.spec, run.seed, scenario.faults),
        craft,
        clock=SimulationClock.of(run),
        world_period_ticks=bot_spec.spec.simulation.world_period_ticks,
    )
    simulation = Simulation(
        run=run,
        outputs=outputs,
        effects=TickEffects(
            run,
            commit_log,
            records,
            service.audit,
            craft=craft,
            checkpoint_period_ticks=settings.checkpoint_period_ticks(run.tick_ns),
        ),
        pacer=pacer,
        commit_log=commit_log,
        turns=_turns(scenario, bot_spec),
        audit=service.audit,
        spans=service.telemetry.spans,
        metrics=metrics,
    )
    metrics.phase = simulation.phase
    simulation.begin()  # before the server starts: no reader sees a feed without its run
    return simulation


def _turns(scenario: LoadedScenario, bot_spec: Loaded[Fitted]) -> Turns:
    lock_step = scenario.scenario.lock_step
    if lock_step is None:
        return Turns()
    return Turns(lock_step.agents, step_ticks_of(scenario, bot_spec.spec.simulation), lock_step.limit_s)


def _parts(
    simulation: Simulation,
    commands: Commands,
    records: RecordWriter,
    heartbeat_s: float,
    service: ServiceContext,
) -> ServiceParts:
    feeds = simulation.outputs.feeds
    service.health.facts_from(lambda: {**simulation.facts(), "commands": len(commands)})
    heartbeat = service.health.loop("simulation")
    servicer = SimServicer(simulation, commands, feeds, heartbeat_s)
    name = DESCRIPTOR.services_by_name["SimService"].full_name
    return ServiceParts(
        mounts=[GrpcService(name, add_SimServiceServicer_to_server, servicer)],
        feeds=list(feeds.all),
        loops=[lambda: simulation.advance(heartbeat), commands.advance, records.run],
    )
