"""The collection of data: where the mesh is found, and questions that are bounded whatever answers them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from cli.errors import UsageError
from cli.local_mesh.ports import HOST, choose_ports
from cli.local_mesh.processes import endpoints
from cli.local_mesh.storage.state import LOCK_FILE, write_endpoints
from cli.views.top.collect import endpoints as places
from cli.views.top.collect.endpoints import SERVICES, Endpoint, find_mesh, parse_endpoints
from cli.views.top.collect.http import MAX_BODY_BYTES, HttpError, get
from cli.views.top.collect.poll import EndpointBook, poll
from cli.views.top.collect.questions import Asker, parse_varz
from cli.views.top.model import metric_names as names
from cli.views.top.model.answer import UNREACHABLE, Answer
from mesh.storage.lock import directory_lock

PORTS = choose_ports({}, free=True)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def state(directory: Path, pids: dict[str, int] | None = None) -> Path:
    directory.mkdir(exist_ok=True)
    write_endpoints(directory, endpoints(PORTS, pids or {}))
    return directory


@asynccontextmanager
async def server(handle: Handler) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, HOST, 0)
    try:
        yield f"{HOST}:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()


def answering(data: bytes, then: asyncio.Event | None = None) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        if then is not None:
            await then.wait()

    return handle


def test_the_mesh_of_a_state_directory_is_read_again_each_time(tmp_path: Path) -> None:
    source = find_mesh(state(tmp_path), None, {})
    found = source.read()
    assert found is not None
    assert list(found) == list(SERVICES)
    sim = Endpoint("sim", f"{HOST}:{PORTS['sim']}", f"{HOST}:{PORTS['sim-http']}")
    assert found["sim"] == sim
    assert found["nats"].http == f"{HOST}:{PORTS['nats-monitor']}"
    state(tmp_path, {"sim": 77})
    again = source.read()
    assert again is not None
    assert again["sim"].pid == 77
    (tmp_path / "endpoints.json").unlink()
    assert source.read() is None


def test_a_directory_without_a_mesh_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"`qiki up --state-dir {tmp_path}` starts one"):
        find_mesh(tmp_path, None, {})
    with pytest.raises(UsageError, match="leave out --host and --port"):
        find_mesh(state(tmp_path), "10.0.0.1", {})


def test_without_options_the_one_mesh_that_runs_here_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(tmp_path))
    state(tmp_path / "qiki-killed")
    default = find_mesh(None, None, {}).read()
    assert default is not None
    assert default["sim"].grpc == "127.0.0.1:50051", "none runs: the usual ports"
    with locked_elsewhere(state(tmp_path / "qiki-one")):
        assert find_mesh(None, None, {}).where == str(tmp_path / "qiki-one")
        with locked_elsewhere(state(tmp_path / "qiki-two")), pytest.raises(UsageError) as refusal:
            find_mesh(None, None, {})
        assert f"qiki top --state-dir {tmp_path / 'qiki-two'}" in str(refusal.value)


@contextmanager
def locked_elsewhere(directory: Path):  # type: ignore[no-untyped-def]
    """Lock the directory, as a running mesh does: flock knows two openings of one file apart."""
    with directory_lock(directory, LOCK_FILE):
        yield


def test_host_and_ports_name_a_mesh_elsewhere() -> None:
    found = find_mesh(None, "10.0.0.1", {"radar-http": 7}).read()
    assert found is not None
    assert found["radar"] == Endpoint("radar", "10.0.0.1:50052", "10.0.0.1:7")
    assert found["nats"] == Endpoint("nats", "", "10.0.0.1:8222")


@pytest.mark.parametrize("text", ["", "[]", '{"sim": 1}', '{"sim": {}}', '"x"', "[" * 100_000])
def test_a_file_in_another_form_is_refused(text: str) -> None:
    try:
        assert parse_endpoints(text) == {}
    except UsageError as error:
        assert "is not in the form that is known" in str(error)  # noqa: PT017 - some of the texts are an empty mesh


@pytest.mark.asyncio
async def test_an_answer_is_read_with_its_status_and_bounded() -> None:
    async with server(answering(b"HTTP/1.0 503 Down\r\nA: b\r\n\r\n{}")) as address:
        assert await get(address, "/", 10) == (503, b"{}")
    async with server(answering(b"HTTP/1.0 200 OK\r\n\r\n")) as address:
        assert await get(address, "/", 10) == (200, b"")
    for data, reason in (
        (b"", "does not speak HTTP"),
        (b"SSH-2.0\r\n", "does not speak HTTP"),
        (b"HTTP/1.0 200 OK\r\nA: b\r\n", "ended too early"),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (MAX_BODY_BYTES + 1), "larger than"),
        (b"HTTP/1.0 200 OK\r\n" + b"x" * 100_000, "no answer"),
        (b"HTTP/1.0 200 OK\r\n" + b"a: b\r\n" * 1000, "more than 100 headers"),
        (b"HTTP/1.0 many OK\r\n\r\n", "no answer"),
        (b"HTTP/1.0\r\n\r\n", "no answer"),
    ):
        async with server(answering(data)) as address:
            with pytest.raises(HttpError, match=reason):
                await get(address, "/", 10)


@pytest.mark.asyncio
async def test_a_service_that_takes_the_question_and_says_nothing_is_unreachable() -> None:
    never = asyncio.Event()
    async with server(answering(b"", never)) as address, Asker() as asker:
        with pytest.raises(HttpError, match=r"within 0\.1 s"):
            await get(address, "/", 0.1)
        answer = await asker.ask(Endpoint("sim", address, address))
        assert (answer.status, answer.facts, answer.metrics) == (UNREACHABLE, None, None)
        never.set()


@pytest.mark.asyncio
async def test_a_silent_service_delays_no_other(tmp_path: Path) -> None:
    never, answers = asyncio.Event(), asyncio.Queue[Answer]()
    async with server(answering(b"", never)) as silent:
        table = {"sim": {"grpc": silent, "http": silent}, "radar": {"grpc": f"{HOST}:1", "http": f"{HOST}:1"}}
        (tmp_path / "endpoints.json").write_text(json.dumps(table))
        book = EndpointBook(find_mesh(tmp_path, None, {}))
        tasks = [asyncio.ensure_future(poll(name, book, answers.put_nowait)) for name in ("sim", "radar")]
        order = [(await answers.get()).name for _ in range(3)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        never.set()
    assert order.count("radar") >= 2, "the other was asked again before the silent one was given up"


def test_the_figures_of_nats_come_from_its_varz() -> None:
    varz = {"start": "2026-11-21T19:00:00.5Z", "cpu": 2, "mem": 6e7, "in_msgs": 100}
    metrics = parse_varz(json.dumps(varz).encode())
    assert metrics is not None
    assert metrics.value(names.NATS_CPU_PERCENT) == 2
    assert metrics.value(names.PROCESS_RESIDENT_BYTES) == 6e7
    for body in (b"", b"[]", b"{}", b'{"start": 1}', json.dumps({**varz, "mem": "x"}).encode()):
        assert parse_varz(body) is None
