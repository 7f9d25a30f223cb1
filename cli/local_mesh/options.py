"""Options of a mesh, and the checks of their form."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from uuid import UUID

from botspec.example import example_bot_spec
from cli.errors import UsageError
from cli.local_mesh.nats_config import ALWAYS

# In the order of stopping: the bridge after the producers, so that all emitted events are published, and the registrar
# last, so that the last reports of the others are recorded. NATS outlives them.
SERVICES: Final = ("sim", "radar", "tracker", "bridge", "archive", "registrar")
# Collects the traces of all services where that is asked for. Started before and stopped after them.
COLLECTOR: Final = "collector"
MIN_SPEED, MAX_SPEED = 0.1, 1000.0
MAX_SEED = 2**63 - 1


class FlowControl(StrEnum):
    """Whether the simulation waits for its required readers."""

    LIVE = "live"
    LOSSLESS = "lossless"


@dataclass(frozen=True, slots=True)
class MeshOptions:
    """Options of a mesh. None leaves a value to the services' defaults.

    `settings` holds further settings as (service, KEY, value), which become `QIKI_<SERVICE>_<KEY>=value`.
    `new_run` moves the run in the state directory to `runs/`. `trace` runs the trace collector, to which all export.
    `nats_sync_interval` is nats-server's sync interval to the disk: `always` means before each acknowledgement.
    """

    state_dir: Path | None = None
    scenario: Path | None = None
    bot_spec: Path = field(default_factory=example_bot_spec)
    speed: str | None = None
    flow_control: str | None = None
    seed: int | None = None
    run_id: str | None = None
    start_time: str | None = None
    settings: tuple[tuple[str, str, str], ...] = ()
    # A service that compiles its arithmetic takes a minute of a free processor's time.
    service_ready_timeout_s: float = 180.0
    nats_sync_interval: str = ALWAYS
    new_run: bool = False
    trace: bool = False

    @property
    def services(self) -> tuple[str, ...]:
        """Return the names of all processes with health checks and metrics, in the order of stopping."""
        return (*SERVICES, COLLECTOR) if self.trace else SERVICES


def check_speed(text: str | None) -> str | None:
    """Return the speed unchanged: a finite factor in [0.1, 1000], or `max`. Raises UsageError."""
    if text is None or text == "max":
        return text
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not MIN_SPEED <= factor <= MAX_SPEED:  # false for NaN too
        raise UsageError(
            f"--speed {text}: a factor from {MIN_SPEED:g} to {MAX_SPEED:g}, or max for as fast as possible."
        )
    return text


def check_run_id(text: str | None) -> str | None:
    """Return the run id in its canonical form. Raises UsageError where it is no UUID."""
    if text is None:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        raise UsageError(f"--run-id {text}: a UUID, such as 0f8fad5b-d9cb-469f-a165-70867728950e.") from None


def check_start_time(text: str | None) -> str | None:
    """Return the time unchanged. Raises UsageError where it is no ISO 8601 time in UTC."""
    if text is None:
        return None
    try:
        is_utc = datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        is_utc = False
    if not is_utc:
        raise UsageError(f"--start-time {text}: an ISO 8601 time in UTC, such as 2026-01-01T00:00:00Z.")
    return text


def parse_settings(options: Iterable[str], *, trace: bool = False) -> tuple[tuple[str, str, str], ...]:
    """Parse settings of the form SERVICE.KEY=VALUE into (service, key, value). Raises UsageError for another form.

    `trace` allows settings of the collector.
    """
    settings, names = [], MeshOptions(trace=trace).services
    for option in options:
        name, equals, value = option.partition("=")
        service, dot, key = name.partition(".")
        if not (equals and dot and service in names and key.isidentifier() and key.isascii()):
            raise UsageError(f"--set {option}: expected SERVICE.KEY=VALUE, where SERVICE is {', '.join(names)}.")
        settings.append((service, key, value))
    return tuple(settings)
