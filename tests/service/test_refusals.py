"""Invalid requests to the real services: the status names the field, whatever the size of the request."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from qiki.radar.v1 import radar_service_pb2 as radar
from qiki.sim.v1 import sim_service_pb2 as sim
from qiki_sdk import QikiError
from qiki_sdk.errors import from_rpc_error
from watch_cases import CASES, WAIT_S, serve

pytestmark = pytest.mark.asyncio

BY_FEED = {case.feed_name: case for case in CASES}
HUGE = "\U0001f680" * 100_000


async def refusal(call: Any) -> QikiError:
    """Wait for the answer, or read the stream; return the refusal, typed."""
    try:
        async with asyncio.timeout(WAIT_S):
            if not hasattr(call, "read"):
                await call
            else:
                while await call.read() is not grpc.aio.EOF:
                    pass
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    raise AssertionError("the call was not refused")


@pytest.mark.parametrize("text", ["nobody", "", HUGE], ids=["unknown", "empty", "huge"])
async def test_a_wrong_reader_or_sensor_is_named_however_long_it_is(tmp_path: Path, text: str) -> None:
    async with serve(BY_FEED["sensors"], tmp_path) as served:
        found = {
            "reader": await refusal(served.stub.ConfirmSensors(sim.ConfirmSensorsRequest(reader=text), timeout=WAIT_S)),
            "filter.sensor_ids[0]": await refusal(served.watch(filter={"sensor_ids": [text]})),
        }
    for field, error in found.items():
        assert (error.code, error.metadata["field"]) == (grpc.StatusCode.INVALID_ARGUMENT, field)


async def test_a_sensor_that_is_not_there_has_no_frame(tmp_path: Path) -> None:
    async with serve(BY_FEED["frames"], tmp_path) as served:
        error = await refusal(served.stub.GetFrame(radar.GetFrameRequest(), timeout=WAIT_S))
        assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
        for sensor_id in ("nobody", HUGE):
            error = await refusal(served.stub.GetFrame(radar.GetFrameRequest(sensor_id=sensor_id), timeout=WAIT_S))
            assert (error.reason, error.metadata["field"]) == ("INVALID_FIELD", "sensor_id")


async def test_an_internal_error_gives_an_id_and_no_internal_details(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(BY_FEED["world"], tmp_path) as served:
        monkeypatch.setattr(served.feed, "newest", None)  # as a programming error would break it
        error = await refusal(served.stub.GetWorld(sim.GetWorldRequest(), timeout=WAIT_S))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "NoneType" not in str(error)
    (record,) = [record for record in caplog.records if record.message == "unexpected error"]
    assert vars(record)["error_id"] == error.metadata["error_id"]
