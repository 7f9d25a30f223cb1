"""YAML 1.2 core schema reader: plain data, and the line of every part."""

import re
from typing import Any, ClassVar

import yaml

Loc = tuple[str | int, ...]

MAX_DEPTH = 64
"""Levels of nesting: our documents have about six; many more would exhaust the stack."""

_MAX_NUMBER_CHARACTERS = 40
_TAG = "tag:yaml.org,2002:"


class DocumentLoader(yaml.SafeLoader):
    """Builds null, bool, int, float, text, lists and mappings, and nothing else.

    YAML 1.1, PyYAML's own, reads `on` as true, `010` as 8 and `1e3` as text; the 1.2 core schema does not.
    Aliases and tags are refused, so that every part has one line, a small file stays small, and a value is read as it
    is written.
    """

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {  # type: ignore[misc]  # the stubs take it for an instance's
        None: [
            (_TAG + "null", re.compile(r"(?:~|null|Null|NULL|)\Z")),
            (_TAG + "bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")),
            (_TAG + "int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")),
            (
                _TAG + "float",
                re.compile(
                    r"(?:[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
                    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
                ),
            ),
        ]
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node; raises `yaml.MarkedYAMLError` at an alias, a tag, and beyond `MAX_DEPTH`."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it open
        if isinstance(event, yaml.AliasEvent):
            raise _error("aliases are not supported: write the value out", event.start_mark)
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise _error(f"tags are not supported: {tag}", event.start_mark)
        if self._depth >= MAX_DEPTH:
            raise _error(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_int(self, node: yaml.ScalarNode) -> int:
        """Build a decimal integer."""
        if len(node.value) > _MAX_NUMBER_CHARACTERS:
            raise _error("a number with too many digits", node.start_mark)
        try:
            return int(node.value)
        except ValueError:
            raise _error(f"{node.value!r} is no decimal integer", node.start_mark) from None

    def construct_float(self, node: yaml.ScalarNode) -> float:
        """Build a float; a value that is too large becomes infinite, which all our models reject."""
        try:
            return float(self.construct_yaml_float(node))
        except ValueError:
            raise _error(f"{node.value!r} is no number", node.start_mark) from None

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """Build a text that UTF-8 can encode."""
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            raise _error("text with half a surrogate pair", node.start_mark)
        return str(node.value)

    yaml_constructors: ClassVar[dict[Any, Any]] = {
        _TAG + "null": yaml.SafeLoader.construct_yaml_null,
        _TAG + "bool": yaml.SafeLoader.construct_yaml_bool,
        _TAG + "int": construct_int,
        _TAG + "float": construct_float,
        _TAG + "str": construct_text,
        _TAG + "seq": yaml.SafeLoader.construct_yaml_seq,
        _TAG + "map": yaml.SafeLoader.construct_yaml_map,
        None: yaml.SafeLoader.construct_undefined,
    }


def index_lines(root: yaml.Node) -> tuple[dict[Loc, int], list[tuple[int, str]]]:
    """Return the 1-based line of every part, and (line, message) for each key that is repeated or not text."""
    lines: dict[Loc, int] = {(): root.start_mark.line + 1}
    faults: list[tuple[int, str]] = []
    waiting: list[tuple[Loc, yaml.Node]] = [((), root)]
    while waiting:  # every node once: the document is a finite tree, as aliases are refused
        loc, node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                lines[(*loc, number)] = item.start_mark.line + 1
                waiting.append(((*loc, number), item))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode) or key.tag != _TAG + "str":
                    faults.append((line, "a key that is no text: put it in quotes"))
                elif (*loc, key.value) in lines:
                    faults.append((line, f"key {key.value!r} is given twice, first in line {lines[(*loc, key.value)]}"))
                else:
                    lines[(*loc, key.value)] = line
                    waiting.append(((*loc, key.value), value))
    return lines, sorted(faults)


def _error(message: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=message, problem_mark=mark)
