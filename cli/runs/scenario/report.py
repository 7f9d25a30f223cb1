"""Report of a scenario: its goals with their verdicts, and the digests of its feeds."""

from collections.abc import Iterator, Sequence

from cli.runs.scenario.digest import RunDigest
from cli.runs.scenario.goals.verdict import Verdict


def verdict_lines(name: str, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield a line for each goal."""
    if not verdicts:
        yield f"{name} has no goals."
        return
    yield f"goals of {name}"
    width = max(len(verdict.goal) for verdict in verdicts)
    for verdict in verdicts:
        yield f"  {'pass' if verdict.passed else 'FAIL'}  {verdict.goal:{width}}  {verdict.measured}"


def digest_lines(run_id: str, digest: RunDigest) -> Iterator[str]:
    """Yield the digest of each feed, and of the run."""
    yield f"run {run_id}"
    for name, value in digest.of_feeds().items():
        yield f"  {name:10}{value}"
    yield f"digest of the run: {digest.hexdigest()}"
