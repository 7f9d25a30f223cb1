"""Smoke test of compose.yaml: build, start, query the health of all services, check the messages on NATS, take down.

Run it with the virtualenv's Python; it needs Docker with compose v2, and no free port. The settings of compose.yaml
apply, and it runs under a project name of its own: beside a mesh that is up, and without touching its volumes.
Exit status 0: every check passed. 1: a check failed; the reasons and the services' logs are printed.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

import grpc
from audit import AuditTrail
from bus import search
from containers import CALL_LIMIT_S, CLEAN_UP_S, Compose, require_engine
from grpc_health.v1 import health_pb2, health_pb2_grpc
from outcome import SmokeError, say
from radar import FramesAndTracks

# The whole run ends within LIMIT_S: the last CLEAN_UP_S of it belong to the logs and to taking everything down.
LIMIT_S = 300.0
HEALTHY_LIMIT_S = 120.0
SEARCH_LIMIT_S = 60.0

GRPC_PORTS = {"sim": 50051, "radar": 50052, "tracker": 50053, "registrar": 50054, "bridge": 50055, "archive": 50056}
NATS_PORT = 4222


def main() -> int:
    """Run the smoke test and return the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    compose = Compose(project=f"qiki-smoke-{os.getpid()}", ends_at=time.monotonic() + LIMIT_S - CLEAN_UP_S)
    try:
        require_engine(compose)
    except SmokeError as error:
        say(f"FAILED: {error}")
        return 1
    status = 1
    try:
        check(compose)
        status = 0
    except SmokeError as error:
        say(f"FAILED: {error}")
        compose.show_logs()
    finally:
        # no interrupt from here on: the containers must be taken down
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if not compose.take_down():
            status = 1
    say("PASSED" if status == 0 else "did not pass")
    return status


def check(compose: Compose) -> None:
    """Start the mesh and check its output. Raises SmokeError, which names every failed check."""
    compose.run("building the image", "build", "--quiet")
    compose.run(
        "starting nats and the services, and waiting until they are healthy",
        "up", "--detach", "--wait", "--wait-timeout", f"{HEALTHY_LIMIT_S:.0f}",
        limit_s=HEALTHY_LIMIT_S + CALL_LIMIT_S,
    )  # fmt: skip
    problems: list[str] = []
    for name, port in GRPC_PORTS.items():
        problems += health_problems(name, compose.address(name, port))
    radar, audit = FramesAndTracks(), AuditTrail()
    url = f"nats://{compose.address('nats', NATS_PORT)}"
    asyncio.run(search(url, [radar, audit], compose.within(SEARCH_LIMIT_S)))
    problems += [*radar.problems(), *audit.problems()]
    if problems:
        raise SmokeError("\n  ".join((f"{len(problems)} checks failed:", *problems)))
    say(f"{len(radar.frames)} frames and {len(radar.parts)} sets of tracks after them are as promised")
    say(f"{len(audit.events)} audit events are as promised: {', '.join(event.name for _, event in audit.events)}")


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


def _leave(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
