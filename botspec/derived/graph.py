"""Graph of a bot: components, channels, streams and durables, and the flow between them; drawn as Mermaid or SVG."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from botspec.components.base import Component
from botspec.components.radar import Radar
from botspec.components.sensors import Sensor
from botspec.components.subsystems import ThermalNode
from botspec.model import BotSpec

COLUMNS: Final = ("Motion, power and heat", "Sensors and radars", "Channels", "Streams", "Durables")
_SENSORS_RPC: Final = "qiki.sim.v1.SimService/WatchSensors"
_FRAMES_RPC: Final = "qiki.radar.v1.RadarService/WatchFrames"
_INPUTS: Final[Mapping[str, str]] = {
    _FRAMES_RPC: "qiki.sim.v1.SimService/WatchWorld",
    "qiki.tracker.v1.TrackerService/WatchTracks": _FRAMES_RPC,
    "qiki.tracker.v1.TrackerService/WatchGuard": _FRAMES_RPC,
}
"""Feeds that are folds of another: the input of each, by RPC."""


@dataclass(frozen=True, slots=True)
class Node:
    """One box: its id, its column in `COLUMNS`, its title, and a line of detail."""

    id: str
    column: int
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Edge:
    """A flow from one node to another, and its label."""

    source: str
    target: str
    label: str


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes in the order of the file, and the edges between them."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph_of(spec: BotSpec) -> Graph:
    """Return the graph of a bot; components of one type with the same connections are one node."""
    groups = _groups(spec.components)
    nodes = [
        *(_component_node(group) for group in groups),
        *(Node(f"channel-{each.name}", 2, each.name, each.subject) for each in spec.channels),
        *(Node(f"stream-{each.name}", 3, each.name, ", ".join(each.subjects)) for each in spec.streams),
        *(Node(f"durable-{each.name}", 4, each.name, each.filter_subject) for each in spec.durables),
    ]
    edges = dict.fromkeys([*_component_edges(groups), *_feed_edges(spec, groups), *_bus_edges(spec)])
    return Graph(f"{spec.bot.name} ({spec.bot.bot_id})", tuple(nodes), tuple(edges))


def _groups(components: Sequence[Component]) -> list[tuple[Component, ...]]:
    """Return the components of one type with the same connections together, in the order of the file."""
    found: dict[object, list[Component]] = {}
    for component in components:
        own = component.name if isinstance(component, ThermalNode | Radar | Sensor) else ""
        key = (type(component), component.provided, component.consumed, _heat_sink(component), own)
        found.setdefault(key, []).append(component)
    return [tuple(group) for group in found.values()]


def _component_node(group: Sequence[Component]) -> Node:
    first = group[0]
    kind = str(getattr(first, "type", ""))
    title = first.name if len(group) == 1 else f"{len(group)} x {kind}"
    detail = kind if len(group) == 1 else f"{first.name} ... {group[-1].name}"
    return Node(_id(group), 1 if isinstance(first, Sensor | Radar) else 0, title, detail)


def _component_edges(groups: Sequence[Sequence[Component]]) -> Iterator[Edge]:
    ids = {component.name: _id(group) for group in groups for component in group}
    for group in groups:
        for capability in group[0].consumed:
            for provider in groups:
                if provider is not group and capability in provider[0].provided:
                    yield Edge(_id(provider), _id(group), capability)
        if sink := _heat_sink(group[0]):
            yield Edge(_id(group), ids[sink], "heat")
        for link in getattr(group[0], "links", ()):
            yield Edge(_id(group), ids[link.to], "conduction")


def _feed_edges(spec: BotSpec, groups: Sequence[Sequence[Component]]) -> Iterator[Edge]:
    for channel in spec.channels:
        for group in groups:
            kind = Radar if channel.rpc == _FRAMES_RPC else Sensor if channel.rpc == _SENSORS_RPC else None
            if kind is not None and isinstance(group[0], kind):
                yield Edge(_id(group), f"channel-{channel.name}", "")
        for other in spec.channels:
            if _INPUTS.get(channel.rpc) == other.rpc:
                yield Edge(f"channel-{other.name}", f"channel-{channel.name}", "")


def _bus_edges(spec: BotSpec) -> Iterator[Edge]:
    for channel in spec.channels:
        yield Edge(f"channel-{channel.name}", f"stream-{channel.stream}", "")
    for durable in spec.durables:
        yield Edge(f"stream-{durable.stream}", f"durable-{durable.name}", "")


def _heat_sink(component: Component) -> str | None:
    sink: str | None = getattr(component, "heat_to", None) or getattr(component, "node", None)
    return sink


def _id(group: Sequence[Component]) -> str:
    return f"component-{group[0].name}"
