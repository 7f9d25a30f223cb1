"""A real Prometheus on a free port of this machine, and its HTTP API."""

import json
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CALL_S = 10.0
STOP_S = 20.0


class QueryError(Exception):
    """Prometheus refuses a query; the text is its reason."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The API of a running Prometheus."""

    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the present samples of an instant query. Raises QueryError, or OSError where nobody listens."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        try:
            with urllib.request.urlopen(url, timeout=CALL_S) as answer:
                found: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]
        except urllib.error.HTTPError as error:
            raise QueryError(error.read().decode(errors="replace")) from error
        return found

    def firing(self) -> list[Mapping[str, str]]:
        """Return the labels of the alerts that fire."""
        return [sample["metric"] for sample in self.query('ALERTS{alertstate="firing"}')]

    def all_up(self, count: int) -> bool:
        """Return whether it is ready and all so many targets answer it."""
        try:
            return [sample["value"][1] for sample in self.query("count(up == 1)")] == [str(count)]
        except (OSError, QueryError):  # it answers 503 until it is ready
            return False


@contextmanager
def prometheus(program: str, config: Path, log: Path) -> Iterator[Prometheus]:
    """Run Prometheus with its data beside its configuration; end it finally."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = int(held.getsockname()[1])
    options = [
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen([program, *options], stdout=output, stderr=output)
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
