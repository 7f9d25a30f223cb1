"""Baseline for the bridge: read a stream and publish it, without any guarantee.

`python -m bench.bare_loop SOURCE NATS_URL SUBJECT`: 64 unconditional publishes in flight, no headers, no resuming.
"""

import asyncio
import sys

import grpc
import nats

from qiki.radar.v1 import radar_service_pb2 as pb
from qiki.radar.v1.radar_service_pb2_grpc import RadarServiceStub

IN_FLIGHT = 64


async def main(source: str, nats_url: str, subject: str) -> None:
    """Publish the stream until it ends."""
    client = await nats.connect(nats_url)
    jetstream = client.jetstream()
    room = asyncio.Semaphore(IN_FLIGHT)
    async with grpc.aio.insecure_channel(source) as channel, asyncio.TaskGroup() as tasks:

        async def publish(payload: bytes) -> None:
            try:
                await jetstream.publish(subject, payload)
            finally:
                room.release()

        async for response in RadarServiceStub(channel).WatchFrames(pb.WatchFramesRequest(from_oldest=True)):
            if response.WhichOneof("event") == "frame":
                await room.acquire()
                tasks.create_task(publish(response.frame.SerializeToString()))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
