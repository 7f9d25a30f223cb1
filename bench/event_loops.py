"""`make bench-loops`: how long the services' event loops are blocked while the mesh plays the demonstration.

Each service samples its loop ten times a second; the samples of starting up are shown but not judged, because modules
are still being loaded then.
"""

import argparse
import asyncio
import tempfile
import urllib.request
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from chain import published_all, until
from cli.demo.scenario import shortened
from cli.local_mesh.mesh import Mesh, open_mesh
from cli.local_mesh.options import MeshOptions
from cli.local_mesh.ports import choose_ports
from qiki.sim.v1.sim_service_pb2 import ResumeSimulationRequest
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect

SERVICES = ("sim", "radar", "tracker", "registrar", "bridge", "archive")
LAG = "qiki_event_loop_lag_seconds"
LIMIT_S = 0.05


def samples_by_bound(mesh: Mesh, service: str) -> Mapping[float, float]:
    """Return the number of samples up to each bucket's upper bound in seconds, cumulated."""
    with urllib.request.urlopen(f"http://127.0.0.1:{mesh.ports[f'{service}-http']}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    lag = next(family for family in text_string_to_metric_families(text) if family.name == LAG)
    return {float(one.labels["le"]): one.value for one in lag.samples if one.name == f"{LAG}_bucket"}


async def measure(scenario: Path | None, speed: str) -> dict[str, tuple[Mapping[float, float], Mapping[float, float]]]:
    """Run the scenario to its end; return each service's samples at the first tick, and at the end."""
    with tempfile.TemporaryDirectory(prefix="qiki-loops-") as directory:
        options = MeshOptions(
            state_dir=Path(directory),
            scenario=scenario,
            speed=speed,
            flow_control="lossless",
            settings=(("sim", "PAUSED", "true"),),
        )
        async with open_mesh(options, choose_ports({}, free=True), lambda _line: None) as mesh:
            before = {name: samples_by_bound(mesh, name) for name in SERVICES}
            async with connect(f"127.0.0.1:{mesh.ports['sim']}") as channel:
                await SimServiceStub(channel).ResumeSimulation(ResumeSimulationRequest(), timeout=30)
            await until(lambda: published_all(mesh), "everything published")
            return {name: (before[name], samples_by_bound(mesh, name)) for name in SERVICES}


def report(measured: Mapping[str, tuple[Mapping[float, float], Mapping[float, float]]], console: Console) -> bool:
    """Print the counts; return whether no loop was blocked for longer than the limit while the mesh ran."""
    table = Table("service", "samples", f"over {LIMIT_S * 1e3:.0f} ms", "longest", "before the first tick: longest")
    holds = True
    for name, (before, after) in measured.items():
        running = {bound: after[bound] - before[bound] for bound in after}
        late = running[float("inf")] - running[LIMIT_S]
        holds = holds and not late
        table.add_row(name, f"{running[float('inf')]:.0f}", f"{late:.0f}", _longest(running), _longest(before))
    console.print(table)
    return holds


def _longest(cumulated: Mapping[float, float]) -> str:
    """Return the range of the slowest sample."""
    bounds = [0.0, *sorted(cumulated)]
    found = [(low, high) for low, high in pairwise(bounds) if cumulated[high] > cumulated.get(low, 0.0)]
    if not found:
        return "none"
    low, high = found[-1]
    return f"over {low * 1e3:g} ms" if high == float("inf") else f"{low * 1e3:g} to {high * 1e3:g} ms"


def main() -> int:
    """Run the measurement; return 1 where a loop was blocked for longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--duration", type=float, default=300.0, help="simulated seconds of the run")
    parser.add_argument("--speed", default="20", help="simulated seconds a second")
    asked = parser.parse_args()
    with shortened(asked.scenario, asked.duration) as (scenario, _name):
        return 0 if report(asyncio.run(measure(scenario, asked.speed)), Console()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
