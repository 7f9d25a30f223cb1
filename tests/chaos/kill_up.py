"""Campaign against `qiki up`: `python -m chaos.kill_up --count N --seed S`.

It is ended N times, in every phase and every way in turn, and nothing of it may be left after 5 s; then as many of its
children are killed while it starts, and it must come up. Exit status 1 at the first failure.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

from chaos.killed_up import End, Phase, end_in, kill_children_of_a_start

LIMIT_S = 5.0
KILLS_PER_START = 5
# SIGKILL is the hardest case, as `qiki up` cannot clean up, and so is used most often.
ROUNDS = [(how, phase) for how in (*[End.KILL] * 5, End.HANGUP, End.TERMINAL_CLOSED) for phase in Phase]


async def campaign(count: int, starts: int, seed: int, directory: Path) -> None:
    """Run the rounds. Raises AssertionError at the first failure."""
    draw = random.Random(seed)
    longest_s = 0.0
    order = draw.sample(ROUNDS, len(ROUNDS))
    for number, (how, phase) in enumerate(islice(cycle(order), count)):
        try:
            took_s = await end_in(phase, how, directory / f"end-{number}", draw, LIMIT_S)
        except AssertionError as failure:
            log = (directory / f"end-{number}" / "up.log").read_text(errors="replace")
            raise AssertionError(f"{number + 1} of {count}: {phase}, {how}: {failure}\n{log[-4000:]}") from failure
        longest_s = max(longest_s, took_s)
        print(f"{number + 1} of {count}: {phase}, {how}: nothing left after {took_s:.2f} s", flush=True)
    for number in range(starts):
        await kill_children_of_a_start(directory / f"start-{number}", draw, KILLS_PER_START)
        print(f"start {number + 1} of {starts}: SERVING after {KILLS_PER_START} kills", flush=True)
    print(f"seed {seed}: all well; the longest end took {longest_s:.2f} s")


def main() -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=28, help="how often qiki up is ended")
    parser.add_argument("--starts", type=int, default=None, help="how many starts are disturbed; default: count / 5")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    starts = given.count // KILLS_PER_START if given.starts is None else given.starts
    with tempfile.TemporaryDirectory(prefix="qiki-kill-up-") as directory:
        try:
            asyncio.run(campaign(given.count, starts, given.seed, Path(directory)))
        except AssertionError as failure:
            print(f"FAILED: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
