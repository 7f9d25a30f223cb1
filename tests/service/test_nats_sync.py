"""The mesh's own nats-server syncs to the disk before it acknowledges, unless one chooses a time."""

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from cli.errors import UsageError
from cli.local_mesh.nats_config import check_sync_interval, write_nats_config
from cli.local_mesh.options import MeshOptions
from cli.local_mesh.ports import choose_ports
from cli.local_mesh.processes import nats_spec
from cli.local_mesh.supervision.supervisor import Supervisor


async def jetstream_config(directory: Path, sync_interval: str) -> dict[str, Any]:
    """Return the configuration that the server reports."""
    (directory / "logs").mkdir(parents=True)
    ports = choose_ports({}, free=True)
    async with Supervisor(lambda _event: None) as supervisor:
        await supervisor.start(nats_spec(ports, directory, write_nats_config(directory, sync_interval)))
        return await asyncio.to_thread(asked, f"http://127.0.0.1:{ports['nats-monitor']}/jsz")


def asked(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)["config"]
        return found


@pytest.mark.asyncio
async def test_an_acknowledgement_means_on_the_disk_by_default(tmp_path: Path) -> None:
    config = await jetstream_config(tmp_path, MeshOptions().nats_sync_interval)
    assert config["sync_always"] is True
    assert config["store_dir"] == str(tmp_path / "nats" / "jetstream")


@pytest.mark.asyncio
async def test_a_configured_time_is_the_sync_interval_instead(tmp_path: Path) -> None:
    config = await jetstream_config(tmp_path, "45s")
    assert "sync_always" not in config
    assert config["sync_interval"] == 45_000_000_000


@pytest.mark.parametrize("text", ["always", "500ms", "10s", "2m", "1h"])
def test_a_sync_interval_is_always_or_a_time(text: str) -> None:
    assert check_sync_interval(text) == text


@pytest.mark.parametrize("text", ["", "never", "0s", "-1s", "2", "1.5s", "2m30s", "1d", "9999999s", "2m\n", "2m }"])
def test_any_other_sync_interval_is_refused_and_named(text: str) -> None:
    with pytest.raises(UsageError, match="--nats-sync"):
        check_sync_interval(text)


def test_a_directory_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nats\.conf cannot be written"):
        write_nats_config(tmp_path / "missing", "always")
