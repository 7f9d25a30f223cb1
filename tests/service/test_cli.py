"""The qiki command as a user runs it: its output, the processes it starts, and its exit status."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from adapters.jetstream.verify.count import RunTally, SubjectTally
from cli.demo.checks.comparison import SubjectCount, count_of, table_lines
from cli.demo.progress import PlainMeter, StallClock
from cli.demo.run import published
from cli.errors import StalledError, UsageError
from cli.local_mesh.options import (
    SERVICES,
    FlowControl,
    MeshOptions,
    check_run_id,
    check_speed,
    check_start_time,
    parse_settings,
)
from cli.local_mesh.ports import DEFAULT_PORTS, choose_ports, parse_ports
from cli.local_mesh.probe import ServiceStatus, parse_status, read_status
from cli.local_mesh.processes import endpoints, nats_spec, service_env
from cli.local_mesh.run import end_text, next_run_text
from cli.local_mesh.status_display import PlainDisplay, facts_text, status_line
from cli.local_mesh.storage.state import state_directory, until_unused, write_endpoints
from cli.local_mesh.supervision.supervisor import Supervisor
from mesh.storage.lock import directory_lock

QIKI = (sys.executable, "-P", "-m", "cli")


def qiki(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*QIKI, *arguments],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def listener() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@contextmanager
def health_server() -> Iterator[tuple[str, health.HealthServicer]]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", servicer
    finally:
        server.stop(None).wait()


# --- the command line -------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_exits_with_status_0() -> None:
    result = qiki("--help")
    assert result.returncode == 0
    for command in ("up", "demo", "health", "nats", "version"):
        assert f" {command} " in result.stdout


@pytest.mark.parametrize(
    "arguments", [("upp",), ("up", "--sped", "2"), ("up", "--flow-control", "slow"), ("nats", "inti")]
)
def test_a_typo_is_refused_with_status_2(arguments: tuple[str, ...]) -> None:
    result = qiki(*arguments)
    assert result.returncode == 2
    assert "Error" in result.stderr
    assert "Traceback" not in result.stderr


def test_version_names_the_versions_that_results_depend_on() -> None:
    result = qiki("version")
    assert result.returncode == 0
    assert {line.split()[0] for line in result.stdout.splitlines()} >= {"qiki-mesh", "numpy", "grpcio", "Python"}


def test_health_imports_only_what_it_needs() -> None:
    program = (
        "import sys; from cli.app import build_app; import cli.local_mesh.health_check; "
        "build_app(); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    assert not {"numpy", "nats", "rich.table", "pydantic", "opentelemetry"} & set(loaded)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (("--speed", "nan"), "--speed nan: a factor from 0.1 to 1000, or max"),
        (("--run-id", "7"), "--run-id 7: a UUID"),
        (("--start-time", "2026-01-01"), "--start-time 2026-01-01: an ISO 8601 time in UTC"),
        (("--port", "simm=1"), "--port simm=1: expected NAME=PORT"),
        (("--set", "sim.x"), "--set sim.x: expected SERVICE.KEY=VALUE"),
    ],
)
def test_up_refuses_a_wrong_option_in_plain_words(option: tuple[str, str], text: str) -> None:
    result = qiki("up", *option)
    assert result.returncode == 2
    assert result.stderr.startswith(f"qiki: {text}")
    assert result.stdout == ""


def test_up_refuses_an_unusable_scenario_before_any_process_is_started(tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.yaml"
    scenario.write_text("schema_version: 1\nname: x\nown_ship: {position_m: [0, 0, .nan]}\n")
    result = qiki("up", "--free-ports", "--scenario", str(scenario), "--state-dir", str(tmp_path / "state"))
    assert result.returncode == 2
    assert result.stderr.startswith("qiki: nothing was started")
    assert f"{scenario}:3: own_ship.position_m" in result.stderr
    assert not (tmp_path / "state").exists()


def test_up_names_the_taken_port_its_service_and_the_remedy(tmp_path: Path) -> None:
    with listener() as port:
        result = qiki("up", "--free-ports", "--port", f"radar-http={port}", "--state-dir", str(tmp_path / "state"))
    assert result.returncode == 2
    assert f"Port {port}, meant for radar-http, cannot be used" in result.stderr
    assert "--port radar-http=" in result.stderr
    assert "--free-ports" in result.stderr
    assert not (tmp_path / "state").exists()


def test_up_reads_ports_from_its_environment_too() -> None:
    with listener() as port:
        result = qiki("up", "--free-ports", QIKI_UP_PORTS=f"sim={port} nats=4333")
    assert result.returncode == 2
    assert f"Port {port}, meant for sim," in result.stderr


# --- health -----------------------------------------------------------------------------------------------------------


def test_health_is_0_for_serving_and_1_for_anything_else() -> None:
    with health_server() as (target, servicer):
        servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        servicer.set("qiki.sim.v1.SimService", health_pb2.HealthCheckResponse.NOT_SERVING)
        whole = qiki("health", target, http_proxy="http://127.0.0.1:1")
        one = qiki("health", target, "--service", "qiki.sim.v1.SimService")
        unknown = qiki("health", target, "--service", "qiki.nothing")
    assert (whole.returncode, whole.stdout) == (0, f"{target}: SERVING\n")
    assert (one.returncode, one.stdout) == (1, "qiki.sim.v1.SimService: NOT_SERVING\n")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "knows no service 'qiki.nothing'" in unknown.stderr


def test_health_reports_that_no_server_listens() -> None:
    result = qiki("health", "127.0.0.1:1")
    assert result.returncode == 1
    assert result.stderr.startswith("qiki: 127.0.0.1:1 cannot be reached.")


def test_health_waits_no_longer_than_its_timeout() -> None:
    with listener() as port:  # accepts, and says nothing
        result = qiki("health", f"127.0.0.1:{port}", "--timeout", "0.3")
    assert result.returncode == 1
    assert "gave no answer within 0.3 s" in result.stderr


@pytest.mark.parametrize("arguments", [("nowhere",), ("h:0",), ("h:1", "--timeout", "nan"), ("h:1", "--timeout", "0")])
def test_health_refuses_an_invalid_target_or_timeout(arguments: tuple[str, ...]) -> None:
    assert qiki("health", *arguments).returncode == 2


# --- nats -------------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_nats_check_finds_the_streams_missing_and_init_creates_them_once(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    ports = choose_ports({}, free=True)
    async with Supervisor(lambda _event: None) as supervisor:
        await supervisor.start(nats_spec(ports, tmp_path))
        url = ("--nats-url", f"nats://127.0.0.1:{ports['nats']}", "--size-factor", "0.01")
        before = await asyncio.to_thread(qiki, "nats", "check", *url)
        first = await asyncio.to_thread(qiki, "nats", "init", *url)
        second = await asyncio.to_thread(qiki, "nats", "init", *url)
        after = await asyncio.to_thread(qiki, "nats", "check", *url)
        other = await asyncio.to_thread(qiki, "nats", "check", *url[:2], "--size-factor", "0.02")
    assert before.returncode == 1
    assert "QIKI_RADAR_V1.name: declared 'QIKI_RADAR_V1', found None" in before.stdout
    assert (first.returncode, "created QIKI_SIM_V1" in first.stdout) == (0, True)
    assert (second.returncode, second.stdout) == (0, "Nothing to do: all streams and durables are as declared.\n")
    assert (after.returncode, after.stdout) == (0, "All streams and durables are as declared.\n")
    assert other.returncode == 1
    assert "QIKI_SIM_V1.max_bytes" in other.stdout


def test_nats_reports_that_no_server_answers() -> None:
    result = qiki("nats", "check", QIKI_NATS_URL="nats://127.0.0.1:1")
    assert result.returncode == 1
    assert "nats://127.0.0.1:1" in result.stderr
    assert "Traceback" not in result.stderr


# --- ports ------------------------------------------------------------------------------------------------------------


def test_free_ports_differ_from_one_another_and_from_given_ones() -> None:
    with listener() as port:
        pass
    ports = choose_ports({"nats": port}, free=True)
    assert ports["nats"] == port
    assert ports.keys() == DEFAULT_PORTS.keys()
    assert len(set(ports.values())) == len(ports)
    local = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(chosen < local for name, chosen in ports.items() if name != "nats")


def test_one_port_for_two_names_is_refused() -> None:
    with pytest.raises(UsageError, match="Port 9101 is meant for both sim-http and radar-http"):
        choose_ports({"radar-http": 9101}, free=False)


@pytest.mark.parametrize(
    "option", ["", "sim", "sim=", "sim=0", "sim=65536", "sim=-1", "sim=1e3", "sim=٣", "x=1", "sim=999999"]
)
def test_an_invalid_port_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match="--port"):
        parse_ports([option])


def test_a_port_given_twice_is_refused() -> None:
    assert parse_ports(["sim=1", "radar=65535"]) == {"sim": 1, "radar": 65535}
    with pytest.raises(UsageError, match="sim is given twice"):
        parse_ports(["sim=1", "sim=2"])


# --- options and environment ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0.1", "1", "1000", "max", None])
def test_a_speed_within_the_bounds_is_accepted_unchanged(text: str | None) -> None:
    assert check_speed(text) == text


@pytest.mark.parametrize("text", ["", "0", "-1", "1001", "inf", "nan", "fast"])
def test_an_invalid_speed_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        check_speed(text)


def test_run_ids_are_uuids_and_start_times_are_utc() -> None:
    assert check_run_id("0F8FAD5B-D9CB-469F-A165-70867728950E") == "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert check_start_time("2026-01-01T00:00:00Z") == "2026-01-01T00:00:00Z"
    for text in ("", "yesterday", "2026-01-01T00:00:00", "2026-01-01T00:00:00+01:00"):
        with pytest.raises(UsageError):
            check_start_time(text)


def test_a_service_gets_exactly_the_given_settings() -> None:
    bare = service_env("sim", MeshOptions(), DEFAULT_PORTS, Path("/state"))
    assert bare == {
        "QIKI_SIM_HOST": "127.0.0.1",
        "QIKI_SIM_GRPC_PORT": "50051",
        "QIKI_SIM_HTTP_PORT": "9101",
        "QIKI_SIM_LOG_FORMAT": "json",
        "QIKI_SIM_RUNTIME": "/state/runtime/sim.json",
        "QIKI_SIM_STATE_DIR": "/state/sim",
        "QIKI_SIM_SPOOL_DIR": "/state/audit-spool/sim",
        "QIKI_SIM_REGISTRAR_TARGET": "127.0.0.1:50054",
        "PYTHONUNBUFFERED": "1",
    }
    options = MeshOptions(
        flow_control=FlowControl.LOSSLESS, seed=0, settings=parse_settings(["sim.drain_s=1", "radar.flow_control=live"])
    )
    full = service_env("sim", options, DEFAULT_PORTS, Path("/state"))
    assert full.items() - bare.items() == {
        ("QIKI_SIM_FLOW_CONTROL", "lossless"),
        ("QIKI_SIM_SEED", "0"),
        ("QIKI_SIM_DRAIN_S", "1"),
    }
    assert service_env("radar", options, DEFAULT_PORTS, Path("/state"))["QIKI_RADAR_FLOW_CONTROL"] == "live"
    assert service_env("bridge", options, DEFAULT_PORTS, Path("/s"))["QIKI_BRIDGE_NATS_URL"] == "nats://127.0.0.1:4222"


def test_endpoints_name_a_process_only_while_it_is_alive() -> None:
    table = endpoints(DEFAULT_PORTS, {"sim": 7})
    assert table["sim"] == {"grpc": "127.0.0.1:50051", "http": "http://127.0.0.1:9101", "pid": 7}
    assert table["nats"] == {"url": "nats://127.0.0.1:4222", "monitor": "http://127.0.0.1:8222"}


# --- the state directory ----------------------------------------------------------------------------------------------


def test_a_temporary_state_directory_is_removed_and_that_is_reported() -> None:
    said: list[str] = []
    with state_directory(None, said.append) as directory:
        (directory / "nats").mkdir()
        assert (directory / "logs").is_dir()
    assert not directory.exists()
    assert said == [f"The temporary state directory {directory} was removed; --state-dir DIR keeps one."]


def test_a_named_state_directory_is_kept_and_used_by_one_mesh_at_a_time(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        with (
            state_directory(tmp_path / "a" / "b", said.append) as directory,
            pytest.raises(UsageError, match=rf"in use by another mesh \(process {os.getpid()}\)"),
            state_directory(directory, said.append),
        ):
            pass
    assert directory.is_dir()
    assert said == []


def test_a_state_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UsageError, match=r"state directory .*file cannot be used"),
        state_directory(tmp_path / "file", print),
    ):
        pass


@pytest.mark.asyncio
async def test_a_mesh_waits_for_the_remaining_processes_of_a_killed_one_and_names_those_that_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sim").mkdir()
    with directory_lock(tmp_path / "sim", "lock"):
        monkeypatch.setattr("cli.local_mesh.storage.state.ORPHANS_LIMIT_S", 0.2)
        with pytest.raises(UsageError, match=rf"sim is in use by process {os.getpid()}: end that one"):
            await until_unused(tmp_path)
        monkeypatch.setattr("cli.local_mesh.storage.state.ORPHANS_LIMIT_S", 60.0)
        waiting = asyncio.get_running_loop().create_task(until_unused(tmp_path))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    await waiting


def test_endpoints_are_written_whole(tmp_path: Path) -> None:
    write_endpoints(tmp_path, {"sim": {"pid": 1}})
    write_endpoints(tmp_path, {"sim": {"pid": 2}})
    assert [path.name for path in tmp_path.iterdir()] == ["endpoints.json"]
    assert json.loads((tmp_path / "endpoints.json").read_text()) == {"sim": {"pid": 2}}


# --- status -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b"[]", b"{}", b'{"status": "FINE"}', b'{"status": []}', b'{"status": "SERVING", "facts": 1}', b"\xff"],
)
def test_a_status_of_unknown_form_is_unreachable(body: bytes) -> None:
    assert parse_status("sim", body).status == "UNREACHABLE"


def test_a_status_is_read_as_the_service_reports_it() -> None:
    body = b'{"service": "sim", "status": "NOT_SERVING", "detail": "stalled", "facts": {"tick": 3}}'
    status = parse_status("sim", body)
    assert status == ServiceStatus("sim", "NOT_SERVING", "stalled", {"tick": 3})
    assert status_line(status) == "sim: NOT_SERVING (tick 3; stalled)"


@pytest.mark.asyncio
async def test_a_service_that_does_not_answer_is_unreachable() -> None:
    status = await read_status("sim", 1)
    assert status.status == "UNREACHABLE"
    assert "port 1" in status.detail


def test_facts_are_shown_by_name_and_omitted_without_a_value() -> None:
    facts = {
        "run_id": "0f8f",
        "tick": 0,
        "blocked_by": "",
        "speed": 1.0,
        "ended": False,
        "replaying": True,
        "nats": "up",
    }
    assert facts_text(facts) == "tick 0, speed 1, replaying, nats up"


def test_a_channels_fact_is_its_sequence_and_the_number_of_waiting_events() -> None:
    channels = {
        "frames": {"sequence": 5, "waiting": 0, "state": "carrying", "storing": True, "store_error": ""},
        "world": {"sequence": 0, "waiting": 7},
        "tracks": {"sequence": 3, "waiting": 2, "storing": False, "store_error": "no space left"},
    }
    assert facts_text({"channels": channels}) == (
        "frames 5, world 0 (7 waiting), tracks 3 (2 waiting; not stored: no space left)"
    )


def test_the_durables_that_lag_are_shown_with_their_unprocessed_messages() -> None:
    lag = {"QIKI_EVENTS_V1/registrar_intake": 0, "QIKI_RADAR_V1/mine": 7, "QIKI_COMMANDS_V1/sim_commands": 1}
    assert (
        facts_text({"nats": "up", "lag": lag}) == "nats up, lag QIKI_RADAR_V1/mine 7, QIKI_COMMANDS_V1/sim_commands 1"
    )
    assert facts_text({"lag": {"QIKI_RADAR_V1/mine": 0}}) == "no lag"
    assert facts_text({"lag": {}}) == "", "unknown is not 0"


def test_plain_lines_come_when_a_status_changes_and_every_few_seconds_while_facts_do() -> None:
    lines: list[str] = []
    times_s = iter((0.0, 1.0, 2.0, 6.9, 7.0, 60.0))
    board = PlainDisplay(lines.append, lambda: next(times_s))
    for status, tick in (
        ("SERVING", 1),
        ("SERVING", 2),
        ("NOT_SERVING", 3),
        ("NOT_SERVING", 4),
        ("NOT_SERVING", 5),
        ("NOT_SERVING", 5),
    ):
        board.show([ServiceStatus("sim", status, "", {"tick": tick})])
    assert lines == ["sim: SERVING (tick 1)", "sim: NOT_SERVING (tick 3)", "sim: NOT_SERVING (tick 5)"]


def test_the_end_of_the_run_is_known_from_the_simulators_phase() -> None:
    assert end_text({"sim": {"phase": "RUNNING", "tick": 5}}, "") == ""
    assert end_text({}, "") == ""
    text = end_text({"sim": {"phase": "ENDED", "tick": 5}}, next_run_text(None))
    assert text == (
        "The run has ended at tick 5; streams say Ended. Ctrl-C stops the mesh; the next `qiki up` begins a new run."
    )


# --- the demonstration's judgement ------------------------------------------------------------------------------------


def tally(messages: int, distinct: int, first: int, last: int, contiguous: bool) -> SubjectTally:
    return SubjectTally("s", contiguous, (RunTally("run", messages, distinct, first, last, contiguous),))


@pytest.mark.parametrize(
    ("held", "problem"),
    [
        (tally(10, 10, 1, 10, True), ""),
        (SubjectTally("s", True, ()), "s: 10 of 10 events are missing"),
        (tally(9, 9, 1, 9, True), "s: 1 of 10 events are missing; the last one there is 9."),
        (tally(11, 11, 1, 11, True), "s: 1 more events than the 10 emitted."),
        (tally(11, 10, 1, 10, False), "s: 1 messages are there twice."),
        (tally(10, 10, 1, 10, False), "s: every event is there once, but not in order."),
        (tally(8, 8, 3, 10, True), "s: the first 2 of 10 events are no longer there"),
    ],
)
def test_inconsistent_counts_are_reported_in_plain_words(held: SubjectTally, problem: str) -> None:
    assert count_of(10, held).problem().startswith(problem)
    assert bool(count_of(10, held).problem()) == bool(problem)


def test_the_table_has_one_aligned_line_a_subject() -> None:
    lines = table_lines([SubjectCount("a.b", 10, 10, 10, True, 1, 10), SubjectCount("c", 2000, 1, 1, True, 1, 1)])
    assert [line.split() for line in lines[1:]] == [
        ["a.b", "10", "10", "0", "equal"],
        ["c", "2000", "1", "0", "DIFFERS"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_a_run_without_progress_for_too_long_is_an_error_that_names_its_position() -> None:
    times_s = iter((0.0, 0.0, 59.0, 60.0, 119.0, 120.0))
    clock = StallClock(60.0, lambda: next(times_s))
    for value in (1, 1, 2, 2):
        clock.observe(value, "there")
    with pytest.raises(StalledError, match="no progress for 60 s: there"):
        clock.observe(2, "there")


def test_plain_progress_comes_with_each_new_activity_and_every_few_seconds() -> None:
    lines: list[str] = []
    now_s = 0.0
    meter = PlainMeter(lines.append, lambda: now_s)
    for now_s, what, total in ((0.0, "a", 9), (4.0, "a", 9), (5.0, "a", 9), (5.1, "b", 0)):
        meter.show(what, int(now_s), total)
    assert lines == ["a: 0 of 9", "a: 5 of 9", "b: 5"]


def test_the_published_sequences_are_read_from_the_bridges_facts() -> None:
    assert published({"channels": {"frames": {"sequence": 5, "state": "live"}, "odd": 3}}) == {"frames": 5}
    assert published({}) == {}
    assert published({"channels": {"frames": {}}}) == {"frames": 0}


# --- the whole mesh ---------------------------------------------------------------------------------------------------

SHORT_SCENARIO = """
schema_version: 1
name: short
duration_s: 6.0
own_ship: {position_m: [0.0, 0.0, 0.0], course_deg: 0.0, speed_mps: 10.0}
contacts:
  - name: drone
    object_type: drone
    position_m: [2000.0, 3000.0, 200.0]
    course_deg: 200.0
    speed_mps: 60.0
    rcs_dbsm: -5.0
"""


class Up:
    """A `qiki up` in a separate process, and its output so far."""

    def __init__(self, process: asyncio.subprocess.Process, state_dir: Path) -> None:
        self.process = process
        self.state_dir = state_dir
        self.lines: list[str] = []

    async def until(self, *wanted: str) -> str:
        """Read on until a line holds all of the words; return it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while raw := await self.process.stdout.readline():
                line = raw.decode().rstrip()
                self.lines.append(line)
                if all(word in line for word in wanted):
                    return line
        said = "\n".join(self.lines)
        raise AssertionError(f"it ended without saying {wanted}:\n{said}")

    def endpoints(self) -> dict[str, dict[str, str | int]]:
        found: dict[str, dict[str, str | int]] = json.loads((self.state_dir / "endpoints.json").read_text())
        return found

    def pids(self) -> dict[str, int]:
        return {name: int(where["pid"]) for name, where in self.endpoints().items()}

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> list[str]:
        """Send a signal; return the output from then on."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            rest = (await self.process.stdout.read()).decode().splitlines()
            await self.process.wait()
        return rest


@asynccontextmanager
async def running_up(state_dir: Path, *options: str) -> AsyncIterator[Up]:
    process = await asyncio.create_subprocess_exec(
        *(*QIKI, "up", "--free-ports", "--state-dir", str(state_dir), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    up = Up(process, state_dir)
    try:
        await up.until("All are SERVING")
        yield up
    finally:
        if process.returncode is None:
            await up.stop()


@pytest.mark.asyncio
async def test_up_serves_prints_its_endpoints_and_ends_in_order_at_the_first_signal(tmp_path: Path) -> None:
    async with running_up(tmp_path) as up:
        where = up.endpoints()
        for name in SERVICES:
            assert any(line.split()[:2] == [name, where[name]["grpc"]] for line in up.lines)
            assert (await asyncio.to_thread(qiki, "health", str(where[name]["grpc"]))).returncode == 0
        streams = await asyncio.to_thread(qiki, "nats", "check", "--nats-url", str(where["nats"]["url"]))
        assert streams.returncode == 0
        rest = await up.stop(signal.SIGINT)
    assert up.process.returncode == 0
    stops = [line for line in rest if line.endswith("exited with status 0")]
    assert stops == [f"{name}: exited with status 0" for name in (*SERVICES, "nats")]
    assert not (tmp_path / "endpoints.json").exists()
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {f"{name}.log" for name in (*SERVICES, "nats")}


@pytest.mark.asyncio
async def test_a_killed_service_is_restarted_under_another_process_id(tmp_path: Path) -> None:
    async with running_up(tmp_path) as up:
        before = up.pids()
        os.kill(before["radar"], signal.SIGKILL)
        await up.until("radar: was ended by SIGKILL; restarting in 0.5 s")
        await up.until("radar: is ready")
        after = up.pids()
    assert after.pop("radar") != before.pop("radar")
    assert after == before


@pytest.mark.asyncio
async def test_when_up_is_killed_none_of_its_processes_is_left(tmp_path: Path) -> None:
    async with running_up(tmp_path) as up:
        children = [os.pidfd_open(pid) for pid in up.pids().values()]
        try:
            await up.stop(signal.SIGKILL)
            async with asyncio.timeout(30):
                for child in children:
                    await readable(child)
        finally:
            for child in children:
                os.close(child)


@pytest.mark.asyncio
async def test_the_mesh_stays_up_when_the_run_has_ended_and_reports_it(tmp_path: Path) -> None:
    scenario = tmp_path / "short.yaml"
    scenario.write_text(SHORT_SCENARIO)
    async with running_up(tmp_path / "state", "--scenario", str(scenario), "--speed", "max") as up:
        line = await up.until("The run has ended at tick 120")
        assert line == (
            "The run has ended at tick 120; streams say Ended. Ctrl-C stops the mesh; "
            f"`qiki up --state-dir {tmp_path / 'state'} --new-run` then begins the next run, and keeps all records."
        )
        health_check = await asyncio.to_thread(qiki, "health", str(up.endpoints()["sim"]["grpc"]))
        assert health_check.returncode == 0


def test_an_unknown_setting_fails_the_start_and_is_named() -> None:
    result = qiki("up", "--free-ports", "--set", "radar.colour=red")
    assert result.returncode == 1
    assert "radar exited with status 2" in result.stderr
    assert "QIKI_RADAR_COLOUR" in result.stderr


def test_demo_refuses_a_scenario_without_an_end(tmp_path: Path) -> None:
    scenario = tmp_path / "endless.yaml"
    scenario.write_text(SHORT_SCENARIO.replace("duration_s: 6.0\n", ""))
    result = qiki("demo", "--scenario", str(scenario))
    assert result.returncode == 1
    assert "this scenario has no end" in result.stderr


async def readable(fd: int) -> None:
    """Wait until the descriptor can be read: of a process's, until the process has ended."""
    event = asyncio.Event()
    asyncio.get_running_loop().add_reader(fd, event.set)
    try:
        await event.wait()
    finally:
        asyncio.get_running_loop().remove_reader(fd)
