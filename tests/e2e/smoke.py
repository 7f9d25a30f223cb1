"""Smoke test of compose.yaml: build, start, query health and metrics of all services, check NATS, take down.

Run it with the virtualenv's Python; it needs Docker with compose v2, and no free port. The settings of compose.yaml
apply, and it runs under a project name of its own: beside a mesh that is up, and without touching its volumes.
Exit status 0: every check passed. 1: a check failed; the reasons and the services' logs are printed.
"""

import asyncio
import sys
from collections.abc import Iterator

import grpc
from audit import AuditTrail
from bus import search
from containers import CALL_LIMIT_S, Compose
from grpc_health.v1 import health_pb2, health_pb2_grpc
from lag import LAG_LIMIT, watch_lag
from outcome import say
from radar import FramesAndTracks
from scrape import HTTP_PORTS, metric_problems
from session import new_compose, require, run, start

LIMIT_S = 300.0
SEARCH_LIMIT_S = 60.0

GRPC_PORTS = {"sim": 50051, "radar": 50052, "tracker": 50053, "registrar": 50054, "bridge": 50055, "archive": 50056}
NATS_PORT = 4222


def main() -> int:
    """Run the smoke test and return the exit status."""
    return run(new_compose("smoke", LIMIT_S), check)


def check(compose: Compose) -> None:
    """Start the mesh and check its output. Raises SmokeError, which names every failed check."""
    start(compose)
    problems: list[str] = []
    for name, port in GRPC_PORTS.items():
        problems += health_problems(name, compose.address(name, port))
    radar, audit = FramesAndTracks(), AuditTrail()
    url = f"nats://{compose.address('nats', NATS_PORT)}"
    asyncio.run(search(url, [radar, audit], compose.within(SEARCH_LIMIT_S)))
    problems += [*radar.problems(), *audit.problems()]
    seen = asyncio.run(watch_lag(url))
    problems += seen.problems()
    for name in HTTP_PORTS:
        problems += metric_problems(compose, name)
    require(problems)
    say(f"{len(radar.frames)} frames and {len(radar.parts)} sets of tracks after them are as promised")
    say(f"{len(audit.events)} audit events are as promised: {', '.join(event.name for _, event in audit.events)}")
    lags = ", ".join(f"{name} {lag}" for (_, name), lag in seen.largest.items())
    say(f"the lag of every durable stayed below {LAG_LIMIT} messages; the largest: {lags}")


def health_problems(name: str, target: str) -> Iterator[str]:
    """Query a service for its overall health over gRPC; yield each problem."""
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            # the published type stubs declare no methods
            answer = stub.Check(  # type: ignore[attr-defined]
                health_pb2.HealthCheckRequest(), timeout=CALL_LIMIT_S, wait_for_ready=True
            )
        except grpc.RpcError as error:
            yield f"{name}: its health cannot be asked at {target}: {error}"
            return
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    say(f"{name} at {target} is {status}")
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        yield f"{name}: its health is {status}, not SERVING"


if __name__ == "__main__":
    sys.exit(main())
