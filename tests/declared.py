"""Topology and sections that the example BotSpec declares, for tests with a part of a mesh."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from nats.aio.client import Client

from adapters.jetstream.topology import consumers, streams
from adapters.jetstream.topology.drift import StreamConfig
from botspec.derived.runtime import generate
from botspec.example import example_bot_spec
from botspec.model import BotSpec, load_bot_spec

BUS = load_bot_spec(example_bot_spec()).spec
REQUIRED = ("schema_version", "bot", "simulation", "components", "channels", "streams", "durables")


def wanted_streams(size_factor: float = 1.0, num_replicas: int = 1) -> dict[str, StreamConfig]:
    """Return the configuration of every stream of the example."""
    return streams.wanted_streams(BUS, size_factor, num_replicas)


async def init_durables(client: Client) -> list[str]:
    """Create the durables of the example; return the actions taken."""
    return await consumers.init(client, BUS.durables)


def document() -> dict[str, Any]:
    """Return the example as plain data."""
    data: dict[str, Any] = yaml.safe_load(example_bot_spec().read_text(encoding="utf-8"))
    return data


def minimal_text() -> str:
    """Return a valid BotSpec with the required sections alone."""
    return yaml.safe_dump({name: value for name, value in document().items() if name in REQUIRED}, sort_keys=False)


def runtime_file(
    directory: Path, service: str, channels: Sequence[str] | None = None, readers: Mapping[str, tuple[str, ...]] = {}
) -> Path:
    """Write a service's runtime configuration with these channels of the example and these required readers."""
    loaded = load_bot_spec(example_bot_spec())
    kept = tuple(each for each in loaded.spec.channels if channels is None or each.name in channels)
    changed: BotSpec = loaded.spec.model_copy(update={"channels": kept, "required_readers": dict(readers)})
    path = directory / f"{service}.json"
    path.write_text(generate(replace(loaded, spec=changed))[service], encoding="utf-8")
    return path
