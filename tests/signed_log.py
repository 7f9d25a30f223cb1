"""Waiting for a registrar's checkpoint."""

import asyncio

import grpc

from qiki.registrar.v1 import registrar_service_pb2 as pb
from watch_cases import WAIT_S, Served

POLL_S = 0.05


async def checkpoint(served: Served, size: int) -> pb.GetCheckpointResponse:
    """Return the newest checkpoint once it covers so many events; no stream announces one that is not published."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                found: pb.GetCheckpointResponse = await served.stub.GetCheckpoint(pb.GetCheckpointRequest())
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.FAILED_PRECONDITION  # noqa: PT017
            else:
                if found.checkpoint.size >= size:
                    return found
            await asyncio.sleep(POLL_S)
