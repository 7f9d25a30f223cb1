"""A full disk beneath NATS, the simulator or the tracker: blocked services wait and report it, and nothing is lost."""

import asyncio
import hashlib
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from chain import (
    POLL_S,
    SUBJECTS,
    WAIT_S,
    Stored,
    chain,
    facts,
    published_all,
    read_all,
    recorded_events,
    run_to_the_end,
    until,
)
from cli.local_mesh.mesh import Mesh
from cli.local_mesh.storage.storage_watch import stored_badly
from qiki.sim.v1.sim_service_pb2 import ResumeSimulationRequest
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect

DURATION_S = 30.0
NAMES = ("nats", "sim", "tracker")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a running process's limits can be set on Linux alone")


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """Let a running process write to no file, as if the disk were full; then there is space again."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # the mesh may have started nats-server again already
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def digests(stored: dict[str, list[Stored]]) -> dict[str, list[tuple[str, str]]]:
    return {
        subject: [(message.headers["ce-id"], hashlib.sha256(message.data).hexdigest()) for message in messages]
        for subject, messages in stored.items()
    }


async def resume(mesh: Mesh) -> None:
    async with connect(f"127.0.0.1:{mesh.ports['sim']}") as channel:
        await SimServiceStub(channel).ResumeSimulation(ResumeSimulationRequest(), timeout=10)


async def refused(mesh: Mesh, name: str) -> None:
    """Return once a write has failed for lack of space: nats-server logs it, a service reports it to the registrar."""
    async with asyncio.timeout(WAIT_S):
        while not await said_to_refuse(mesh, name):  # noqa: ASYNC110 - neither announces anything to us
            await asyncio.sleep(POLL_S)


async def said_to_refuse(mesh: Mesh, name: str) -> bool:
    if name == "nats":
        return bool(await stored_badly(mesh.ports["nats-monitor"]))
    return bool(await recorded_events(mesh, "STORAGE_FAILED", f"svc_{name}"))


async def with_full_disk(directory: Path, name: str) -> dict[str, list[Stored]]:
    """Run the chain; in the middle of it, let the disk beneath one process be full for a while."""
    paused = (("sim", "paused", "true"),)  # a mesh takes longer to start than the run does
    async with chain(directory, DURATION_S, speed="10", flow_control="lossless", settings=paused) as mesh:
        await resume(mesh)
        await until(lambda: facts(mesh, "sim").get("tick", 0) >= 100, "tick 100")
        with full_disk(int(mesh.endpoints()[name]["pid"])):
            assert facts(mesh, "sim")["phase"] == "RUNNING"
            await refused(mesh, name)
        await until(lambda: published_all(mesh), "everything published")
        return await read_all(mesh)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_with_a_temporarily_full_disk_leaves_the_events_of_an_undisturbed_run(tmp_path: Path, name: str) -> None:
    disturbed = asyncio.run(with_full_disk(tmp_path / "full", name))
    calm = asyncio.run(run_to_the_end(tmp_path / "calm", DURATION_S))
    assert digests(disturbed) == digests(calm)
    assert all(disturbed[subject] for subject in SUBJECTS)
