"""The command of `make mutate`: tries the mutations of the catalogue, a few at a time."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from checks.mutation.catalogue import CatalogueError, Mutation, load, problem, select
from checks.mutation.report import closing, is_good, line, listing
from checks.mutation.trial import LIMIT_S, Outcome, Tree

ROOT = Path(__file__).parents[2]
_BASELINE_LIMIT_S = 900.0
_TOTAL_LIMIT_S = 2 * 3600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the requested mutations; return the exit status: 0 where the report is good."""
    options = _parser().parse_args(arguments)
    try:
        mutations = select(load(), options.only)
    except CatalogueError as error:
        print(error, file=sys.stderr)
        return 1
    if options.list:
        print(listing(mutations))
        return 0
    if options.check:
        return _check(mutations)
    try:
        with tempfile.TemporaryDirectory(prefix="qiki-mutation-") as scratch:
            outcomes = asyncio.run(_run(mutations, Path(scratch), options.jobs, options.limit))
    except KeyboardInterrupt:
        return 130
    print(closing(outcomes))
    return 0 if is_good(outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m checks.mutation", description=__doc__)
    parser.add_argument("--only", default="", metavar="PATTERN", help="those whose name or file matches")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at a time (2)")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help=f"seconds for the tests of one ({LIMIT_S:g})")
    parser.add_argument("--list", action="store_true", help="show the catalogue")
    parser.add_argument("--check", action="store_true", help="only look whether every mutation still applies")
    return parser


def _check(mutations: Sequence[Mutation]) -> int:
    stale = [f"{mutation.name}: {why}" for mutation in mutations if (why := problem(ROOT, mutation))]
    print("\n".join(stale) or f"all {len(mutations)} mutations apply")
    return 1 if stale else 0


async def _run(mutations: Sequence[Mutation], scratch: Path, jobs: int, limit_s: float) -> list[Outcome]:
    trees = [Tree.copy(ROOT, scratch / str(number), limit_s) for number in range(min(jobs, len(mutations)))]
    await _check_baseline(mutations, scratch)
    outcomes: list[Outcome] = []
    waiting, width = iter(mutations), max(len(mutation.name) for mutation in mutations)
    try:
        async with asyncio.timeout(_TOTAL_LIMIT_S), asyncio.TaskGroup() as group:
            for tree in trees:
                group.create_task(_work(tree, waiting, outcomes, width))
    except TimeoutError:
        sys.exit(f"only {len(outcomes)} of {len(mutations)} were tried within {_TOTAL_LIMIT_S:g} s")
    return outcomes


async def _check_baseline(mutations: Sequence[Mutation], scratch: Path) -> None:
    """Run every named test once without a mutation: a test that already fails kills nothing."""
    tests = sorted({test for mutation in mutations for test in mutation.tests if not problem(ROOT, mutation)})
    if not tests:
        return
    print(f"first the tests alone, unchanged: {len(tests)} files and nodes")
    tree = Tree.copy(ROOT, scratch / "unchanged", _BASELINE_LIMIT_S)
    if why := await tree.check_tests(tests):
        sys.exit(f"the tests do not pass without a mutation, so nothing can be said of any:\n{why}")


async def _work(tree: Tree, waiting: Iterator[Mutation], outcomes: list[Outcome], width: int) -> None:
    for mutation in waiting:  # shared between the workers
        outcome = await tree.try_mutation(mutation)
        print(line(outcome, width), flush=True)
        outcomes.append(outcome)


if __name__ == "__main__":
    sys.exit(main())
