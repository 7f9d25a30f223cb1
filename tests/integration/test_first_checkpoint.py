"""All processes die as soon as the tracker's first checkpoint exists: a checkpoint without any confirmation."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from chain import SUBJECTS, Stored, chain, published_all, read_all, run_to_the_end, until
from cli.local_mesh.mesh import Mesh
from qiki.sim.v1.sim_service_pb2 import ResumeSimulationRequest
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect

DURATION_S = 45.0
# docs/adr/0010 states the extent of the promise.
WALL_CLOCK = ("ce-recordedtime", "ce-runcreated")
BROKERS = ("Nats-Expected-", "Nats-Batch-")
ALL = ("sim", "radar", "tracker", "bridge", "archive", "registrar", "nats")


@dataclass(frozen=True)
class Case:
    """The processes that die, and whether the bridge was stopped from the first tick on."""

    killed: Sequence[str]
    bridge_stopped: bool


CASES = {
    "bridge and tracker, the bridge stopped before": Case(("bridge", "tracker"), bridge_stopped=True),
    "everything, the bridge stopped before": Case(ALL, bridge_stopped=True),
    "everything": Case(ALL, bridge_stopped=False),
}


def promised(messages: Sequence[Stored]) -> list[tuple[dict[str, str], bytes]]:
    """Return the part of each message that the promise covers: not the run's creation time, not the way of writing."""
    return [
        ({name: value for name, value in message.headers.items() if is_promised(name)}, message.data)
        for message in messages
    ]


def is_promised(header: str) -> bool:
    return header not in WALL_CLOCK and header != "traceparent" and not header.startswith(BROKERS)


def pid(mesh: Mesh, name: str) -> int:
    return int(mesh.endpoints()[name]["pid"])


def has_checkpoint(mesh: Mesh) -> Callable[[], bool]:
    return lambda: any((mesh.state_dir / "tracker").glob("*.checkpoint"))


async def resume(mesh: Mesh) -> None:
    """Resume simulation time, unless the run has ended already."""
    async with connect(f"127.0.0.1:{mesh.ports['sim']}") as channel:
        try:
            stub = SimServiceStub(channel)
            await stub.ResumeSimulation(ResumeSimulationRequest(), timeout=60, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                raise


async def killed(directory: Path, case: Case) -> dict[str, list[Stored]]:
    async with chain(directory, DURATION_S, settings=(("sim", "PAUSED", "true"),)) as mesh:
        if case.bridge_stopped:
            os.kill(pid(mesh, "bridge"), signal.SIGSTOP)
        await resume(mesh)
        await until(has_checkpoint(mesh), "the first checkpoint")
        for name in case.killed:
            os.kill(pid(mesh, name), signal.SIGKILL)
        await resume(mesh)  # a simulator that was killed comes back paused
        await until(lambda: published_all(mesh), "everything published")
        return await read_all(mesh)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Stored]]:
    return asyncio.run(run_to_the_end(tmp_path_factory.mktemp("calm"), DURATION_S))


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_when_only_the_unconfirmed_first_checkpoint_exists(
    tmp_path: Path, calm: dict[str, list[Stored]], name: str
) -> None:
    found = asyncio.run(killed(tmp_path, CASES[name]))
    for subject in SUBJECTS:
        assert promised(found[subject]) == promised(calm[subject]), subject
        sequences = [int(message.headers["ce-sequence"]) for message in found[subject]]
        assert sequences == list(range(1, len(sequences) + 1)), subject
