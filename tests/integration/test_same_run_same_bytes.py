"""The same run gives the same bytes at any speed: ids, sequences and payloads of every derived subject."""

import asyncio
import hashlib
from pathlib import Path

from chain import RUN_ID, SUBJECTS, Stored, run_to_the_end

DURATION_S = 6.0
# In closed form: the world every 0.1 s, two navigation sensors every 1 s and 0.1 s, two radars every 1 s and 0.5 s.
# A set of tracks follows every frame.
COUNTS = {
    "qiki.sim.v1.world": 60,
    "qiki.sim.v1.sensors": 6 + 60,
    "qiki.radar.v1.frames": 6 + 12,
    "qiki.radar.v1.tracks": 6 + 12,
}


def digests(stored: dict[str, list[Stored]]) -> dict[str, list[tuple[str, str, str]]]:
    return {
        subject: [
            (message.headers["ce-id"], message.headers["ce-sequence"], hashlib.sha256(message.data).hexdigest())
            for message in messages
        ]
        for subject, messages in stored.items()
    }


async def both(directory: Path) -> list[dict[str, list[Stored]]]:
    fast = await run_to_the_end(directory / "fast", DURATION_S, speed="max", flow_control="lossless")
    live = await run_to_the_end(directory / "live", DURATION_S, speed="1", flow_control="live")
    return [fast, live]


def test_the_same_run_at_1x_and_as_fast_as_possible_gives_the_same_bytes(tmp_path: Path) -> None:
    fast, live = asyncio.run(both(tmp_path))
    assert digests(fast) == digests(live)
    for subject in SUBJECTS:
        sequences = [int(message.headers["ce-sequence"]) for message in fast[subject]]
        # The number of alarms depends on the scenario.
        assert sequences == list(range(1, COUNTS.get(subject, len(sequences)) + 1))
        assert {message.headers["ce-run"] for message in fast[subject]} == {RUN_ID}
