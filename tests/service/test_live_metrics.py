import asyncio
from pathlib import Path

import nats
import pytest
from nats.js.api import ConsumerConfig

from chain import until
from checks.metrics_table import metrics_by_service
from metrics_scrape import SERVICES, LiveMesh, live_mesh

pytestmark = pytest.mark.asyncio

STREAM, DURABLE = "QIKI_RADAR_V1", "someones_own"
NAMES = dict(zip(SERVICES, ("simulator", "radar", "tracker", "registrar", "bridge", "archive"), strict=True))
# Exported only where traces are.
TRACES_ONLY = {"qiki_spans_total"}


async def test_a_live_mesh_exports_the_metrics_of_the_table_with_true_values(tmp_path: Path) -> None:
    table = await metrics_by_service()
    async with live_mesh(tmp_path) as live:
        await make_durable(live.mesh.ports["nats"])
        labels = {"stream": STREAM, "consumer": DURABLE}
        stored = {"stream": STREAM}

        def lag_is_known() -> bool:
            lag = live.value("bridge", "qiki_jetstream_consumer_lag", **labels)
            return lag is not None and lag == live.value("bridge", "qiki_jetstream_stream_messages", **stored)

        await until(lag_is_known, "a user's own durable lags by all messages of its stream")
        await asyncio.to_thread(check_values, live)
        for service, name in NAMES.items():
            found = await asyncio.to_thread(live.families, service)
            facts = {fact.name: fact for fact in table[name]}
            assert found.keys() <= facts.keys()
            assert facts.keys() - found.keys() <= TRACES_ONLY
            for metric, family in found.items():
                assert (family.type, family.documentation) == (facts[metric].kind, facts[metric].meaning)
                for sample in family.samples:
                    assert sample.labels.keys() - {"le"} == set(facts[metric].labels)


def check_values(live: LiveMesh) -> None:
    assert {live.value(service, "qiki_service_serving") for service in SERVICES} == {1}
    assert live.value("sim", "qiki_sim_phase", phase="ended") == 1
    assert live.value("sim", "qiki_sim_ticks_total") == 100
    for service, feed in (("sim", "world"), ("radar", "frames"), ("tracker", "tracks"), ("tracker", "guard")):
        events = live.value(service, "qiki_feed_events_total", feed=feed)
        assert events == live.value("bridge", "qiki_bridge_published_messages_total", channel=feed)
        assert live.value("bridge", "qiki_bridge_waiting_messages", channel=feed) == 0
    assert live.value("radar", "qiki_feed_events_total", feed="frames") == live.value(
        "tracker", "qiki_tracker_update_duration_seconds_count"
    )
    assert live.value("bridge", "qiki_bridge_connected") == 1
    get_run = "qiki.sim.v1.SimService/GetRun"
    answered = live.value("sim", "qiki_rpc_handled_total", method=get_run, code="OK") or 0
    assert answered > 0
    assert (live.value("sim", "qiki_rpc_duration_seconds_count", method=get_run) or 0) >= answered
    assert live.lag()[f"{STREAM}/{DURABLE}"] > 0
    assert live.lag()["QIKI_EVENTS_V1/registrar_intake"] == 0
    assert live.value("radar", "qiki_rpc_open_streams", method="qiki.radar.v1.RadarService/WatchFrames") is not None
    assert (live.value("registrar", "qiki_registrar_events_total", code="RUN_ENDED") or 0) == 1


async def make_durable(port: int) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    try:
        await client.jetstream().add_consumer(STREAM, ConsumerConfig(durable_name=DURABLE, ack_policy="explicit"))
    finally:
        await client.close()
