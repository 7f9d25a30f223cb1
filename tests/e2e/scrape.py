"""HTTP of the services in containers: `/metrics` with the metrics that each service has of its own, and `/healthz`."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from containers import CALL_LIMIT_S, Compose
from outcome import SmokeError, say
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

HTTP_PORTS = {"sim": 9101, "radar": 9102, "tracker": 9103, "registrar": 9104, "bridge": 9105, "archive": 9106}
# A sample of each service that no other service has, and that a mesh at work has counted or set.
OWN_METRICS = {
    "sim": ("qiki_sim_ticks_total", "qiki_sim_phase"),
    "radar": ("qiki_radar_scan_duration_seconds_count", "qiki_radar_detections_total"),
    "tracker": ("qiki_tracker_update_duration_seconds_count", "qiki_tracker_tracks"),
    "registrar": ("qiki_registrar_events_total", "qiki_registrar_log_bytes"),
    "bridge": ("qiki_bridge_published_messages_total", "qiki_jetstream_consumer_lag"),
    "archive": ("qiki_archive_waiting_streams",),
}
# Of these the value alone shows nothing: an idle archive and durables without lag have 0.
MAY_BE_ZERO = frozenset({"qiki_archive_waiting_streams", "qiki_jetstream_consumer_lag"})


def metric_problems(compose: Compose, service: str) -> Iterator[str]:
    """Scrape a service; yield each own metric that is missing or has counted nothing."""
    try:
        found = samples(compose, service)
    except SmokeError as error:
        yield str(error)
        return
    for name in ("qiki_service_serving", *OWN_METRICS[service]):
        values = list(found.get(name, {}).values())
        if not values:
            yield f"{service}: /metrics has no {name}"
        elif name not in MAY_BE_ZERO and not any(value > 0 for value in values):
            yield f"{service}: {name} is 0 on /metrics of a mesh at work"
    say(f"{service} exports {sum(name.startswith('qiki_') for name in found)} metrics of the mesh")


def samples(compose: Compose, service: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the values on a service's `/metrics` by sample name and label values. Raises SmokeError."""
    text = _get(compose, service, "/metrics").decode()
    try:
        families: list[Metric] = list(text_string_to_metric_families(text))
    except ValueError as error:
        raise SmokeError(f"{service}: /metrics cannot be read: {error}") from error
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def facts(compose: Compose, service: str) -> dict[str, Any]:
    """Return the facts on a service's `/healthz`, serving or not. Raises SmokeError where it does not answer."""
    found: dict[str, Any] = json.loads(_get(compose, service, "/healthz"))["facts"]
    return found


def _get(compose: Compose, service: str, path: str) -> bytes:
    address = compose.address(service, HTTP_PORTS[service])
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=CALL_LIMIT_S) as answer:
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:  # 503: NOT_SERVING, with the same body
        return error.read()
    except OSError as error:
        raise SmokeError(f"{service}: {path} at {address} does not answer: {error}") from error
    return body
