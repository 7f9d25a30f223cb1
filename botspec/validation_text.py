"""Pydantic's errors, reworded for the author of the file."""

import difflib
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from botspec.yaml_core import Loc

_MAX_VALUE_CHARACTERS = 60


def describe(model: type[BaseModel], details: ErrorDetails) -> tuple[Loc, str]:
    """Return the location of an error in validating `model`, and its message for people."""
    loc, value = details["loc"], details["input"]
    if details["type"] in ("union_tag_not_found", "union_tag_invalid"):
        loc = (*loc, details["ctx"]["discriminator"].strip("'"))
    message = details["msg"].removeprefix("Input ").removeprefix("Value error, ")
    match details["type"]:
        case "missing" | "union_tag_not_found":
            message = "required, and missing"
        case "extra_forbidden":
            message = _unknown_key(str(loc[-1]), known_keys(model, loc[:-1]))
        case "union_tag_invalid":
            message = f"should be one of {details['ctx']['expected_tags']}, not {_shown(details['ctx']['tag'])}"
        case "string_type" if isinstance(value, int | float):
            message = f"should be text, not {_shown(value)}: put it in quotes"
        case "value_error" | "cross_check":
            pass  # already our own text
        case _ if isinstance(value, str | int | float | None):
            message = f"{message}, not {_shown(value)}"
    return loc, message


def known_keys(model: type[BaseModel], loc: Loc) -> tuple[str, ...]:
    """Return the keys that the models at `loc` inside `model` accept, in the order of their declaration."""
    candidates: list[Any] = [model]
    for part in loc:
        candidates = [inner for candidate in candidates for inner in _step(candidate, part)]
    return tuple(
        dict.fromkeys(key for candidate in candidates if _is_model(candidate) for key in candidate.model_fields)
    )


def _step(candidate: Any, part: str | int) -> Iterator[Any]:
    if _is_model(candidate):
        if part in candidate.model_fields:
            yield from _members(candidate.model_fields[part].annotation)
        elif any(part in _literals(info.annotation) for info in candidate.model_fields.values()):
            yield candidate  # the discriminator of a union
    elif get_origin(candidate) in (list, tuple):
        yield from _members(get_args(candidate)[0])
    elif get_origin(candidate) is dict:
        yield from _members(get_args(candidate)[1])


def _members(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, of an annotated type or of an optional one; else the type itself."""
    if _is_model(annotation) or get_origin(annotation) in (list, tuple, dict):
        yield annotation
        return
    for argument in get_args(annotation):
        yield from _members(argument)


def _literals(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _is_model(candidate: Any) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)


def _unknown_key(key: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown key{hint} (known keys: {', '.join(known)})" if known else "unknown key"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_VALUE_CHARACTERS else text[:_MAX_VALUE_CHARACTERS] + "..."
