"""The snapshot as JSON: units in the names, ages in seconds, null for what is not known."""

import math
from datetime import UTC, datetime
from typing import Any

from cli.views.top.model.alerts import Alert
from cli.views.top.model.feeds import DurableState, FeedState, in_order
from cli.views.top.model.radar import RadarPicture, TrackView
from cli.views.top.model.services import ServiceState
from cli.views.top.snapshot import Snapshot

Object = dict[str, Any]
_AUDIT_FIELDS = ("time", "code", "name", "severity", "reporter", "message", "attributes")


def to_json(snapshot: Snapshot) -> Object:
    """Return the snapshot as JSON values; every number is finite."""
    now_s, mesh = snapshot.now_s, snapshot.mesh
    return {
        "time": datetime.fromtimestamp(snapshot.wall_s, UTC).isoformat(timespec="milliseconds"),
        "mesh": snapshot.where,
        "services": [_service(service, snapshot) for service in mesh.services],
        "streams": [_feed(feed, now_s) for feed in in_order(mesh.feeds)],
        "durables": [_durable(durable, now_s) for durable in mesh.durables],
        "alerts": [_alert(alert, now_s) for alert in snapshot.alerts if alert.is_active],
        "radar": _radar(snapshot.radar, now_s),
        "audit": {
            "state": snapshot.audit.state or "read",
            "events": [{name: getattr(line, name) for name in _AUDIT_FIELDS} for line in snapshot.audit.lines],
        },
    }


def _service(service: ServiceState, snapshot: Snapshot) -> Object:
    now_s, started_s = snapshot.now_s, service.started_s
    return {
        "name": service.name,
        "status": service.status,
        "reason": service.reason,
        "pid": service.pid,
        "uptime_s": _finite(None if started_s is None else snapshot.wall_s - started_s),
        "cpu_percent": _finite(service.cpu_percent),
        "resident_bytes": _finite(service.resident_bytes),
        "events_per_s": _finite(service.events_per_s),
        "figures_age_s": _finite(service.figures_age_s(now_s)),
        "stale": service.is_stale(now_s),
    }


def _feed(feed: FeedState, now_s: float) -> Object:
    blocked = feed.blocked_by
    return {
        "feed": feed.name,
        "service": feed.service,
        "sequence": int(feed.sequence),
        "events_per_s": _finite(feed.events_per_s),
        "blocked_by": blocked.name if blocked is not None else None,
        "blocked_s": _finite(blocked.blocked_s) if blocked is not None else None,
        "readers": [{"reader": reader.name, "lag_events": _finite(reader.lag)} for reader in feed.readers],
        "stale": feed.is_stale(now_s),
    }


def _durable(durable: DurableState, now_s: float) -> Object:
    return {
        "stream": durable.stream,
        "durable": durable.name,
        "lag_messages": _finite(durable.lag),
        "unacknowledged": _finite(durable.ack_pending),
        "redelivered": _finite(durable.redelivered),
        "oldest_age_s": _finite(durable.oldest_age_s),
        "stale": durable.is_stale(now_s),
    }


def _alert(alert: Alert, now_s: float) -> Object:
    return {
        "key": alert.key,
        "severity": alert.severity,
        "text": alert.text,
        "for_s": _finite(now_s - alert.since_s),
    }


def _radar(picture: RadarPicture, now_s: float) -> Object:
    at_s = picture.tracks_at_s
    return {
        "time": picture.time,
        "age_s": _finite(None if at_s is None else now_s - at_s),
        "own_ship_m": list(picture.own_ship_m),
        "tracks": [_track(track) for track in picture.tracks],
    }


def _track(track: TrackView) -> Object:
    return {
        "track_id": track.track_id,
        "status": track.status,
        "iff": track.iff,
        "transponder_id": track.transponder_id,
        "position_m": [*track.position_m, _finite(track.height_m)],
        "velocity_mps": list(track.velocity_mps),
        "range_m": _finite(track.range_m),
        "bearing_deg": _finite(track.bearing_deg),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 3)
