"""Implementation of `qiki up`: run a mesh and show its status until a signal comes."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from cli.local_mesh.files import check_files
from cli.local_mesh.mesh import open_mesh
from cli.local_mesh.options import COLLECTOR, MeshOptions
from cli.local_mesh.status_display import open_status_display
from cli.local_mesh.supervision.shutdown import SignalShutdown
from cli.output import lossy_output

STATUS_INTERVAL_S = 1.0
EXIT_AT_ONCE = 130


def run(options: MeshOptions, ports: Mapping[str, int]) -> None:
    """Run a mesh until a signal comes. Raises CliError; typer.Exit where a second signal interrupted the shutdown."""
    check_files(options.scenario, options.bot_spec)
    with lossy_output():
        asyncio.run(_run(options, ports))


async def _run(options: MeshOptions, ports: Mapping[str, int]) -> None:
    with open_status_display(Console()) as board:

        def stopping(number: signal.Signals) -> None:
            board.show(())
            board.say(stopping_text(number))

        async with (
            SignalShutdown(stopping) as shutdown,
            open_mesh(options, ports, board.say, shutdown.second) as mesh,
        ):
            board.say("\n".join(endpoint_lines(mesh.endpoints(), mesh.state_dir)))
            ended, next_run = False, next_run_text(options.state_dir)
            while True:  # until a signal cancels it
                statuses = await mesh.statuses()
                board.show(statuses)
                text = end_text({status.name: status.facts for status in statuses}, next_run)
                if text and not ended:
                    board.say(text)
                ended = bool(text)
                await asyncio.sleep(STATUS_INTERVAL_S)
    if shutdown.second.is_set():
        raise typer.Exit(EXIT_AT_ONCE)


def stopping_text(number: signal.Signals) -> str:
    """Return the remark at the first signal."""
    return f"{number.name}: stopping in order; once more (Ctrl-C) ends everything at once."


def next_run_text(state_dir: Path | None) -> str:
    """Return the instruction for initiating the next run, as the end of a sentence."""
    if state_dir is None:
        return "the next `qiki up` begins a new run"
    return f"`qiki up --state-dir {state_dir} --new-run` then begins the next run, and keeps all records"


def end_text(facts: Mapping[str, Mapping[str, Any]], next_run: str) -> str:
    """Return the sentence that reports the end of the run; empty while the run continues."""
    sim = facts.get("sim", {})
    if sim.get("phase") != "ENDED":
        return ""
    return f"The run has ended at tick {sim.get('tick', '?')}; streams say Ended. Ctrl-C stops the mesh; {next_run}."


def endpoint_lines(endpoints: Mapping[str, Mapping[str, str | int]], state_dir: Path) -> list[str]:
    """Return all addresses and the paths of state and logs, as aligned lines."""
    lines = [f"{'service':8} {'gRPC':22} metrics and health"]
    for name, where in endpoints.items():
        if name != "nats":
            lines.append(f"{name:8} {where['grpc']:22} {where['http']}/metrics  {where['http']}/healthz")
    lines.append(f"{'nats':8} {endpoints['nats']['url']:22} {endpoints['nats']['monitor']}")
    lines += [f"{'state':8} {state_dir}", f"{'logs':8} {state_dir / 'logs'}"]
    if COLLECTOR in endpoints:
        lines.append(f"{'traces':8} qiki trace --slowest --state-dir {state_dir}")
    return [*lines, "All are SERVING. Ctrl-C stops them."]
