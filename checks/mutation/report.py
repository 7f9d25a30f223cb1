"""Report on a round of mutations: a line for each, a table by package, and the overall result. Pure."""

from collections.abc import Sequence

from checks.mutation.catalogue import Mutation
from checks.mutation.trial import Outcome, Verdict

REQUIRED_SHARE = 0.95
_INDENT = " " * 4


def is_good(outcomes: Sequence[Outcome]) -> bool:
    """Return whether enough mutations were killed, and every one could be tried."""
    untried = any(outcome.verdict in (Verdict.STALE, Verdict.BROKEN) for outcome in outcomes)
    return bool(outcomes) and not untried and _share(outcomes) >= REQUIRED_SHARE


def line(outcome: Outcome, width: int) -> str:
    """Return one outcome as a line of a table, the name padded to `width`."""
    shown = outcome.detail if outcome.verdict is Verdict.KILLED else outcome.mutation.breaks
    return f"{outcome.verdict.value:<9}  {outcome.mutation.name:<{width}}  {outcome.seconds:5.1f} s  {shown}"


def closing(outcomes: Sequence[Outcome]) -> str:
    """Return the closing text: every mutation that was not killed in full, and the table by package."""
    alive = [_in_full(outcome) for outcome in outcomes if outcome.verdict is not Verdict.KILLED]
    verdict = (
        "good" if is_good(outcomes) else f"not good: {REQUIRED_SHARE:.0%} must be killed, and none stale or broken"
    )
    return "\n".join(["", *alive, *_table(outcomes), "", f"{_share(outcomes):.1%} killed: {verdict}"])


def listing(mutations: Sequence[Mutation]) -> str:
    """Return the mutations by file, with the promise that each breaks."""
    lines, path = [], ""
    for mutation in mutations:
        if mutation.path != path:
            path = mutation.path
            lines.append(path)
        lines.append(f"{_INDENT}{mutation.name}: {mutation.breaks}")
    return "\n".join(lines)


def _share(outcomes: Sequence[Outcome]) -> float:
    killed = sum(outcome.verdict is Verdict.KILLED for outcome in outcomes)
    return killed / len(outcomes) if outcomes else 0.0


def _in_full(outcome: Outcome) -> str:
    mutation = outcome.mutation
    lines = [f"{outcome.verdict.value}: {mutation.name} in {mutation.path}", f"{_INDENT}breaks: {mutation.breaks}"]
    lines += [f"{_INDENT}- {text}" for text in mutation.old.splitlines()]
    lines += [f"{_INDENT}+ {text}" for text in mutation.new.splitlines()]
    lines += [f"{_INDENT}tests: {' '.join(mutation.tests)}"]
    lines += [f"{_INDENT}{text}" for text in outcome.detail.splitlines()]
    return "\n".join(lines) + "\n"


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    areas = sorted({outcome.mutation.area for outcome in outcomes})
    width = max(len(area) for area in (*areas, "package"))
    rows = [f"{'package':<{width}}  {'all':>4}" + "".join(f"  {verdict.value:>9}" for verdict in Verdict)]
    for area in (*areas, ""):
        verdicts = [outcome.verdict for outcome in outcomes if area in ("", outcome.mutation.area)]
        counts = "".join(f"  {verdicts.count(verdict):>9}" for verdict in Verdict)
        rows.append(f"{area or 'all':<{width}}  {len(verdicts):>4}{counts}")
    return rows
