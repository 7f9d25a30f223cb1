"""The mesh in containers of its own: `docker compose` on this repository, every call with a limit."""

import os
import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from outcome import SmokeError, say

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("sim", "radar", "tracker", "registrar", "bridge", "archive")
LOGGED = ("config", "nats", "nats-init", *SERVICES)
RUN_LIMIT_S = 300.0
CALL_LIMIT_S = 15.0
LOGS_LIMIT_S = 20.0
TAKE_DOWN_LIMIT_S = 40.0
# What comes after a failure at most.
CLEAN_UP_S = LOGS_LIMIT_S + TAKE_DOWN_LIMIT_S
HOST_PORTS = (
    "QIKI_PORT_NATS",
    "QIKI_PORT_NATS_MONITOR",
    *(f"QIKI_PORT_{service.upper()}{kind}" for service in SERVICES for kind in ("", "_HTTP")),
)


@dataclass(frozen=True, slots=True)
class Compose:
    """`docker compose` on this repository under a project name of its own; each call ends before `ends_at`."""

    project: str
    ends_at: float
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ | dict.fromkeys(HOST_PORTS, "0"))
    # Further files of compose, from the repository's root, that change or add to compose.yaml.
    changes: tuple[str, ...] = ()

    def within(self, limit_s: float) -> float:
        """Return the limit, or the shorter time that is left to the whole."""
        left_s = self.ends_at - time.monotonic()
        if left_s <= 0:
            raise SmokeError("the time for all of it is over")
        return min(limit_s, left_s)

    def run(self, doing: str, *arguments: str, limit_s: float = RUN_LIMIT_S) -> None:
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

    def execute(self, service: str, *command: str) -> str:
        """Run a command in a service's container and return what it prints. Raises SmokeError where it fails."""
        result = self._call("exec", "-T", service, *command, limit_s=self.within(CALL_LIMIT_S))
        if result.returncode != 0:
            raise SmokeError(f"{service}: `{shlex.join(command)}` failed: {result.stdout}{result.stderr}".strip())
        return result.stdout

    def inspect(self, service: str, template: str) -> str:
        """Return a field of a service's container, as `docker inspect` formats it. Raises SmokeError."""
        found = self._call("ps", "--all", "--quiet", service, limit_s=self.within(CALL_LIMIT_S)).stdout.strip()
        command = ["docker", "inspect", "--format", template, found]
        result = run_bounded(command, self.within(CALL_LIMIT_S), self.environment)
        if result.returncode != 0:
            raise SmokeError(f"{service}: `{shlex.join(command)}` failed: {result.stderr.strip()}")
        return result.stdout.strip()

    def show_logs(self) -> None:
        """Print the state of every container and the end of its log, one container after the other."""
        logs = (("logs", "--timestamps", "--tail", "40", service) for service in LOGGED)
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
            result = self._call("down", "--volumes", "--remove-orphans", "--timeout", "5", limit_s=TAKE_DOWN_LIMIT_S)
        except SmokeError as error:
            say(f"FAILED: {error}")
            return False
        if result.returncode != 0:
            say(f"FAILED: not everything could be removed:\n{result.stderr}")
        return result.returncode == 0

    def _call(self, *arguments: str, limit_s: float) -> subprocess.CompletedProcess[str]:
        files = [option for name in ("compose.yaml", *self.changes) for option in ("--file", str(ROOT / name))]
        options = ("--ansi", "never", *files, "--project-name", self.project)
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
