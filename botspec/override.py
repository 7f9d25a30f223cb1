"""Settings of a BotSpec changed by their dotted paths, and validated as the file is."""

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from botspec import yaml_source
from botspec.model import BotSpec, load_bot_spec
from botspec.validation_text import describe
from botspec.yaml_core import DocumentLoader, Loc
from botspec.yaml_source import Problem, SpecError

_PART = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)((?:\[[0-9]{1,4}\])*)")


@dataclass(frozen=True, slots=True)
class Setting:
    """One changed setting: its text as given, its path in the file, and its value."""

    text: str
    loc: Loc
    value: Any

    @property
    def where(self) -> str:
        """The path, as `tracker.confirm_probability` or `guard_rules[0].distance_m`."""
        return _where(self.loc)


def parse_setting(text: str) -> Setting:
    """Parse `PATH=VALUE`; the value is YAML as in the file. Raises ValueError."""
    path, equals, value = text.partition("=")
    parts = [_PART.fullmatch(part) for part in path.split(".")]
    if not equals or not all(parts):
        raise ValueError(f"{text}: expected PATH=VALUE, such as tracker.confirm_probability=0.8")
    loc: list[str | int] = []
    for part in parts:
        assert part is not None, "checked above"
        loc += [part[1], *(int(index) for index in re.findall(r"[0-9]+", part[2]))]
    return Setting(text, tuple(loc), _value(text, value))


def load_changed(path: Path, settings: Sequence[Setting]) -> BotSpec:
    """Read a BotSpec, change the settings, and validate the whole.

    Raises:
        SpecError: the file cannot be used; or with the settings it could not, naming the field.
    """
    load_bot_spec(path)  # an error of the file itself names its line
    data = copy.deepcopy(yaml_source.load(path).data)
    given = ", ".join(setting.text for setting in settings)
    for setting in settings:
        try:
            _put(data, setting)
        except ValueError as error:
            raise SpecError([Problem(path, 0, setting.where, str(error))]) from None
    try:
        return BotSpec.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        found = [describe(BotSpec, details) for details in error.errors(include_url=False)]
        raise SpecError(
            Problem(path, 0, f"with {given}: {_where(_known(data, loc))}", message) for loc, message in found
        ) from None


def _value(text: str, value: str) -> Any:
    loader = DocumentLoader(value)
    try:
        node = loader.get_single_node()
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{text}: the value is not YAML of ours: {reason}") from None
    finally:
        loader.dispose()


def _put(data: Any, setting: Setting) -> None:
    """Put the value at its path; a missing mapping on the way is added. Raises ValueError."""
    for part, following in zip(setting.loc, setting.loc[1:], strict=False):
        if isinstance(data, list):
            data = data[_index(data, part)]
        elif isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, dict) and isinstance(following, str):
            data = data.setdefault(part, {})
        else:
            raise ValueError("there is nothing at this place of the BotSpec")
    last = setting.loc[-1]
    if isinstance(data, list):
        data[_index(data, last)] = setting.value
        return
    if not isinstance(data, dict) or not isinstance(last, str):
        raise ValueError("there is nothing at this place of the BotSpec")  # noqa: TRY004 - of the setting, not a type
    data[last] = setting.value


def _index(data: list[Any], part: str | int) -> int:
    if isinstance(part, int) and part < len(data):
        return part
    names = [each.get("name") for each in data if isinstance(each, dict)]
    if isinstance(part, str) and names.count(part) == 1:
        return next(number for number, each in enumerate(data) if isinstance(each, dict) and each.get("name") == part)
    raise ValueError(f"there is no {part!r} (there are {len(data)}: {', '.join(map(str, names))})")


def _known(data: Any, loc: Loc) -> Loc:
    """Return the path without the parts that Pydantic adds to distinguish the members of a union."""
    known: list[str | int] = []
    for number, part in enumerate(loc):
        if _has(data, part):
            data = data[part]
        elif number != len(loc) - 1:
            continue
        known.append(part)
    return tuple(known)


def _has(data: Any, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data


def _where(loc: Loc) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
