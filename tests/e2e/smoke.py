"""Smoke test of compose.yaml: build, start, ask every service for its health, read frames from NATS, take all down.

Run it with the virtualenv's Python; it needs Docker with compose v2, and no free port. The settings of compose.yaml
apply, and it runs under a project name of its own: beside a mesh that is up, and without touching its volumes.
Exit status 0: everything held. 1: something did not, with the reasons and the services' logs.
"""

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import grpc
import nats
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from qiki.radar.v1.radar_pb2 import RadarFrame

ROOT = Path(__file__).resolve().parents[2]
# The whole run ends within LIMIT_S: the last CLEAN_UP_S of it belong to the logs and to taking everything down.
LIMIT_S = 300.0
CLEAN_UP_S = 60.0
LOGS_LIMIT_S = 20.0
HEALTHY_LIMIT_S = 120.0
FRAMES_LIMIT_S = 60.0
CALL_LIMIT_S = 15.0

GRPC_PORTS = {"sim": 50051, "radar": 50052, "bridge": 50055}
NATS_PORT = 4222
HOST_PORTS = tuple(
    f"QIKI_PORT_{name}"
    for name in ("NATS", "NATS_MONITOR", "SIM", "SIM_HTTP", "RADAR", "RADAR_HTTP", "BRIDGE", "BRIDGE_HTTP")
)

SUBJECT = "qiki.radar.v1.frames"
FRAMES = 3
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
HEADER_FORMS = {
    "ce-specversion": r"1\.0",
    "ce-id": UUID,
    "ce-type": r"qiki\.radar\.v1\.RadarFrame",
    "ce-source": rf"/qiki/[^/\s]+/{UUID}/[^/\s]+",
    "ce-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)",
    "ce-sequence": r"\d{20}",
    "ce-datacontenttype": r"application/protobuf",
    "qiki-resume-token": r"\S+",
}
# header -> the one that it repeats
HEADER_ALIASES = {
    "ce_id": "ce-id",
    "Nats-Msg-Id": "ce-id",
    "ce_type": "ce-type",
    "ce_source": "ce-source",
    "ce_time": "ce-time",
}


class SmokeError(Exception):
    """Something did not hold; the text says what."""


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
        # from here on nothing may interrupt: what was started is taken down
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if not compose.take_down():
            status = 1
    say("PASSED" if status == 0 else "did not pass")
    return status


def check(compose: "Compose") -> None:
    """Start the mesh and hold it to what it promises. Raises SmokeError, naming everything that does not hold."""
    compose.run("building the image", "build", "--quiet")
    compose.run(
        "starting nats, sim, radar and bridge, and waiting until they are healthy",
        "up", "--detach", "--wait", "--wait-timeout", f"{HEALTHY_LIMIT_S:.0f}",
        limit_s=HEALTHY_LIMIT_S + CALL_LIMIT_S,
    )  # fmt: skip
    problems: list[str] = []
    for name, port in GRPC_PORTS.items():
        problems += health_problems(name, compose.address(name, port))
    url = f"nats://{compose.address('nats', NATS_PORT)}"
    messages = asyncio.run(read_frames(url, compose.within(FRAMES_LIMIT_S)))
    for headers, payload in messages:
        problems += frame_problems(headers, payload)
    problems += order_problems([headers.get("ce-sequence", "") for headers, _ in messages])
    if problems:
        raise SmokeError("\n  ".join((f"{len(problems)} things do not hold:", *problems)))
    last, _ = messages[-1]
    say(f"{FRAMES} frames up to sequence {int(last['ce-sequence'])} of {last['ce-source']} are as promised")


@dataclass(frozen=True, slots=True)
class Compose:
    """`docker compose` on this repository under a project name of its own; each call ends before `ends_at`."""

    project: str
    ends_at: float
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ | dict.fromkeys(HOST_PORTS, "0"))

    def within(self, limit_s: float) -> float:
        """Return the limit, or the shorter time that is left to the whole."""
        left_s = self.ends_at - time.monotonic()
        if left_s <= 0:
            raise SmokeError(f"the time for all of it, {LIMIT_S - CLEAN_UP_S:.0f} s, is over")
        return min(limit_s, left_s)

    def run(self, doing: str, *arguments: str, limit_s: float = LIMIT_S) -> None:
        """Run a command. Raises SmokeError, with what it printed, where it fails or takes too long."""
        say(doing)
        began = time.monotonic()
        result = self._call(*arguments, limit_s=self.within(limit_s))
        if result.returncode != 0:
            raise SmokeError(f"{doing}: `{shlex.join(result.args)}` failed:\n{result.stdout}{result.stderr}")
        say(f"  done in {time.monotonic() - began:.0f} s")

    def address(self, service: str, port: int) -> str:
        """Return host:port at which this machine reaches a container's port."""
        result = self._call("port", service, str(port), limit_s=self.within(CALL_LIMIT_S))
        if result.returncode != 0:
            raise SmokeError(f"{service} publishes no port {port}: {result.stderr.strip()}")
        return result.stdout.strip()

    def show_logs(self) -> None:
        """Print the state of every container and the end of its log, one container after the other."""
        logs = (("logs", "--timestamps", "--tail", "40", service) for service in ("nats", "nats-init", *GRPC_PORTS))
        ends_at = time.monotonic() + LOGS_LIMIT_S
        for arguments in (("ps", "--all"), *logs):
            try:
                result = self._call(*arguments, limit_s=max(1.0, ends_at - time.monotonic()))
            except SmokeError as error:
                say(str(error))
            else:
                print(result.stdout, result.stderr, sep="", flush=True)

    def take_down(self) -> bool:
        """Remove containers, networks and volumes; return whether that worked."""
        say("taking everything down")
        try:
            result = self._call(
                "down", "--volumes", "--remove-orphans", "--timeout", "5", limit_s=CLEAN_UP_S - LOGS_LIMIT_S
            )
        except SmokeError as error:
            say(f"FAILED: {error}")
            return False
        if result.returncode != 0:
            say(f"FAILED: not everything could be removed:\n{result.stderr}")
        return result.returncode == 0

    def _call(self, *arguments: str, limit_s: float) -> subprocess.CompletedProcess[str]:
        options = ("--ansi", "never", "--file", str(ROOT / "compose.yaml"), "--project-name", self.project)
        return run_bounded(["docker", "compose", *options, *arguments], limit_s, self.environment)


def require_engine(compose: Compose) -> None:
    """Raise SmokeError where no engine answers or compose is missing."""
    if run_bounded(["docker", "info"], CALL_LIMIT_S, compose.environment).returncode != 0:
        raise SmokeError(
            "no Docker engine answers (`docker info`): start one (on a bare Debian 12 machine, .ci/engine.sh does)"
        )
    if run_bounded(["docker", "compose", "version"], CALL_LIMIT_S, compose.environment).returncode != 0:
        raise SmokeError("`docker compose` (v2) is missing")


def run_bounded(command: list[str], limit_s: float, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. Raises SmokeError where it takes longer than the limit or cannot be started."""
    try:
        return subprocess.run(
            command, cwd=ROOT, env=environment, timeout=limit_s, check=False, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired:
        raise SmokeError(f"`{shlex.join(command)}` took longer than {limit_s:.0f} s") from None
    except OSError as error:
        raise SmokeError(f"`{command[0]}` cannot be run: {error}") from error


def health_problems(name: str, target: str) -> Iterator[str]:
    """Ask a service over gRPC for its overall health; yield why it is not good."""
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


async def read_frames(url: str, limit_s: float) -> list[tuple[dict[str, str], bytes]]:
    """Return headers and payload of the stream's first frames, read as any NATS client would.

    Raises SmokeError where they do not come in time.
    """
    say(f"reading {FRAMES} messages of {SUBJECT} at {url}")
    messages: list[tuple[dict[str, str], bytes]] = []
    try:
        async with asyncio.timeout(limit_s):
            client = await nats.connect(url, allow_reconnect=False)
            try:
                frames = await client.jetstream().subscribe(SUBJECT, ordered_consumer=True)
                while len(messages) < FRAMES:
                    message = await frames.next_msg(timeout=limit_s)
                    messages.append((message.headers or {}, message.data))
            finally:
                await client.close()
    except (TimeoutError, OSError, NatsError, JetStreamError) as error:
        reason = str(error) or type(error).__name__
        raise SmokeError(
            f"{len(messages)} of {FRAMES} messages on {SUBJECT} within {limit_s:.0f} s: {reason}"
        ) from error
    return messages


def frame_problems(headers: Mapping[str, str], payload: bytes) -> Iterator[str]:
    """Hold one message to the contract: the CloudEvents headers, their aliases, and the frame itself."""
    for name, form in HEADER_FORMS.items():
        if not re.fullmatch(form, headers.get(name, ""), re.ASCII):
            yield f"header {name} is {headers.get(name)!r}, not of the form {form}"
    for alias, name in HEADER_ALIASES.items():
        if headers.get(alias) != headers.get(name):
            yield f"header {alias} is {headers.get(alias)!r}, but {name} is {headers.get(name)!r}"
    try:
        datetime.fromisoformat(headers.get("ce-time", ""))
    except ValueError as error:
        yield f"header ce-time is no time: {error}"
    try:
        frame = RadarFrame.FromString(payload)
    except DecodeError as error:
        yield f"the payload is no RadarFrame: {error}"
        return
    if frame.frame_id.value != headers.get("ce-id"):
        yield f"frame_id is {frame.frame_id.value!r}, but ce-id is {headers.get('ce-id')!r}"


def order_problems(sequences: list[str]) -> Iterator[str]:
    """Hold the messages together to the contract: contiguous sequences."""
    numbers = [int(text) for text in sequences if text.isdigit()]
    if numbers != list(range(numbers[0], numbers[0] + len(sequences)) if numbers else []):
        yield f"the sequences are not contiguous: {', '.join(sequences)}"


def say(text: str) -> None:
    """Print a line at once: whoever watches a slow step sees where it is."""
    print(f"smoke: {text}", flush=True)


def _leave(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
