"""Implementation of `qiki trace serve`: the collector in the foreground."""

import os
from pathlib import Path
from typing import NoReturn

from cli.views.trace.collector.service import CollectorSettings, build
from cli.views.trace.location import default_store
from mesh.serving.runtime import run_service


def serve(host: str, port: int, http_port: int, store: Path | None) -> NoReturn:
    """Run the collector until a signal; the exit status is that of a service. Other settings are in the environment."""
    directory = (store or default_store()).absolute()
    prefix = CollectorSettings.model_config["env_prefix"]
    given = {"HOST": host, "GRPC_PORT": port, "HTTP_PORT": http_port, "STATE_DIR": directory}
    os.environ.update({f"{prefix}{name}": str(value) for name, value in given.items()})
    print(
        f"Traces go to {directory}. Services export to http://{host}:{port}; `qiki trace --list` shows them.",
        flush=True,
    )
    run_service(CollectorSettings, build)
