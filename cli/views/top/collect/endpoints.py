"""Where the services of the mesh listen: from `endpoints.json` of `qiki up`, or on given or default ports."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from cli.errors import UsageError
from cli.local_mesh.ports import DEFAULT_PORTS, HOST
from cli.local_mesh.storage.state import ENDPOINTS_FILE, LOCK_FILE
from mesh.storage.lock import DirectoryInUseError, directory_lock

SERVICES: Final = ("nats", "sim", "radar", "tracker", "registrar", "bridge", "archive")
MAX_FILE_BYTES: Final = 1_000_000
TEMPORARY: Final = "qiki-*"  # the state directories of `qiki up` without --state-dir
MAX_MESHES: Final = 1000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The addresses of one service; `grpc` (host:port) is empty for NATS, whose `http` (host:port) is its monitor."""

    name: str
    grpc: str
    http: str
    pid: int | None = None


Endpoints = Mapping[str, Endpoint]


@dataclass(frozen=True, slots=True)
class Source:
    """A source of endpoints: its description, and a function that reads them again; None where there are none now."""

    where: str
    read: Callable[[], Endpoints | None]


def find_mesh(state_dir: Path | None, host: str | None, ports: Mapping[str, int]) -> Source:
    """Return the mesh in a state directory, or at a host and ports, or the one that `qiki up` runs on this machine.

    Raises UsageError where both are given, where no mesh runs in the directory, or where several run.
    """
    if state_dir is not None:
        if host is not None or ports:
            raise UsageError("--state-dir says where the services listen: leave out --host and --port.")
        if not (state_dir / ENDPOINTS_FILE).is_file():
            raise UsageError(
                f"No mesh runs in {state_dir}: it has no {ENDPOINTS_FILE}. "
                f"`qiki up --state-dir {state_dir}` starts one."
            )
        return _in_directory(state_dir)
    if host is not None or ports:
        return _at(host or HOST, ports)
    running = list(_running_meshes())
    if len(running) > 1:
        raise UsageError(
            "Several meshes run here. Choose one:\n" + "\n".join(f"  qiki top --state-dir {path}" for path in running)
        )
    return _in_directory(running[0]) if running else _at(HOST, {})


def parse_endpoints(text: str | bytes) -> dict[str, Endpoint]:
    """Parse `endpoints.json`. Raises UsageError where it is not in the known form."""
    try:
        table = json.loads(text)
        return {name: _parse(name, table[name]) for name in SERVICES if name in table}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(f"{ENDPOINTS_FILE} is not in the form that is known: {error}") from None


def _parse(name: str, where: Mapping[str, Any]) -> Endpoint:
    http = str(where["monitor" if name == "nats" else "http"]).removeprefix("http://")
    pid = where.get("pid")
    return Endpoint(name, "" if name == "nats" else str(where["grpc"]), http, pid if isinstance(pid, int) else None)


def _in_directory(directory: Path) -> Source:
    def read() -> Endpoints | None:
        try:
            with (directory / ENDPOINTS_FILE).open("rb") as file:
                return parse_endpoints(file.read(MAX_FILE_BYTES))
        except (OSError, UsageError):
            return None

    return Source(str(directory), read)


def _at(host: str, ports: Mapping[str, int]) -> Source:
    chosen = {**DEFAULT_PORTS, **ports}
    found = {
        name: Endpoint(name, f"{host}:{chosen[name]}", f"{host}:{chosen[f'{name}-http']}") for name in SERVICES[1:]
    }
    found["nats"] = Endpoint("nats", "", f"{host}:{chosen['nats-monitor']}")
    return Source(host, lambda: found)


def _running_meshes() -> Iterator[Path]:
    """Yield the temporary state directories of this user that a running mesh has locked."""
    for directory in islice(Path(tempfile.gettempdir()).glob(TEMPORARY), MAX_MESHES):
        try:
            if not (directory / ENDPOINTS_FILE).is_file() or directory.stat().st_uid != os.getuid():
                continue
            with directory_lock(directory, LOCK_FILE):
                continue  # its mesh was killed
        except DirectoryInUseError:
            yield directory
        except OSError:
            continue
