"""The semantic difference of two bots, and the picture of one."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from botspec.derived.difference import differences
from botspec.derived.graph import Edge, graph_of
from botspec.derived.picture import mermaid, svg
from botspec.example import example_bot_spec, example_bots
from botspec.model import BotSpec, load_bot_spec
from declared import document

SPEC = load_bot_spec(example_bot_spec()).spec
CRAFT = load_bot_spec(example_bots()["inspection-craft"]).spec


def load(tmp_path: Path, data: dict[str, Any]) -> BotSpec:
    path = tmp_path / "bot.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return load_bot_spec(path).spec


def test_a_bot_does_not_differ_from_itself_written_otherwise(tmp_path: Path) -> None:
    data = document()
    data["components"][0]["dropout_probability"] = 0.0  # the default, written out
    assert differences(SPEC, load(tmp_path, dict(reversed(data.items())))) == []


def test_entries_are_matched_by_name_and_each_changed_value_is_one_line(tmp_path: Path) -> None:
    data = document()
    data["components"][2]["max_range_m"] = 90000.0
    data["components"] = [data["components"][1], *data["components"][2:]]
    data["channels"][0]["policy"] = "recorded"
    data["streams"][0]["subjects"] = ["qiki.sim.v1.>"]
    data["durables"].append(data["durables"][0] | {"name": "mine"})
    data["identity_policy"]["foes"] = []
    assert differences(SPEC, load(tmp_path, data)) == [
        "channels.world.policy: derived -> recorded",
        "streams.QIKI_SIM_V1.subjects: ['qiki.sim.v1.world', 'qiki.sim.v1.sensors'] -> ['qiki.sim.v1.>']",
        "durables.mine: added (qiki.events.v1.>)",
        "components.gnss-main: removed (gnss)",
        "components.radar-long.max_range_m: 100000.0 -> 90000.0",
        "identity_policy.foes.RAIDER-*: removed",
    ]


def test_another_order_is_a_difference_because_feeds_are_merged_in_it(tmp_path: Path) -> None:
    data = document()
    data["components"][0], data["components"][1] = data["components"][1], data["components"][0]
    (line,) = differences(SPEC, load(tmp_path, data))
    assert line.startswith(
        "components: in another order: gnss-main, imu-main, radar-long, radar-short -> imu-main, gnss"
    )


def test_the_graph_has_every_entry_and_the_flow_between_them() -> None:
    graph = graph_of(CRAFT)
    ids = {node.id for node in graph.nodes}
    assert {edge.source for edge in graph.edges} | {edge.target for edge in graph.edges} <= ids
    assert ids >= {f"channel-{channel.name}" for channel in CRAFT.channels}
    assert ids >= {f"durable-{durable.name}" for durable in CRAFT.durables}
    thrusters = next(node for node in graph.nodes if node.title == "12 x thruster")
    expected = {
        Edge("component-tank", thrusters.id, "propellant"),
        Edge("component-battery", thrusters.id, "power_bus"),
        Edge(thrusters.id, "component-autopilot", "thrust"),
        Edge("component-avionics", "component-electronics", "heat"),
        Edge("component-electronics", "component-hull", "conduction"),
        Edge("component-radar-long", "channel-frames", ""),
        Edge("component-gnss-main", "channel-sensors", ""),
        Edge("channel-frames", "channel-tracks", ""),
        Edge("channel-frames", "stream-QIKI_RADAR_V1", ""),
        Edge("stream-QIKI_COMMANDS_V1", "durable-sim_commands", ""),
    }
    assert expected <= set(graph.edges)
    assert Edge("component-radar-long", "channel-sensors", "") not in graph.edges


@pytest.mark.parametrize("name", example_bots())
def test_a_picture_is_well_formed_and_names_every_node(name: str) -> None:
    graph = graph_of(load_bot_spec(example_bots()[name]).spec)
    root = ElementTree.fromstring(svg(graph))
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {node.title for node in graph.nodes} <= texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}g"))) == len(graph.nodes)
    text = mermaid(graph)
    assert text.count(" -->") == len(graph.edges)
    assert all(node.title in text for node in graph.nodes)


def test_a_name_is_escaped_in_a_picture(tmp_path: Path) -> None:
    data = document()
    data["bot"]["name"] = '<script>"&'
    graph = graph_of(load(tmp_path, data))
    assert "<script>" not in svg(graph)
    ElementTree.fromstring(svg(graph))
