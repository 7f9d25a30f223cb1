"""Table of all metrics in docs/metrics.md, made from the registries of the services, which are built but not run."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

import adapters.archive.wiring
import adapters.jetstream.wiring
import svc_radar.wiring
import svc_registrar.wiring
import svc_sim.wiring
import svc_tracker.wiring
from adapters.archive.config import ArchiveSettings
from adapters.jetstream.config import BridgeSettings
from checks.marked_table import with_table
from mesh.serving.health import Health
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.serving.runtime import ServiceContext, ServiceParts, watch_process
from mesh.settings import ServiceSettings
from mesh.telemetry.telemetry import SHUTDOWN_S, Telemetry
from mesh.telemetry.trace_settings import TraceSettings
from qiki_sdk.audit import AuditReporter
from svc_radar.config import RadarSettings
from svc_registrar.config import RegistrarSettings
from svc_sim.config import SimSettings
from svc_tracker.config import TrackerSettings

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "metrics.md"
PREFIX: Final = "qiki_"
_UNITS: Final = {
    "timestamp_seconds": "seconds since 1970",
    "seconds": "seconds",
    "bytes": "bytes",
    "ratio": "ratio",
    "events": "events",
    "messages": "messages",
    "streams": "streams",
}
_Build = Callable[[Any, ServiceContext], ServiceParts]
_SERVICES: Final[tuple[tuple[str, type[ServiceSettings], _Build], ...]] = (
    ("simulator", SimSettings, svc_sim.wiring.build),
    ("radar", RadarSettings, svc_radar.wiring.build),
    ("tracker", TrackerSettings, svc_tracker.wiring.build),
    ("registrar", RegistrarSettings, svc_registrar.wiring.build),
    ("bridge", BridgeSettings, adapters.jetstream.wiring.build),
    ("archive", ArchiveSettings, adapters.archive.wiring.build),
)


@dataclass(frozen=True, slots=True)
class MetricFact:
    """One metric as the table shows it; `name` is that of its samples, without the suffixes of a histogram's."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def unit(self) -> str:
        """The unit, which the name ends with; empty for a number of what the name says."""
        base = self.name.removesuffix("_total")
        return next((unit for suffix, unit in _UNITS.items() if base.endswith(f"_{suffix}")), "")


async def metrics_by_service() -> dict[str, list[MetricFact]]:
    """Build every service and return its metrics, in the order of their names."""
    with TemporaryDirectory() as scratch:
        return {
            name: sorted(_metrics_of(settings_type, build, Path(scratch) / name), key=lambda each: each.name)
            for name, settings_type, build in _SERVICES
        }


def table(services: dict[str, list[MetricFact]]) -> str:
    """Return the table in Markdown: first what all services export, then what some do."""
    exported_by: dict[MetricFact, list[str]] = {}
    for service, facts in services.items():
        for fact in facts:
            exported_by.setdefault(fact, []).append(service)
    lines = ["| metric | type | labels | unit | meaning | service |", "|---|---|---|---|---|---|"]
    ranks = {name: number for number, name in enumerate(services)}
    for fact, exporters in sorted(
        exported_by.items(), key=lambda item: (-len(item[1]), [ranks[name] for name in item[1]], item[0].name)
    ):
        where = "all" if len(exporters) == len(services) else ", ".join(exporters)
        labels = ", ".join(f"`{label}`" for label in fact.labels)
        lines.append(f"| `{fact.name}` | {fact.kind} | {labels} | {fact.unit} | {fact.meaning} | {where} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table, or with `--check` report whether it is up to date; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m checks.metrics_table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the table is not up to date")
    check = parser.parse_args(arguments).check
    old = DOCUMENT.read_text(encoding="utf-8")
    new = with_table(old, table(asyncio.run(metrics_by_service())))
    if new == old:
        return 0
    if check:
        print(f"{DOCUMENT.name}: the table of metrics is not up to date; run `make metrics-table`", file=sys.stderr)
        return 1
    DOCUMENT.write_text(new, encoding="utf-8")
    return 0


def _metrics_of(settings_type: type[ServiceSettings], build: _Build, state_dir: Path) -> list[MetricFact]:
    known = {"state_dir": state_dir} if "state_dir" in settings_type.model_fields else {}
    settings = settings_type.model_validate(known)
    name = settings_type.service_name
    telemetry = Telemetry(name, TraceSettings(exporter="otlp", endpoint="http://127.0.0.1:4317"))
    service = ServiceContext(Health(name, settings.stall_s), telemetry, AuditReporter("", name))
    with service.resources:
        watch_process(settings, build(settings, service), service)
        RpcMetrics(telemetry.registry)
        found = list(_facts(telemetry.registry))
    telemetry.shutdown(SHUTDOWN_S)
    return found


def _facts(registry: CollectorRegistry) -> Iterator[MetricFact]:
    # The registry has no public list of its collectors, and a family without samples names its labels nowhere else.
    for collector in tuple(registry._collector_to_names):
        families: Iterable[Metric] = collector.collect()
        for family in families:
            if family.name.startswith(PREFIX):
                labels = tuple(getattr(family, "_labelnames", ()) or getattr(collector, "_labelnames", ()))
                name = f"{family.name}_total" if family.type == "counter" else family.name
                yield MetricFact(name, family.type, labels, family.documentation)


if __name__ == "__main__":
    sys.exit(main())
