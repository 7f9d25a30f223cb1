"""Check of the traces with a real Jaeger: `make jaeger JAEGER=path`. It must find one whole trace by its ce-id.

The mesh runs to its end and exports to Jaeger by OTLP; then Jaeger is asked over its own HTTP API.
"""

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from chain import Stored, chain, published_all, read_all, until

DURATION_S = 5.0
WAIT_S = 60.0
SERVICES = ("sim", "radar", "tracker", "registrar", "bridge")
# The way of a set of tracks, from its message back to the tick.
EXPECTED = [
    ("bridge", "publish qiki.radar.v1.tracks"),
    ("svc_tracker", "produce tracks"),
    ("svc_radar", "produce frames"),
    ("svc_sim", "produce world"),
    ("svc_sim", "tick"),
]
PORTS = (
    "collector.otlp.grpc.host-port",
    "collector.otlp.http.host-port",
    "collector.grpc-server.host-port",
    "collector.http-server.host-port",
    "query.http-server.host-port",
    "query.grpc-server.host-port",
    "admin.http.host-port",
    "http-server.host-port",
    "processor.jaeger-binary.server-host-port",
    "processor.jaeger-compact.server-host-port",
    "processor.zipkin-compact.server-host-port",
)


def free_ports(count: int) -> list[int]:
    """Return free ports of this machine; all are held until the last is known, so none comes twice."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@contextmanager
def jaeger(program: str, log: Path) -> Iterator[Mapping[str, int]]:
    """Run Jaeger with its storage in memory, on free ports of this machine; yield them by option."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    options = [f"--{name}=127.0.0.1:{port}" for name, port in ports.items()]
    with log.open("wb") as output:
        process = subprocess.Popen([program, "--collector.otlp.enabled=true", *options], stdout=output, stderr=output)
    try:
        yield ports
    finally:
        process.terminate()
        process.wait(WAIT_S)


def ask(port: int, path: str, **query: str) -> Any:
    """Return the data of an answer of Jaeger's API; wait until it listens."""
    url = f"http://127.0.0.1:{port}/api/{path}?{urllib.parse.urlencode(query)}"
    deadline_s = time.monotonic() + WAIT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as error:
            raise SystemExit(f"Jaeger refuses {path}: {error.read().decode()}") from error
        except OSError as error:
            if time.monotonic() > deadline_s:
                raise SystemExit(f"Jaeger does not answer within {WAIT_S:g} s: {error}") from error
            time.sleep(0.2)


async def run_mesh(directory: Path, endpoint: str) -> dict[str, list[Stored]]:
    """Run the mesh to its end, which exports all spans; return the messages in JetStream."""
    settings = tuple((service, "OTLP_ENDPOINT", endpoint) for service in SERVICES)
    async with chain(directory, DURATION_S, settings=settings) as mesh:
        await until(lambda: published_all(mesh), "everything published")
        return await read_all(mesh)


def way(trace: Mapping[str, Any], span_id: str) -> list[tuple[str, str]]:
    """Return service and name of a span, of its parent, and so on to the root."""
    spans = {span["spanID"]: span for span in trace["spans"]}
    found = []
    while span_id in spans:
        span = spans[span_id]
        found.append((trace["processes"][span["processID"]]["serviceName"], span["operationName"]))
        parents = [reference["spanID"] for reference in span["references"] if reference["refType"] == "CHILD_OF"]
        span_id = parents[0] if parents else ""
    return found


def main() -> None:
    """Run the check."""
    with tempfile.TemporaryDirectory(prefix="qiki-jaeger-") as name:
        directory = Path(name)
        with jaeger(sys.argv[1], directory / "jaeger.log") as ports:
            query = ports["query.http-server.host-port"]
            ask(query, "services")
            print("Jaeger listens; the mesh runs ...", flush=True)
            endpoint = f"http://127.0.0.1:{ports['collector.otlp.grpc.host-port']}"
            message = asyncio.run(run_mesh(directory, endpoint))["qiki.radar.v1.tracks"][-1]
            tags = json.dumps({"cloudevents.event_id": message.headers["ce-id"]})
            traces = ask(query, "traces", service="svc_tracker", tags=tags, lookback="1h", limit="10")
            if len(traces) != 1:
                raise SystemExit(f"{len(traces)} traces have ce-id {message.headers['ce-id']}, 1 is expected")
            found = way(traces[0], message.headers["traceparent"].split("-")[2])
            print(f"ce-id {message.headers['ce-id']}: " + " <- ".join(": ".join(step) for step in found))
            if found != EXPECTED:
                raise SystemExit(f"expected {EXPECTED}")
    print("One whole trace, found by its ce-id.")


if __name__ == "__main__":
    main()
