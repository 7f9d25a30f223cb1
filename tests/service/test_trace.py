"""`qiki trace` as a user runs it: on traces of a real mesh and of `qiki trace serve`, and where there are none."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from chain import Stored, chain, facts, published_all, read_subject, until
from cli.errors import UsageError
from cli.local_mesh.options import SERVICES, MeshOptions, parse_settings
from cli.local_mesh.ports import choose_ports, parse_ports
from cli.local_mesh.processes import service_env
from cli.local_mesh.supervision.child import ChildState
from cli.views.trace.location import find_store
from trace_spans import span, store_with

QIKI = (sys.executable, "-P", "-m", "cli")
TIMEOUT_S = 60.0
DURATION_S = 3.0
TRACKS, RADAR_STREAM = "qiki.radar.v1.tracks", "QIKI_RADAR_V1"


def qiki(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*QIKI, "trace", *arguments],
        env={**os.environ, "COLUMNS": "80", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@dataclass(frozen=True)
class Collected:
    """A mesh that has ended, the messages of its tracks, and its lines while it ran."""

    state_dir: Path
    tracks: list[Stored]
    said: list[str]

    def qiki(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return qiki(*arguments, "--state-dir", str(self.state_dir))


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    directory: Path = tmp_path_factory.mktemp("traced")

    async def run() -> Collected:
        said: list[str] = []
        async with chain(directory, DURATION_S, said.append, trace=True) as mesh:
            await until(lambda: published_all(mesh), "everything published")
            tracks = await read_subject(mesh.ports["nats"], TRACKS, RADAR_STREAM)
            assert {status.name: status.status for status in await mesh.statuses()}["collector"] == "SERVING"
            assert mesh.endpoints()["collector"]["grpc"] == f"127.0.0.1:{mesh.ports['collector']}"
            assert "last_refusal" not in facts(mesh, "collector")
        return Collected(directory / "state", tracks, said)  # each service has handed over its last spans by now

    return asyncio.run(run())


def way(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return service and name of the publication that matched, of its parent, and so on to the root."""
    by_id = {each["span_id"]: each for each in document["spans"]}
    (at,) = (each for each in document["spans"] if each["matched"] and each["service"] == "bridge")
    found = []
    while at:
        found.append((at["service"], at["name"]))
        at = by_id.get(at["parent_span_id"])
    return found


def test_the_trace_of_a_messages_id_leads_from_the_publication_back_to_the_tick(collected: Collected) -> None:
    assert len(collected.tracks) > 2
    for message in (collected.tracks[0], collected.tracks[-1]):
        result = collected.qiki(message.headers["ce-id"], "--json")
        assert result.returncode == 0, result.stderr
        document = json.loads(result.stdout)
        assert document["trace_id"] == message.headers["ce-traceparent"].split("-")[1]
        services = dict.fromkeys(service for service, _name in way(document))
        assert list(services) == ["bridge", "svc_tracker", "svc_radar", "svc_sim"]
        assert not next(each for each in document["spans"] if each["name"] == way(document)[-1][1])["parent_span_id"]
        assert TRACKS in way(document)[0][1]


def test_the_waterfall_of_a_real_trace_fits_80_columns_and_marks_the_id(collected: Collected) -> None:
    result = collected.qiki(collected.tracks[0].headers["ce-id"])
    lines = result.stdout.splitlines()
    assert result.returncode == 0
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in result.stdout
    marked = [line for line in lines if line.startswith("▶")]
    assert [next(name for name in ("svc_tracker", "bridge") if name in line) for line in marked] == [
        "svc_tracker",
        "bridge",
    ]
    assert lines[-1].endswith(" ms") or lines[-1].endswith(" s")
    assert re.search(r" of [45] services in ", lines[-1]), lines[-1]


def test_a_real_trace_becomes_one_file(collected: Collected, tmp_path: Path) -> None:
    result = collected.qiki(
        collected.tracks[0].headers["traceparent"].split("-")[1], "--html", str(tmp_path / "a.html")
    )
    assert result.stdout.strip() == (tmp_path / "a.html").as_uri()
    text = (tmp_path / "a.html").read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert all(service in text for service in ("svc_sim", "svc_radar", "svc_tracker", "bridge"))


def test_the_slowest_and_the_newest_are_listed(collected: Collected) -> None:
    slowest = json.loads(collected.qiki("--slowest", "--last", "1h", "--list", "--json").stdout)
    assert len(slowest) > 2
    durations = [each["duration_ns"] for each in slowest]
    assert durations == sorted(durations, reverse=True)
    assert slowest[0]["trace_id"] in collected.qiki("--slowest", "--last", "1h").stdout
    newest = json.loads(collected.qiki("--list", "--limit", "3", "--json").stdout)
    assert len(newest) == 3
    table = collected.qiki("--list", "--limit", "3").stdout.splitlines()
    assert [line.split()[0] for line in table[1:]] == [each["trace_id"][:12] for each in newest]
    assert max(map(len, table)) <= 80


def test_a_run_id_is_in_many_traces_and_the_newest_is_shown(collected: Collected) -> None:
    run_id = collected.tracks[0].headers["ce-run"]
    assert f"older traces hold it: `qiki trace {run_id} --list`" in collected.qiki(run_id).stdout.splitlines()[-1]


def test_an_unknown_id_names_what_was_searched_and_the_close_ones(collected: Collected) -> None:
    event_id = collected.tracks[0].headers["ce-id"]
    mistyped = event_id[:-1] + ("0" if event_id[-1] != "0" else "1")
    result = collected.qiki(mistyped)
    assert result.returncode == 1
    assert result.stderr.startswith(f"qiki: {mistyped} is not in {collected.state_dir / 'traces'}: searched ")
    assert "; the newest began at 20" in result.stderr
    assert f"Close to it: {event_id}" in result.stderr


def test_no_trace_in_a_short_time_names_the_newest(collected: Collected) -> None:
    result = collected.qiki("--slowest", "--last", "1ms")
    assert result.returncode == 1
    assert "No trace began in the last 1.00 ms. The newest span began at 20" in result.stderr
    assert "--last asks for a longer time" in result.stderr


def test_the_collector_is_started_first_and_stopped_after_the_services(collected: Collected) -> None:
    ready = [line.split(":")[0] for line in collected.said if " is ready " in line]
    stopped = [line.split(":")[0] for line in collected.said if line.endswith("exited with status 0")]
    assert set(ready[:2]) == {"collector", "nats"}
    assert stopped == [*SERVICES, "collector", "nats"]
    assert any(line.endswith("8 of 8 are ready") for line in collected.said)
    assert ChildState.FAILED not in collected.said


@asynccontextmanager
async def serving(store: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    ports = choose_ports({}, free=True, trace=True)
    process = await asyncio.create_subprocess_exec(
        *(*QIKI, "trace", "serve", "--port", str(ports["collector"]), "--http-port", str(ports["collector-http"])),
        *("--store", str(store)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            assert f"Traces go to {store}." in (await process.stdout.readline()).decode()
            while b"listening" not in (line := await process.stderr.readline()):
                assert line, "it ended before it served"
            yield process, f"http://127.0.0.1:{ports['collector']}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def send(endpoint: str, name: str) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "svc_x"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint, insecure=True)))
    provider.get_tracer("test").start_span(name, attributes={"qiki.frame_id": f"frame of {name}"}).end()
    provider.shutdown()


@pytest.mark.asyncio
async def test_serve_collects_for_a_mesh_started_otherwise_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    store = tmp_path / "store"
    environment = {"QIKI_TRACE_STORE": str(store)}
    async with serving(store) as (process, endpoint):
        await asyncio.to_thread(send, endpoint, "first")
        found = await asyncio.to_thread(qiki, "frame of first", environment=environment)
        assert "svc_x first" in found.stdout, found.stderr
        process.kill()
        await process.wait()
    async with serving(store) as (process, endpoint):
        await asyncio.to_thread(send, endpoint, "second")
        process.terminate()
        assert await process.wait() == 0
    for name in ("first", "second"):
        assert f"svc_x {name}" in (await asyncio.to_thread(qiki, f"frame of {name}", environment=environment)).stdout


@pytest.mark.asyncio
async def test_one_store_has_one_collector(tmp_path: Path) -> None:
    async with serving(tmp_path) as (process, _endpoint):
        ports = choose_ports({}, free=True, trace=True)
        given = ("--port", str(ports["collector"]), "--http-port", str(ports["collector-http"]))
        second = await asyncio.to_thread(qiki, "serve", *given, "--store", str(tmp_path))
        assert second.returncode == 2
        assert f"{tmp_path} is in use by process {process.pid}" in second.stderr


def test_without_a_store_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    nowhere = {"TMPDIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    for arguments in (("--list",), ("--list", "--state-dir", str(tmp_path)), ("--list", "--store", str(tmp_path))):
        result = qiki(*arguments, environment=nowhere)
        assert result.returncode == 1
        assert "`qiki up --trace` starts a mesh that collects its traces; `qiki trace serve` collects" in result.stderr
        assert str(tmp_path) in result.stderr


def test_an_empty_store_says_that_spans_take_a_moment(tmp_path: Path) -> None:
    store_with(tmp_path).close()
    result = qiki("--list", "--store", str(tmp_path))
    assert result.returncode == 1
    assert "is empty: services export their spans every 5 s" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--html", "a.html"), "Name an id, or ask for --slowest or --list"),
        (("id", "--slowest"), "An id and --slowest: give one of them"),
        (("--list", "--html", "a.html"), "--html shows one trace"),
        (("a\x1bb",), "ID: 1 to 256 printable characters"),
        (("x" * 257,), "ID: 1 to 256 printable characters"),
        (("--slowest", "--last", "soon"), "--last soon: a number and ms, s, m, h or d"),
        (("id", "--state-dir", "here"), "--state-dir and --store: give one of them"),
    ],
)
def test_a_wrong_request_is_refused_with_status_2(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    store_with(tmp_path, span(1)).close()
    result = qiki(*arguments, "--store", str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.startswith(f"qiki: {text}")


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    store_with(tmp_path, span(0xABCDEF)).close()
    result = qiki(f"{0xABCDEF:016x}", "--store", str(tmp_path), "--html", str(tmp_path / "no" / "a.html"))
    assert result.returncode == 1
    assert "a.html: cannot be written: No such file or directory" in result.stderr


def test_the_running_mesh_in_a_temporary_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name, pid in (("qiki-ended", ended.pid), ("qiki-mine", os.getpid())):
        _endpoints(tmp_path / name, {"collector": {"pid": pid}})
    _endpoints(tmp_path / "qiki-untraced", {"sim": {"pid": os.getpid()}})
    (tmp_path / "qiki-broken").mkdir()
    (tmp_path / "qiki-broken" / "endpoints.json").write_text("[]")
    assert find_store(None, None) == tmp_path / "qiki-mine" / "traces"
    _endpoints(tmp_path / "qiki-other", {"collector": {"pid": os.getpid()}})
    with pytest.raises(UsageError) as caught:
        find_store(None, None)
    assert str(caught.value).splitlines()[1:] == [
        f"  --state-dir {tmp_path / 'qiki-mine'}",
        f"  --state-dir {tmp_path / 'qiki-other'}",
    ]


def _endpoints(directory: Path, endpoints: dict[str, dict[str, int]]) -> None:
    store_with(directory / "traces").close()
    (directory / "endpoints.json").write_text(json.dumps(endpoints))


def test_every_service_exports_to_the_collector_and_the_collector_to_nobody() -> None:
    options = MeshOptions(trace=True, settings=(("radar", "OTLP_ENDPOINT", "http://127.0.0.1:1"),))
    ports = choose_ports({}, free=True, trace=True)
    endpoint = f"http://127.0.0.1:{ports['collector']}"
    for service in ("sim", "tracker", "bridge", "archive", "registrar"):
        assert service_env(service, options, ports, Path("/s"))[f"QIKI_{service.upper()}_OTLP_ENDPOINT"] == endpoint
    assert service_env("radar", options, ports, Path("/s"))["QIKI_RADAR_OTLP_ENDPOINT"] == "http://127.0.0.1:1"
    collector = service_env("collector", options, ports, Path("/s"))
    assert collector["QIKI_COLLECTOR_STATE_DIR"] == "/s/traces"
    assert not [name for name in collector if "OTLP" in name or "TRACE" in name]
    assert "QIKI_SIM_OTLP_ENDPOINT" not in service_env("sim", MeshOptions(), ports, Path("/s"))


def test_a_port_of_the_collector_without_a_collector_is_refused() -> None:
    given = parse_ports(["collector=4317"])
    with pytest.raises(UsageError, match="--port collector: only --trace runs a collector"):
        choose_ports(given, free=True)
    assert "collector" not in choose_ports({}, free=True)


def test_a_setting_of_the_collector_without_a_collector_is_refused() -> None:
    assert parse_settings(["collector.max_spans=5000"], trace=True) == (("collector", "max_spans", "5000"),)
    with pytest.raises(UsageError, match=r"--set .*: expected SERVICE.KEY=VALUE"):
        parse_settings(["collector.max_spans=5000"])
