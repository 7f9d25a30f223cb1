"""The metrics of all services, scraped from a live mesh whose run has ended."""

import json
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from chain import chain, published_all, until
from cli.local_mesh.mesh import Mesh

SERVICES = ("sim", "radar", "tracker", "registrar", "bridge", "archive")
PREFIX = "qiki_"
DURATION_S = 5.0


@dataclass(frozen=True)
class LiveMesh:
    """A mesh whose run has ended and is all on JetStream."""

    mesh: Mesh

    def text(self, service: str) -> str:
        """Return the service's metrics as Prometheus reads them."""
        return self._get(service, "/metrics").decode()

    def families(self, service: str) -> dict[str, Metric]:
        """Return the service's own metrics by name; that of a counter ends in `_total`."""
        found = {}
        for family in text_string_to_metric_families(self.text(service)):
            if family.name.startswith(PREFIX) and not family.name.endswith("_created"):
                found[f"{family.name}_total" if family.type == "counter" else family.name] = family
        return found

    def value(self, service: str, sample_name: str, **labels: str) -> float | None:
        """Return the value of one sample, None where there is none."""
        for family in self.families(service).values():
            for sample in family.samples:
                if sample.name == sample_name and sample.labels == labels:
                    return sample.value
        return None

    def lag(self) -> dict[str, int]:
        """Return the lag that the bridge's `/healthz` tells, by stream and durable."""
        found: dict[str, int] = json.loads(self._get("bridge", "/healthz"))["facts"]["lag"]
        return found

    def _get(self, service: str, path: str) -> bytes:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.mesh.ports[f'{service}-http']}{path}", timeout=5
        ) as answer:
            body: bytes = answer.read()
            return body


@asynccontextmanager
async def live_mesh(directory: Path) -> AsyncIterator[LiveMesh]:
    """Run a mesh of all services to the end of a short run, for as long as the block lasts."""
    async with chain(directory, DURATION_S) as mesh:
        await until(lambda: published_all(mesh), "everything published")
        yield LiveMesh(mesh)
