"""Implementation of `qiki scenario run`: a run of the whole mesh, judged by the scenario's goals, with its digest."""

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import typer
from rich.console import Console

from botspec.yaml_source import SpecError
from cli.demo.outcome import Outcome, check_picture, draw_run
from cli.demo.plot.radar_plot import MatplotlibMissingError
from cli.demo.progress import Meter, open_meter
from cli.demo.run import EXIT_INTERRUPTED, START_LIMIT_S, Demonstration
from cli.demo.scenario import shortened
from cli.demo.statistics import statistics_of
from cli.errors import CliError, UsageError
from cli.local_mesh.mesh import open_mesh
from cli.local_mesh.options import MeshOptions
from cli.local_mesh.ports import choose_ports
from cli.local_mesh.run import stopping_text
from cli.local_mesh.supervision.shutdown import SignalShutdown
from cli.output import lossy_output
from cli.runs.scenario.agents import parse_agents, running_agents
from cli.runs.scenario.catalogue import Bot, find, load_bot, load_for
from cli.runs.scenario.digest import RunDigest
from cli.runs.scenario.goals.judge import RunJudge
from cli.runs.scenario.report import digest_lines, verdict_lines
from svc_sim.config import to_nanoseconds
from svc_sim.domain.scenario.scenario import LoadedScenario

# Of a scenario that names none: a run must have one, and two executions the same.
DEFAULT_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
RUN_NAMESPACE: Final = uuid.UUID("5d0b3c0e-6a5e-4a52-9a4e-0c6f1d8f3b71")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A scenario to run: its contents, the bot, its agents' programs, and the options of the mesh."""

    loaded: LoadedScenario
    bot: Bot
    agents: Mapping[str, Path]
    options: MeshOptions
    run_id: str
    start_ns: int


def run_scenario(
    name: str, options: MeshOptions, agents: list[str], duration_s: float | None, picture: Path | None
) -> None:
    """Run a scenario to its end, report its goals and its digest, and draw the flight.

    Raises UsageError where nothing was started, CliError where the run or a goal failed, typer.Exit after a signal.
    """
    bot, path = load_bot(options.bot_spec), find(name)
    if picture is not None:
        check_picture(picture)
    with ExitStack() as stack:
        try:
            loaded = load_for(path, bot)
            whole_name = loaded.scenario.name
            shorter, _name = stack.enter_context(shortened(path, duration_s))
            loaded = load_for(shorter or path, bot)
        except SpecError as error:
            raise UsageError(f"nothing was started, for the scenario cannot be used:\n{error}") from None
        prepared = _prepare(loaded, bot, options, agents)
        stack.enter_context(lossy_output())
        asyncio.run(_run(prepared, whole_name, picture))


def _prepare(loaded: LoadedScenario, bot: Bot, options: MeshOptions, agents: list[str]) -> _Prepared:
    scenario = loaded.scenario
    if scenario.duration_s is None and loaded.trajectory is None:
        raise UsageError(f"{scenario.name} has no end: give it a duration_s, or use --duration.")
    start = scenario.start_time or DEFAULT_START
    seed = next(each for each in (options.seed, scenario.seed, bot.spec.simulation.seed) if each is not None)
    run_id = str(uuid.uuid5(RUN_NAMESPACE, f"{loaded.digest} {bot.digest} {seed}"))
    return _Prepared(
        loaded=loaded,
        bot=bot,
        agents=parse_agents(agents, scenario),
        options=replace(options, scenario=loaded.path, run_id=run_id, start_time=start.isoformat()),
        run_id=run_id,
        start_ns=to_nanoseconds(start),
    )


async def _run(prepared: _Prepared, name: str, picture: Path | None) -> None:
    scenario = prepared.loaded.scenario
    judge, digest = RunJudge(scenario.goals, prepared.run_id, prepared.start_ns), RunDigest(prepared.run_id)
    outcome = None
    with open_meter(Console()) as meter:
        async with (
            SignalShutdown(lambda number: meter.say(stopping_text(number))) as shutdown,
            open_mesh(
                prepared.options,
                choose_ports({}, free=True),
                meter.say,
                shutdown.second,
                start_limit_s=START_LIMIT_S,
            ) as mesh,
            running_agents(prepared.agents, scenario, mesh),
        ):
            meter.say(f"All are SERVING. State is in {mesh.state_dir}.")
            outcome = await Demonstration(mesh, meter, prepared.bot.spec, (judge, digest)).outcome(name)
            _say_health(outcome, meter)
    if shutdown.first is not None or outcome is None:
        raise typer.Exit(EXIT_INTERRUPTED)
    _conclude(outcome, judge, digest, prepared.run_id, picture)


def _say_health(outcome: Outcome, meter: Meter) -> None:
    for problem in outcome.health_problems:  # the run is the same all the same, which its digest shows
        meter.say(problem)


def _conclude(outcome: Outcome, judge: RunJudge, digest: RunDigest, run_id: str, picture: Path | None) -> None:
    verdicts = judge.verdicts()
    print("\n".join(["", *verdict_lines(outcome.name, verdicts), "", *digest_lines(run_id, digest)]))
    problems = [problem for problem in outcome.problems() if problem not in outcome.health_problems]
    if picture is not None:
        try:
            print(draw_run(outcome, statistics_of(outcome.record), picture))
        except MatplotlibMissingError as error:
            print(error)
    if problems:
        raise CliError("\n".join(["the run is not as it was emitted:", *problems]))
    if failed := sum(not verdict.passed for verdict in verdicts):
        raise CliError(f"{failed} of {len(verdicts)} goals were not reached.")
