"""Each process is killed during a run, and what stands in JetStream is what an undisturbed run leaves."""

import asyncio
import hashlib
import os
import signal
from pathlib import Path

from chain import SUBJECTS, Stored, chain, facts, published_all, read_all, run_to_the_end, until

DURATION_S = 20.0
KILLS_AT_TICKS = (("radar", 40), ("bridge", 90), ("sim", 140), ("nats", 190), ("radar", 240), ("sim", 290))


def digests(messages: list[Stored]) -> list[tuple[str, str, str]]:
    return [
        (message.headers["ce-id"], message.headers["ce-sequence"], hashlib.sha256(message.data).hexdigest())
        for message in messages
    ]


async def killed(directory: Path) -> dict[str, list[Stored]]:
    """Run at three times real time, and kill one process after another, each while events flow."""
    async with chain(directory, DURATION_S, speed="3", pace="lossless") as mesh:
        for name, tick in KILLS_AT_TICKS:
            await until(lambda tick=tick: facts(mesh, "sim").get("tick", 0) >= tick, f"tick {tick}")  # type: ignore[misc]
            os.kill(mesh.endpoints()[name]["pid"], signal.SIGKILL)  # type: ignore[arg-type]
        await until(lambda: published_all(mesh), "everything published")
        return await read_all(mesh)


def test_a_run_in_which_every_process_was_killed_leaves_what_an_undisturbed_one_leaves(tmp_path: Path) -> None:
    disturbed = asyncio.run(killed(tmp_path / "killed"))
    calm = asyncio.run(run_to_the_end(tmp_path / "calm", DURATION_S))
    for subject in SUBJECTS:
        assert digests(disturbed[subject]) == digests(calm[subject])
        assert [int(message.headers["ce-sequence"]) for message in disturbed[subject]] == list(
            range(1, len(calm[subject]) + 1)
        )
