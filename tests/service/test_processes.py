"""The services as processes: their refusals to start, their orderly end, and no loss when they are killed."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.local_mesh.probe import read_status
from qiki.radar.v1 import radar_service_pb2 as radar
from qiki.radar.v1.radar_service_pb2_grpc import RadarServiceStub
from qiki.registrar.v1.registrar_service_pb2 import EventsFilter, WatchEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki.sim.v1 import sim_service_pb2 as sim
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk import QikiError, Stream, StreamSettings
from qiki_sdk.channel import connect
from qiki_sdk.codes import FEED_BLOCKED
from qiki_sdk.errors import from_rpc_error
from svc_sim.domain.contacts.trajectory import COLUMNS

pytestmark = pytest.mark.asyncio

WAIT_S = 30.0
PREFIXES = {
    "svc_sim": "QIKI_SIM_",
    "svc_radar": "QIKI_RADAR_",
    "svc_tracker": "QIKI_TRACKER_",
    "svc_registrar": "QIKI_REGISTRAR_",
}
BOTH = pytest.mark.parametrize("service", ["svc_radar", "svc_sim"])


@dataclass
class Child:
    """A service that runs."""

    process: asyncio.subprocess.Process
    grpc_target: str
    http_port: int

    async def exit_status(self) -> int:
        async with asyncio.timeout(WAIT_S):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


async def start(
    service: str, settings: Mapping[str, object], stdin: int = asyncio.subprocess.DEVNULL, **environment: str
) -> asyncio.subprocess.Process:
    """Start a service on free ports that reports to nobody, with these settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("QIKI_")}
    given = {"grpc_port": 0, "http_port": 0, "registrar_target": "", "log_format": "json", **settings}
    named = {f"{PREFIXES[service]}{name}".upper(): str(value) for name, value in given.items()}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", service),
        env={**kept, **named, **environment},
        stdin=stdin,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running(
    service: str,
    stdin: int = asyncio.subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
    **settings: object,
) -> AsyncIterator[Child]:
    """Run a service until the block ends; it is killed where it has not ended by then."""
    process = await start(service, settings, stdin, **environment or {})
    try:
        yield await listening(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def listening(process: asyncio.subprocess.Process) -> Child:
    """Read the log until it names the address on which the service listens."""
    assert process.stderr is not None
    lines = []
    async with asyncio.timeout(WAIT_S):
        while line := await process.stderr.readline():
            lines.append(line.decode())
            if line.startswith(b"{") and (found := json.loads(line))["event"] == "listening":
                return Child(process, found["grpc"], int(found["http"].rsplit(":", 1)[1]))
    raise AssertionError("".join(lines))


async def refusal(service: str, **settings: object) -> str:
    """Start a service that must refuse; return its message, which is no traceback."""
    process = await start(service, settings)
    try:
        async with asyncio.timeout(WAIT_S):
            _out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = err.decode()
    assert process.returncode == 2, text
    assert "Traceback" not in text
    (message,) = [line for line in text.splitlines() if line.startswith(f"{service}: ")]
    return message


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# -- refusals to start -------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("setting", ["grpc_port", "http_port"])
async def test_a_taken_port_is_named_with_the_remedy(service: str, setting: str) -> None:
    with taken_port() as port:
        message = await refusal(service, **{setting: port})
    assert f"127.0.0.1:{port}" in message
    assert "choose another" in message
    assert setting in message


@pytest.mark.parametrize("setting", ["grpc_port", "http_port"])
async def test_a_port_of_an_outgoing_connection_is_bound_once_that_ends(setting: str) -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        server.accept()[0].close()  # first: else the client's end would keep the port for another minute
        port = client.getsockname()[1]
        process = await start("svc_radar", {setting: port})
        try:
            await logged(process, "the port is in use by a connection; waiting for it")
            client.close()
            child = await listening(process)
            assert port in (int(child.grpc_target.rsplit(":", 1)[1]), child.http_port)
        finally:
            process.kill()
            await process.wait()


async def test_a_service_that_waits_for_its_port_ends_at_a_signal() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        process = await start("svc_radar", {"grpc_port": client.getsockname()[1]})
        try:
            await logged(process, "the port is in use by a connection; waiting for it")
            process.terminate()
            async with asyncio.timeout(WAIT_S):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()


async def logged(process: asyncio.subprocess.Process, event: str) -> None:
    """Read the log until this event."""
    assert process.stderr is not None
    async with asyncio.timeout(WAIT_S):
        while json.loads(await process.stderr.readline())["event"] != event:
            pass


@BOTH
async def test_an_unknown_setting_is_refused(service: str) -> None:
    assert f"{PREFIXES[service]}SPED" in await refusal(service, sped=1)


async def test_a_wrong_speed_is_refused_in_one_line() -> None:
    message = await refusal("svc_sim", speed="nan")
    assert message.startswith("svc_sim: QIKI_SIM_SPEED: ")


async def test_an_unknown_scenario_key_is_refused_at_its_line(tmp_path: Path) -> None:
    own_ship = "own_ship: {position_m: [0, 0, 0], course_deg: 20, speed_mps: 15}"
    path = write(tmp_path / "bad.yaml", f"schema_version: 1\nname: bad\nduration_s: 10\n{own_ship}\ncontact: []\n")
    assert f"svc_sim: {path}:5: contact: " in await refusal("svc_sim", scenario=path)


async def test_a_broken_trajectory_row_is_refused_at_its_line(tmp_path: Path) -> None:
    rows = [",".join(COLUMNS), "0,abc123,QK1,1000,0,0,100,0,0,0", "1,abc123,QK1,1000,nan,0,100,0,0,0"]
    path = write(tmp_path / "bad.csv", "\n".join(rows) + "\n")
    message = await refusal("svc_sim", scenario=path)
    assert f"svc_sim: {path}:3: east_m: " in message


async def test_the_state_directory_of_another_run_is_refused(tmp_path: Path) -> None:
    async with running("svc_sim", state_dir=tmp_path, paused=True) as child:
        child.process.terminate()
        assert await child.exit_status() == 0
    message = await refusal("svc_sim", state_dir=tmp_path, seed=99)
    assert f"{tmp_path} holds run " in message
    assert "made with another seed" in message


@pytest.mark.parametrize("service", ["svc_sim", "svc_tracker"])
async def test_a_state_directory_that_another_process_uses_is_refused(service: str, tmp_path: Path) -> None:
    async with running(service, state_dir=tmp_path) as child:
        message = await refusal(service, state_dir=tmp_path)
        assert f"the state directory {tmp_path} is in use by process {child.process.pid}: end that one" in message
        child.process.kill()
        await child.exit_status()
    async with running(service, state_dir=tmp_path):
        pass


async def test_ending_with_the_parent_is_refused_without_a_parent_pipe() -> None:
    process = await start("svc_sim", {}, QIKI_EXIT_WITH_PARENT="1")
    async with asyncio.timeout(WAIT_S):
        _out, err = await process.communicate()
    assert process.returncode == 2
    assert "QIKI_EXIT_WITH_PARENT=1 needs a pipe as standard input" in err.decode()
    assert "Traceback" not in err.decode()


# -- the end of a service ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_every_stream_and_ends_the_process_with_status_0(number: signal.Signals) -> None:
    async with AsyncExitStack() as stack:
        child = await stack.enter_async_context(running("svc_sim", speed="max"))
        channel = await stack.enter_async_context(connect(child.grpc_target))
        stub: Any = SimServiceStub(channel)
        calls = [stub.WatchWorld(sim.WatchWorldRequest(from_oldest=True)) for _ in range(3)]
        calls += [stub.WatchSensors(sim.WatchSensorsRequest()) for _ in range(2)]
        health: Any = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        for call in (*calls, watching):
            await call.read()
        with socket.create_connection(("127.0.0.1", child.http_port)):  # and an idle client
            child.process.send_signal(number)
            lasts = [await last_of(call) for call in calls]
            assert await child.exit_status() == 0
    assert [last.WhichOneof("event") for last in lasts] == ["draining"] * 5
    assert all(last.resume_token for last in lasts)


async def last_of(call: Any) -> Any:
    last = None
    async with asyncio.timeout(WAIT_S):
        while (response := await call.read()) is not grpc.aio.EOF:
            last = response
    return last


@BOTH
async def test_a_second_signal_ends_the_process_at_once(service: str, tmp_path: Path) -> None:
    async with running(service, environment={"TMPDIR": str(tmp_path)}) as child:  # for its leftovers
        child.process.send_signal(signal.SIGSTOP)
        for number in (signal.SIGINT, signal.SIGTERM):  # both are pending when it continues
            child.process.send_signal(number)
        child.process.send_signal(signal.SIGCONT)
        assert await child.exit_status() in (128 + signal.SIGINT, 128 + signal.SIGTERM)


@BOTH
async def test_a_service_ends_with_the_parent_that_holds_its_standard_input(service: str) -> None:
    async with running(service, stdin=asyncio.subprocess.PIPE, environment={"QIKI_EXIT_WITH_PARENT": "1"}) as child:
        assert child.process.stdin is not None
        child.process.stdin.close()
        assert await child.exit_status() == 0


async def test_without_a_state_directory_nothing_is_left_behind(tmp_path: Path) -> None:
    async with running("svc_sim", environment={"TMPDIR": str(tmp_path)}) as child:
        assert len(names(tmp_path)) == 1
        child.process.terminate()
        assert await child.exit_status() == 0
    assert names(tmp_path) == []


async def test_a_radar_without_a_simulator_serves_waits_and_reports_it() -> None:
    with taken_port() as port:
        pass
    async with running("svc_radar", sim_target=f"127.0.0.1:{port}") as child:
        async with connect(child.grpc_target) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            watching = health.Watch(health_pb2.HealthCheckRequest(service="qiki.radar.v1.RadarService"))
            async with asyncio.timeout(WAIT_S):
                while (await watching.read()).status != health_pb2.HealthCheckResponse.SERVING:
                    pass
            stub: Any = RadarServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetRun(radar.GetRunRequest(), timeout=WAIT_S)
            assert from_rpc_error(caught.value).reason == "RUN_UNKNOWN"
            stream = Stream[Any](stub.WatchFrames, radar.WatchFramesRequest(), StreamSettings(max_tries=1))
            with pytest.raises(QikiError, match="waits for its source"):
                await anext(stream.items())
        child.process.terminate()
        assert await child.exit_status() == 0


async def test_a_required_reader_that_blocks_the_run_for_long_is_recorded_with_its_name() -> None:
    async with AsyncExitStack() as stack:
        registrar = await stack.enter_async_context(running("svc_registrar"))
        target = {"registrar_target": registrar.grpc_target}
        blocked = {"flow_control": "lossless", "speed": "max", "retention_s": 4.0, "blocked_alarm_s": 0.2}
        await stack.enter_async_context(running("svc_sim", **target, **blocked))
        channel = await stack.enter_async_context(connect(registrar.grpc_target))
        call: Any = RegistrarServiceStub(channel).WatchEvents(
            WatchEventsRequest(from_oldest=True, filter=EventsFilter(codes=[FEED_BLOCKED.number]))
        )
        async with asyncio.timeout(WAIT_S):
            while (response := await call.read()).WhichOneof("event") != "audit_event":
                pass
        assert response.audit_event.reporter == "svc_sim"
        assert {item.name: item.value for item in response.audit_event.attributes}["feed"] == "world"
        call.cancel()


async def test_health_counts_the_audit_events_that_wait_for_the_registrar_until_it_has_them() -> None:
    with taken_port() as port:
        pass
    async with running("svc_sim", registrar_target=f"127.0.0.1:{port}") as child:
        assert int((await facts(child))["audit_waiting"]) >= 1
        async with running("svc_registrar", grpc_port=port):
            await until(child, lambda found: "audit_waiting" not in found)


async def facts(child: Child) -> dict[str, Any]:
    status = await read_status("child", child.http_port)
    assert status.facts, status.detail
    return dict(status.facts)


async def until(child: Child, reached: Callable[[dict[str, Any]], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not reached(await facts(child)):  # noqa: ASYNC110  # /healthz is the interface under test
            await asyncio.sleep(0.05)


# -- being killed ------------------------------------------------------------------------------------------------------


async def test_a_killed_and_restarted_service_continues_the_same_run_with_the_same_events(tmp_path: Path) -> None:
    async with running("svc_sim", state_dir=tmp_path, paused=True) as child:
        async with connect(child.grpc_target) as channel:
            stub: Any = SimServiceStub(channel)
            stepped = await stub.StepSimulation(sim.StepSimulationRequest(ticks=93), timeout=WAIT_S)
            run, before = await run_of(stub), await world(stub, 46)
        child.process.kill()
        assert await child.exit_status() == -signal.SIGKILL
    async with running("svc_sim", state_dir=tmp_path, paused=True) as child, connect(child.grpc_target) as channel:
        stub = SimServiceStub(channel)
        assert await run_of(stub) == run
        assert await world(stub, 46) == before
        resumed = stub.WatchWorld(sim.WatchWorldRequest(resume_token=before[-1].resume_token))
        assert (await events(resumed, 1))[0].context.sequence == 47
    assert stepped.state.tick == 93


async def run_of(stub: Any) -> Any:
    return (await stub.GetRun(sim.GetRunRequest(), timeout=WAIT_S)).run


async def world(stub: Any, count: int) -> list[Any]:
    return await events(stub.WatchWorld(sim.WatchWorldRequest(from_oldest=True)), count)


async def events(call: Any, count: int) -> list[Any]:
    """Read that many events, without when they were recorded."""
    found: list[Any] = []
    async with asyncio.timeout(WAIT_S):
        while len(found) < count:
            response = await call.read()
            assert response is not grpc.aio.EOF
            if response.WhichOneof("event") == "snapshot":
                response.context.ClearField("recorded_time")
                found.append(response)
    call.cancel()
    return found
