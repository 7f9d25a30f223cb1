"""The truth behind the frames: on a separate stream, and only if the radar is configured to serve it."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from qiki.radar.v1 import radar_service_pb2 as pb
from qiki_sdk.errors import from_rpc_error
from watch_cases import DERIVED_CASES, TRUTH_CASE, serve

pytestmark = pytest.mark.asyncio

FRAMES = next(case for case in DERIVED_CASES if case.feed_name == "frames")


async def take(call: Any, kind: str, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        response = await call.read()
        if response.WhichOneof("event") == kind:
            found.append(response)
    call.cancel()
    return found


async def test_every_frame_has_its_truth_of_the_same_sequence(tmp_path: Path) -> None:
    async with serve(TRUTH_CASE, tmp_path) as served:
        last = await served.produce(9)
        truths = await take(served.watch(from_oldest=True), "truth", last)
        frames = await take(served.stub.WatchFrames(pb.WatchFramesRequest(from_oldest=True)), "frame", last)
        world = [contact.contact_id for contact in served.simulation.outputs._world.at(20).contacts]
    named = set()
    for truth, frame in zip(truths, frames, strict=True):
        assert truth.truth.frame_id == frame.frame.frame_id
        assert (truth.context.sequence, truth.context.time) == (frame.context.sequence, frame.context.time)
        assert truth.context.id != frame.context.id
        assert len(truth.truth.detections) == len(frame.frame.detections)
        named |= {contact.value for each in truth.truth.detections for contact in each.contact_ids}
    assert named
    assert named <= set(world)


async def test_the_truth_changes_nothing_in_the_frames_and_is_not_in_them(tmp_path: Path) -> None:
    async with serve(TRUTH_CASE, tmp_path / "with_truth") as served:
        last = await served.produce(6)
        with_truth = await take(served.stub.WatchFrames(pb.WatchFramesRequest(from_oldest=True)), "frame", last)
        world = [contact.contact_id for contact in served.simulation.outputs._world.at(20).contacts]
    async with serve(FRAMES, tmp_path / "plain") as served:
        await served.produce(6)
        plain = await take(served.watch(from_oldest=True), "frame", last)
    assert [each.frame for each in with_truth] == [each.frame for each in plain]
    assert not any(name.encode() in each.SerializeToString() for name in world for each in with_truth)


async def test_a_request_for_truth_that_is_not_served_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with serve(FRAMES, tmp_path) as served:
        await served.produce(1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.stub.WatchTruth(pb.WatchTruthRequest(from_oldest=True)).read()
    error = from_rpc_error(caught.value)
    assert (error.code, error.reason) == (grpc.StatusCode.UNIMPLEMENTED, "TRUTH_NOT_SERVED")
    assert "serve_truth" in error.message
