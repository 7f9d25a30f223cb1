"""Check of the alert rules and dashboards in `deploy/`: every metric exists, and every alert has its paragraph.

Metrics are those of `docs/metrics.md`, of the Prometheus client, and Prometheus' own; paragraphs are in
`docs/alerts.md`. No other program is needed: `make check-rules` has promtool check the expressions themselves.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parent.parent
RULES: Final = "deploy/prometheus/rules.yaml"
DASHBOARDS: Final = "deploy/grafana/dashboards"
METRICS: Final = "docs/metrics.md"
RUNBOOK: Final = "docs/alerts.md"
# Of the Prometheus client, which exports them on Linux, and of Prometheus itself.
OTHERS: Final = frozenset(
    {"up", "ALERTS", "process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"}
)
_HISTOGRAM_SUFFIXES: Final = ("_bucket", "_sum", "_count")
_ROW: Final = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \|", re.MULTILINE)
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_SELECTORS: Final = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")
_LABEL_LISTS: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
# Neither within a number such as 1e3 or a duration such as 5m, nor a function: `rate (` calls one.
_NAMES: Final = re.compile(r"(?<![\w.$])[a-zA-Z_:][\w:]*(?![\w:]|\s*\()")
_WORDS: Final = frozenset(
    {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "offset", "bool"}
    | {"inf", "nan", "atan2", "start", "end"}
)
# An operator such as `sum by (le) (...)`: its name comes before the list of labels, which has been removed.
_AGGREGATIONS: Final = frozenset(
    {"sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values"}
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A PromQL expression and its place: the file, and the alert or panel."""

    place: str
    text: str


def metric_names(expression: str) -> set[str]:
    """Return the names of the metrics in a PromQL expression."""
    text = _LABEL_LISTS.sub(" ", _SELECTORS.sub(" ", _STRINGS.sub(" ", expression)))
    return {name for name in _NAMES.findall(text) if name.lower() not in _WORDS | _AGGREGATIONS}


def known_metrics(document: str) -> set[str]:
    """Return the names of all samples of the metrics in the table of `docs/metrics.md`."""
    names = set(OTHERS)
    for row in _ROW.finditer(document):
        suffixes = _HISTOGRAM_SUFFIXES if row["kind"] == "histogram" else ("",)
        names |= {row["name"] + suffix for suffix in suffixes}
    return names


def alerts(rules: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the alert rules of a file of rules."""
    yield from (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule)


def expressions(root: Path = ROOT) -> Iterator[Expression]:
    """Yield the expressions of all rules and of all panels."""
    for rule in alerts(yaml.safe_load((root / RULES).read_text(encoding="utf-8"))):
        yield Expression(f"{RULES}: {rule['alert']}", rule["expr"])
    for path in sorted((root / DASHBOARDS).glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                yield Expression(f"{DASHBOARDS}/{path.name}: {panel['title']}", target["expr"])


def problems(root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for each metric that does not exist and each alert without its paragraph, or the reverse."""
    known = known_metrics((root / METRICS).read_text(encoding="utf-8"))
    for expression in expressions(root):
        for name in sorted(metric_names(expression.text) - known):
            yield f"{expression.place}: the metric {name} is not in {METRICS}"
    rules = yaml.safe_load((root / RULES).read_text(encoding="utf-8"))
    yield from _runbook_problems(rules, (root / RUNBOOK).read_text(encoding="utf-8"))


def _runbook_problems(rules: Mapping[str, Any], runbook: str) -> Iterator[str]:
    headings = set(re.findall(r"^### (\w+)$", runbook, re.MULTILINE))
    names = set()
    for rule in alerts(rules):
        name, notes = rule["alert"], rule.get("annotations", {})
        names.add(name)
        if missing := {"summary", "description", "runbook_url"} - notes.keys():
            yield f"{RULES}: {name} has no {', '.join(sorted(missing))}"
        elif notes["runbook_url"] != (expected := f"{RUNBOOK}#{name.lower()}"):
            yield f"{RULES}: {name}: runbook_url is {notes['runbook_url']}, expected {expected}"
        if rule.get("labels", {}).get("severity") not in ("critical", "warning"):
            yield f"{RULES}: {name}: severity must be critical or warning"
    yield from (f"{RUNBOOK}: write a paragraph for the alert {name}" for name in sorted(names - headings))
    yield from (f"{RUNBOOK}: there is no alert {name}" for name in sorted(headings - names))


def main() -> int:
    """Print all problems; return the exit status."""
    found = list(problems())
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
