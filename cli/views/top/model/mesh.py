"""State of the mesh: the fold of all answers, one at a time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cli.views.top.model import metric_names as names
from cli.views.top.model.alerts import Alert, next_alerts
from cli.views.top.model.answer import Answer
from cli.views.top.model.conditions import (
    Condition,
    Losses,
    feed_conditions,
    lag_conditions,
    loss_conditions,
    quiet_limit_s,
    service_conditions,
)
from cli.views.top.model.feeds import DurableState, FeedState, feed_trends, next_durables, next_feeds
from cli.views.top.model.metrics import Metrics
from cli.views.top.model.services import ServiceState, next_service, service_trends
from cli.views.top.model.trend import Trend

NO_LOSSES: Final = Losses({}, {}, None, None, {})


@dataclass(frozen=True, slots=True)
class MeshState:
    """Services, streams and alerts, as of the last answer."""

    services: tuple[ServiceState, ...] = ()
    feeds: tuple[FeedState, ...] = ()
    durables: tuple[DurableState, ...] = ()
    alerts: tuple[Alert, ...] = ()
    losses: Mapping[str, Losses] = field(default_factory=dict)  # by service
    trends: Mapping[str, Trend] = field(default_factory=dict)

    def service(self, name: str) -> ServiceState | None:
        """Return a service by its name."""
        return next((service for service in self.services if service.name == name), None)


def new_mesh(service_names: Iterable[str], now_s: float) -> MeshState:
    """Return the state before the first answer."""
    return MeshState(services=tuple(ServiceState(name, since_s=now_s) for name in service_names))


def advance(before: MeshState, answer: Answer) -> MeshState:
    """Return the state after one answer of one service."""
    trends = feed_trends(service_trends(before.trends, answer), answer)
    services = tuple(
        next_service(service, answer, trends) if service.name == answer.name else service for service in before.services
    )
    losses = dict(before.losses)
    if answer.metrics is not None:
        losses[answer.name] = _losses(answer.metrics)
    after = replace(
        before,
        services=services,
        feeds=next_feeds(before.feeds, answer, trends),
        durables=next_durables(before.durables, answer),
        losses=losses,
        trends=trends,
    )
    return replace(after, alerts=next_alerts(before.alerts, _conditions(after, answer.at_s), answer.at_s))


def _conditions(mesh: MeshState, now_s: float) -> Iterator[Condition]:
    services = {service.name: service for service in mesh.services}
    for service in mesh.services:
        yield from service_conditions(service, now_s)
    for feed in mesh.feeds:
        yield from feed_conditions(feed, quiet_limit_s(feed, services), now_s)
    yield from lag_conditions(mesh.trends, mesh.durables, now_s)
    yield from loss_conditions(_together(mesh.losses.values()))


def _losses(metrics: Metrics) -> Losses:
    limits = metrics.by(names.STREAM_LIMIT_BYTES, "stream")
    outcomes = metrics.by(names.AUDIT_EVENTS, "outcome")
    sizes = metrics.by(names.STREAM_BYTES, "stream")
    return Losses(
        missing=metrics.by(names.BRIDGE_MISSING, "channel"),
        quarantined=metrics.by(names.QUARANTINED, "feed"),
        audit_dropped=outcomes.get("dropped", 0.0) + outcomes.get("rejected", 0.0) if outcomes else None,
        dead_letters=metrics.value(names.DEAD_LETTERS),
        fill={stream: size / limits[stream] for stream, size in sizes.items() if limits.get(stream, 0.0) > 0.0},
    )


def _together(parts: Iterable[Losses]) -> Losses:
    parts = list(parts)
    dropped = [part.audit_dropped for part in parts if part.audit_dropped is not None]
    dead = [part.dead_letters for part in parts if part.dead_letters is not None]
    return Losses(
        missing={channel: count for part in parts for channel, count in part.missing.items()},
        quarantined={feed: count for part in parts for feed, count in part.quarantined.items()},
        audit_dropped=sum(dropped) if dropped else None,
        dead_letters=sum(dead) if dead else None,
        fill={stream: share for part in parts for stream, share in part.fill.items()},
    )
