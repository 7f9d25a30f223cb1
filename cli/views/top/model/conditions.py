"""Conditions that need attention, found in the state of services and streams."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cli.views.top.model.answer import SERVING, UNKNOWN, UNREACHABLE
from cli.views.top.model.feeds import DurableState, FeedState
from cli.views.top.model.services import STALE_S, ServiceState
from cli.views.top.model.trend import Trend, is_growing

ERROR: Final = "error"
WARNING: Final = "warning"

QUIET_S: Final = 10.0  # without an event, at one simulation second a second or faster
BLOCKED_S: Final = 5.0  # a lossless producer waits for shorter times in normal operation
FULL_SHARE: Final = 0.9
STEADY_FEEDS: Final = ("world", "sensors", "frames", "tracks")  # these have events as long as the simulation runs


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: `key` identifies it from round to round; `since_s` is its start where that is known."""

    key: str
    severity: str
    text: str
    since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Losses:
    """Counts of what was lost or rejected, and the fill of the JetStream streams; absent is unknown."""

    missing: Mapping[str, float]
    quarantined: Mapping[str, float]
    audit_dropped: float | None
    dead_letters: float | None
    fill: Mapping[str, float]


def service_conditions(service: ServiceState, now_s: float) -> Iterator[Condition]:
    """Yield the conditions of one service."""
    if service.status == UNKNOWN:
        return
    if service.status != SERVING:
        severity = ERROR if service.status == UNREACHABLE else WARNING
        reason = f": {service.reason}" if service.reason else ""
        yield Condition(
            f"status:{service.name}", severity, f"{service.name} is {service.status}{reason}", service.since_s
        )
        return
    age_s = service.figures_age_s(now_s)
    if age_s is None:
        yield Condition(f"metrics:{service.name}", WARNING, f"{service.name} gives no metrics")
    elif age_s > STALE_S:
        yield Condition(
            f"metrics:{service.name}", WARNING, f"{service.name} gives no metrics any more", service.figures_at_s
        )


def feed_conditions(feed: FeedState, quiet_s: float | None, now_s: float) -> Iterator[Condition]:
    """Yield the conditions of one feed; `quiet_s` is the longest normal silence, None where silence is normal."""
    for reader in feed.readers:
        if reader.blocked_s is not None and reader.blocked_s >= BLOCKED_S and not feed.is_stale(now_s):
            text = f"{feed.name} is blocked by {reader.name}"
            yield Condition(f"blocked:{feed.name}:{reader.name}", ERROR, text, feed.at_s - reader.blocked_s)
    silent_s = feed.at_s - feed.newest_s
    if quiet_s is not None and silent_s >= quiet_s:
        text = f"{feed.name} has had no event for more than {quiet_s:g} s, although the simulation runs"
        yield Condition(f"quiet:{feed.name}", ERROR, text, feed.newest_s)


def quiet_limit_s(feed: FeedState, services: Mapping[str, ServiceState]) -> float | None:
    """Return the longest normal silence of a feed in seconds; None where its silence is normal or not known."""
    owner, sim = services.get(feed.service), services.get("sim")
    if feed.name not in STEADY_FEEDS or owner is None or sim is None:
        return None
    if owner.status != SERVING or owner.facts.get("ended") or owner.facts.get("replaying"):
        return None
    if sim.status != SERVING or sim.facts.get("phase") != "RUNNING" or sim.facts.get("blocked_by"):
        return None
    speed = sim.facts.get("speed")
    return QUIET_S / speed if isinstance(speed, int | float) and 0.0 < speed < 1.0 else QUIET_S


def lag_conditions(
    trends: Mapping[str, Trend], durables: tuple[DurableState, ...], now_s: float
) -> Iterator[Condition]:
    """Yield the lags that grow: of durables, and of the bridge's channels."""
    for durable in durables:
        key = f"lag:{durable.stream}/{durable.name}"
        if not durable.is_stale(now_s) and is_growing(trends.get(key, ())):
            text = f"the lag of {durable.name} on {durable.stream} grows: {durable.lag:.0f} messages"
            yield Condition(key, WARNING, text, trends[key][0][0])
    for key, trend in trends.items():
        kind, _, channel = key.partition(":")
        if kind == "waiting" and now_s - trend[-1][0] <= STALE_S and is_growing(trend):
            text = f"events of {channel} wait at the bridge, more and more: {trend[-1][1]:.0f}"
            yield Condition(key, WARNING, text, trend[0][0])


def loss_conditions(losses: Losses) -> Iterator[Condition]:
    """Yield the conditions of counts that should be 0."""
    for channel, count in losses.missing.items():
        if count > 0:
            yield Condition(f"gap:{channel}", ERROR, f"gap: the bridge missed {count:.0f} events of {channel}")
    for feed, count in losses.quarantined.items():
        if count > 0:
            yield Condition(f"quarantine:{feed}", ERROR, f"{count:.0f} events of {feed} were quarantined")
    if losses.audit_dropped:
        yield Condition("audit", WARNING, f"{losses.audit_dropped:.0f} audit events were dropped or rejected")
    if losses.dead_letters:
        text = f"{losses.dead_letters:.0f} dead letters: `qiki nats dlq list` shows them"
        yield Condition("dead-letters", WARNING, text)
    for stream, share in losses.fill.items():
        if share >= FULL_SHARE:
            yield Condition(f"full:{stream}", WARNING, f"{stream} is {100 * share:.0f} % full")
