"""`make chaos`: a long run with faults. Exit status 0 if no event was lost, duplicated or changed."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from chaos.runner import Plan, report, run
from chaos.schedule import draw

SPEED = 5.0
# Simulation time for each fault, so that events flow until the last one; the rest of the run is run fast.
SIMULATED_S_A_FAULT = 30.0


def main() -> int:
    """Run; print the schedule's seed, each strike, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="keep state and logs in this directory")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.faults} faults, simulation at {SPEED:g} times real time", flush=True)
    plan = Plan(options.seed, draw(options.seed, options.faults), options.faults * SIMULATED_S_A_FAULT, SPEED)
    with tempfile.TemporaryDirectory(prefix="qiki-chaos-") as temporary:
        outcome = asyncio.run(run(options.keep or Path(temporary), plan, lambda line: print(line, flush=True)))
    print(report(outcome))
    return 1 if outcome.failure else 0


if __name__ == "__main__":
    sys.exit(main())
