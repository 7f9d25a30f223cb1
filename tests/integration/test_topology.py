"""The declared streams on a real nats-server: created once, checked, updated without loss, refused otherwise."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.client import Client

from adapters.jetstream.client.connection import connect
from adapters.jetstream.client.errors import ConnectionGone, StreamFull
from adapters.jetstream.topology.drift import Difference
from adapters.jetstream.topology.streams import TopologyRefused, check, init
from declared import wanted_streams
from nats_server import NatsServer

SMALL = wanted_streams(0.01)


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with NatsServer(tmp_path / "nats") as server:
        client = await connect(server.url, "test", lambda happened: None)
        try:
            yield client
        finally:
            await client.close()


async def call(client: Client, operation: str, request: Mapping[str, object]) -> dict[str, object]:
    answer = await client.request(f"$JS.API.{operation}", json.dumps(request).encode(), timeout=5)
    body: dict[str, object] = json.loads(answer.data)
    assert "error" not in body, body
    return body


async def config_of(client: Client, stream: str) -> dict[str, object]:
    config = (await call(client, f"STREAM.INFO.{stream}", {}))["config"]
    assert isinstance(config, dict)
    return config


@pytest.mark.asyncio
async def test_init_creates_every_stream_and_the_second_time_does_nothing(client: Client) -> None:
    assert await init(client, SMALL) == [f"created {name}" for name in SMALL]
    assert await init(client, SMALL) == []
    assert await check(client, SMALL) == []


@pytest.mark.asyncio
async def test_check_names_every_stream_that_is_missing(client: Client) -> None:
    assert await check(client, SMALL) == [Difference(name, "name", name, None) for name in SMALL]


@pytest.mark.asyncio
async def test_the_server_has_the_declared_policies(client: Client) -> None:
    await init(client, SMALL)
    config = await config_of(client, "QIKI_RADAR_V1")
    assert config["subjects"] == ["qiki.radar.v1.frames", "qiki.radar.v1.tracks"]
    assert (config["storage"], config["retention"], config["discard"]) == ("file", "limits", "new")
    assert (config["max_msgs_per_subject"], config["max_age"]) == (500, 0)
    assert (config["allow_atomic"], config["allow_direct"]) == (True, True)
    assert "persist_mode" not in config


@pytest.mark.asyncio
async def test_check_finds_a_policy_that_was_changed_by_hand_and_init_restores_it(client: Client) -> None:
    await init(client, SMALL)
    config = await config_of(client, "QIKI_SIM_V1")
    await call(client, "STREAM.UPDATE.QIKI_SIM_V1", {**config, "discard": "old", "max_bytes": 1_000_000})
    max_bytes = SMALL["QIKI_SIM_V1"]["max_bytes"]
    assert await check(client, SMALL) == [
        Difference("QIKI_SIM_V1", "discard", "new", "old"),
        Difference("QIKI_SIM_V1", "max_bytes", max_bytes, 1_000_000),
    ]
    assert await init(client, SMALL) == [
        f"updated QIKI_SIM_V1: discard 'old' -> 'new', max_bytes 1000000 -> {max_bytes}"
    ]
    assert await check(client, SMALL) == []


@pytest.mark.asyncio
async def test_an_update_does_not_change_undeclared_settings(client: Client) -> None:
    await init(client, SMALL)
    config = await config_of(client, "QIKI_SIM_V1")
    await call(client, "STREAM.UPDATE.QIKI_SIM_V1", {**config, "description": "the truth", "allow_direct": False})
    await init(client, SMALL)
    assert (await config_of(client, "QIKI_SIM_V1"))["description"] == "the truth"


@pytest.mark.asyncio
async def test_growing_a_stream_keeps_its_messages(client: Client) -> None:
    await init(client, SMALL)
    await client.request("qiki.sim.v1.world", b"snapshot", timeout=5)
    assert len(await init(client, wanted_streams(0.02))) == len(SMALL)
    state = (await call(client, "STREAM.INFO.QIKI_SIM_V1", {}))["state"]
    assert isinstance(state, dict)
    assert state["messages"] == 1


@pytest.mark.asyncio
async def test_a_shrink_is_refused_before_anything_is_changed(client: Client) -> None:
    await init(client, wanted_streams(0.02))
    smaller = {**SMALL, "ANOTHER": {"name": "ANOTHER", "subjects": ["another"]}}
    with pytest.raises(TopologyRefused, match="discard what is stored") as refused:
        await init(client, smaller)
    assert refused.value.stream in SMALL
    assert refused.value.field in ("max_bytes", "max_msgs_per_subject")
    assert await check(client, wanted_streams(0.02)) == []
    assert Difference("ANOTHER", "name", "ANOTHER", None) in await check(client, smaller)


@pytest.mark.asyncio
async def test_taking_a_subject_away_is_refused_and_named(client: Client) -> None:
    wider = {**SMALL["QIKI_SIM_V1"], "subjects": ["qiki.sim.v1.world", "qiki.sim.v1.sensors", "qiki.sim.v1.extra"]}
    await init(client, {"QIKI_SIM_V1": wider})
    with pytest.raises(TopologyRefused, match=r"qiki\.sim\.v1\.extra") as refused:
        await init(client, SMALL)
    assert (refused.value.stream, refused.value.field) == ("QIKI_SIM_V1", "subjects")


@pytest.mark.asyncio
async def test_another_storage_is_refused_and_named(client: Client) -> None:
    await init(client, {"QIKI_DLQ_V1": {**SMALL["QIKI_DLQ_V1"], "storage": "memory"}})
    with pytest.raises(TopologyRefused, match="cannot be changed in place") as refused:
        await init(client, SMALL)
    assert (refused.value.stream, refused.value.field) == ("QIKI_DLQ_V1", "storage")


@pytest.mark.asyncio
async def test_a_foreign_stream_on_a_declared_subject_is_named(client: Client) -> None:
    await call(client, "STREAM.CREATE.OLD_EVENTS", {"name": "OLD_EVENTS", "subjects": ["qiki.events.>"]})
    with pytest.raises(TopologyRefused, match="OLD_EVENTS") as refused:
        await init(client, SMALL)
    assert (refused.value.stream, refused.value.field) == ("QIKI_EVENTS_V1", "subjects")
    taken = Difference("QIKI_EVENTS_V1", "subjects", "qiki.events.v1.>", "qiki.events.> of stream OLD_EVENTS")
    assert taken in await check(client, SMALL)


@pytest.mark.asyncio
async def test_streams_beyond_one_page_of_the_servers_list_are_seen(client: Client) -> None:
    for number in range(300):
        await call(client, f"STREAM.CREATE.X{number}", {"name": f"X{number}", "subjects": [f"x.{number}"]})
    wanted = {"X299": {"name": "X299", "subjects": ["x.299"]}, "Y": {"name": "Y", "subjects": ["x.298"]}}
    assert await check(client, wanted) == [
        Difference("Y", "name", "Y", None),
        Difference("Y", "subjects", "x.298", "x.298 of stream X298"),
    ]


@pytest.mark.asyncio
async def test_streams_larger_than_the_disk_are_refused_with_advice(client: Client) -> None:
    with pytest.raises(StreamFull, match="--size-factor"):
        await init(client, wanted_streams(1000))


@pytest.mark.asyncio
async def test_a_closed_connection_is_an_error(client: Client) -> None:
    await client.close()
    with pytest.raises(ConnectionGone):
        await check(client, SMALL)
