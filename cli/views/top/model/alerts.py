"""Alerts: conditions with their start, kept for a while after they have cleared, newest first."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from cli.views.top.model.conditions import Condition

MAX_ALERTS: Final = 200
CLEARED_FOR_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Times are seconds on the monotonic clock; `cleared_s` is None while it is active."""

    key: str
    severity: str
    text: str
    since_s: float
    cleared_s: float | None = None

    @property
    def is_active(self) -> bool:
        """Whether its condition persists."""
        return self.cleared_s is None


def next_alerts(before: tuple[Alert, ...], conditions: Iterable[Condition], now_s: float) -> tuple[Alert, ...]:
    """Return the alerts after a round: new ones raised, persisting ones updated, ended ones cleared."""
    old = {alert.key: alert for alert in before}
    present: dict[str, Alert] = {}
    for condition in conditions:
        known = old.get(condition.key)
        if known is not None and known.is_active:
            since_s = known.since_s
        else:
            since_s = now_s if condition.since_s is None else condition.since_s
        present[condition.key] = Alert(condition.key, condition.severity, condition.text, since_s)
    ended = [
        alert if alert.cleared_s is not None else replace(alert, cleared_s=now_s)
        for key, alert in old.items()
        if key not in present and (alert.cleared_s is None or now_s - alert.cleared_s <= CLEARED_FOR_S)
    ]
    return newest_first((*present.values(), *ended))


def newest_first(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Return the active alerts and then the cleared ones, the newest of each first, MAX_ALERTS at most."""
    return tuple(sorted(alerts, key=lambda alert: (alert.is_active, alert.since_s), reverse=True)[:MAX_ALERTS])
