"""The mesh's own nats-server keeps its memory to a limit, unless the environment names another."""

import asyncio
import json
import urllib.request
from pathlib import Path

import pytest

from cli.local_mesh.ports import choose_ports
from cli.local_mesh.processes import nats_spec
from cli.local_mesh.supervision.supervisor import Supervisor

MIB = 1024 * 1024


async def memory_limit(directory: Path) -> int:
    """Return the memory limit that the server reports, in bytes."""
    (directory / "logs").mkdir(parents=True)
    ports = choose_ports({}, free=True)
    async with Supervisor(lambda _event: None) as supervisor:
        await supervisor.start(nats_spec(ports, directory))
        return await asyncio.to_thread(asked, f"http://127.0.0.1:{ports['nats-monitor']}/varz")


def asked(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return int(json.load(answer)["gomemlimit"])


@pytest.mark.asyncio
async def test_the_broker_keeps_its_memory_to_128_mib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMEMLIMIT", raising=False)
    assert await memory_limit(tmp_path) == 128 * MIB


@pytest.mark.asyncio
async def test_a_limit_of_the_environment_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMEMLIMIT", "300MiB")
    assert await memory_limit(tmp_path) == 300 * MIB
