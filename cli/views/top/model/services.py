"""State of the services: status with its reason and its start, and the figures of their processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cli.views.top.model import metric_names as names
from cli.views.top.model.answer import SERVING, UNKNOWN, Answer
from cli.views.top.model.metrics import Metrics
from cli.views.top.model.trend import Trend, push, rate

# Values older than this are shown as stale: more than two rounds without an answer.
STALE_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service. Times are seconds on the monotonic clock; None is unknown.

    `since_s` is the start of the present status; `since_exact` is false where it is older than the view. The figures
    are of `figures_at_s`, the last scrape.
    """

    name: str
    status: str = UNKNOWN
    reason: str = "not asked yet"
    since_s: float = 0.0
    since_exact: bool = False
    answered_s: float | None = None
    pid: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    figures_at_s: float | None = None
    cpu_percent: float | None = None
    resident_bytes: float | None = None
    started_s: float | None = None  # wall clock, seconds since 1970
    events_per_s: float | None = None

    def figures_age_s(self, now_s: float) -> float | None:
        """Return the age of the figures; None where there are none."""
        return None if self.figures_at_s is None else max(0.0, now_s - self.figures_at_s)

    def is_stale(self, now_s: float) -> bool:
        """Return whether the figures are too old to be taken as present."""
        age_s = self.figures_age_s(now_s)
        return age_s is None or age_s > STALE_S


def service_trends(trends: Mapping[str, Trend], answer: Answer) -> dict[str, Trend]:
    """Return the trends with the counters of one answer."""
    found = dict(trends)
    if answer.metrics is not None:
        cpu = answer.metrics.value(names.PROCESS_CPU_SECONDS)
        found = push(found, f"cpu:{answer.name}", answer.at_s, cpu, counter=True)
        found = push(found, f"events:{answer.name}", answer.at_s, _events(answer.metrics), counter=True)
    return found


def next_service(before: ServiceState, answer: Answer, trends: Mapping[str, Trend]) -> ServiceState:
    """Return the service after an answer; figures that were not answered keep their old values and time."""
    changed = before.status != answer.status
    metrics = answer.metrics
    cpu_rate = rate(trends.get(f"cpu:{answer.name}", ()))
    figures = metrics is not None
    return ServiceState(
        name=answer.name,
        status=answer.status,
        reason=answer.reason,
        since_s=answer.at_s if changed else before.since_s,
        since_exact=before.status != UNKNOWN if changed else before.since_exact,
        answered_s=answer.at_s if answer.status == SERVING or figures else before.answered_s,
        pid=answer.pid,
        facts=before.facts if answer.facts is None else answer.facts,
        figures_at_s=answer.at_s if figures else before.figures_at_s,
        cpu_percent=_cpu_percent(metrics, cpu_rate) if metrics else before.cpu_percent,
        resident_bytes=metrics.value(names.PROCESS_RESIDENT_BYTES) if metrics else before.resident_bytes,
        started_s=metrics.value(names.PROCESS_START_SECONDS) if metrics else before.started_s,
        events_per_s=rate(trends.get(f"events:{answer.name}", ())) if metrics else before.events_per_s,
    )


def _cpu_percent(metrics: Metrics, cpu_rate: float | None) -> float | None:
    reported = metrics.value(names.NATS_CPU_PERCENT)
    if reported is not None:
        return reported
    return None if cpu_rate is None else 100.0 * cpu_rate


def _events(metrics: Metrics) -> float | None:
    totals = (metrics.total(name) for name in (*names.EVENT_COUNTERS, names.NATS_MESSAGES))
    return next((total for total in totals if total is not None), None)
