"""A producer for measurements, in a process of its own.

`python -m bench.source BYTES FLOOD`: prefills the feed with FLOOD frames, prints its port, and `asked` at the first
request for them; sends nothing before it reads the line `open`. The line `flow RATE COUNT` makes it append COUNT more
frames, RATE a second; it then prints as JSON the time of each append, by its tick, in nanoseconds since 1970.
"""

import asyncio
import json
import sys
import time

from frame_source import FrameSource, served
from mesh.feeds.ring import Retention

RETENTION = Retention(10**18, 2 * 1024**3)


async def main(size_bytes: int, flood: int) -> None:
    """Serve until standard input ends."""
    source = FrameSource(RETENTION)
    for _ in range(flood):
        source.append(size_bytes)
    source.feed.replayed()
    async with served(source) as port:
        print(port, flush=True)
        await source.asked.wait()
        print("asked", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.strip() == "open":
                source.gate.set()
            else:
                _word, rate_hz, count = line.split()
                print(json.dumps(await flow(source, size_bytes, float(rate_hz), int(count))), flush=True)


async def flow(source: FrameSource, size_bytes: int, rate_hz: float, count: int) -> dict[int, int]:
    """Append frames at a rate; return the time of each, by its tick."""
    began, at_ns = time.monotonic(), {}
    for number in range(count):
        # Yield even when late: readers must get a turn.
        await asyncio.sleep(max(0.0, began + number / rate_hz - time.monotonic()))
        at_ns[source.append(size_bytes)] = time.time_ns()
    return at_ns


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
