"""YAML documents with errors that name the file, the line and the key."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from botspec.validation_text import describe
from botspec.yaml_core import DocumentLoader, Loc, index_lines

__all__ = ["Document", "Loc", "Problem", "SpecError", "load", "read_bytes", "validate"]

MAX_FILE_BYTES = 4 * 1024 * 1024
"""A scenario of 2000 contacts takes a few hundred kilobytes."""

MAX_PROBLEMS = 100
"""Of the problems in one file, those that are reported: nobody reads more at once."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a file: `line` counts from 1, 0 where no line is known; `where` is `a.b[2].c` or empty."""

    path: Path
    line: int
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else f"{self.path}"
        return ": ".join(part for part in (place, self.where, self.message) if part)


class SpecError(ValueError):
    """A file that cannot be used; its text has one line per problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file's plain data, the SHA-256 of its bytes in hexadecimal, and the line of each part."""

    data: dict[str, Any]
    path: Path
    digest: str
    _lines: Mapping[Loc, int] = field(repr=False)

    def line(self, loc: Loc) -> int:
        """Return the 1-based line of the deepest part of `loc` that the file contains."""
        return self._lines[self._known(loc)]

    def where(self, loc: Loc) -> str:
        """Return `loc` as `a.b[2].c`, without the parts that Pydantic adds to distinguish the members of a union."""
        known = self._known(loc)
        shown = (*known, loc[-1]) if loc and known[-1:] != loc[-1:] else known
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in shown)
        return text.removeprefix(".")

    def _known(self, loc: Loc) -> Loc:
        known: Loc = ()
        for part in loc:
            if (*known, part) in self._lines:
                known = (*known, part)
        return known


def load(path: Path, max_bytes: int = MAX_FILE_BYTES) -> Document:
    """Read a YAML file whose top level is a mapping.

    Raises `SpecError` for a file that cannot be read, is too large, not UTF-8 or not YAML, repeats a key, or has
    another top level.
    """
    raw = read_bytes(path, max_bytes)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SpecError([Problem(path, line, "", f"not UTF-8: {error.reason}")]) from None
    try:
        data, lines = _parse(text, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        raise SpecError([Problem(path, mark.line + 1 if mark else 0, "", f"not YAML of ours: {message}")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SpecError([Problem(path, line, "", f"not YAML: {error.reason}")]) from None
    return Document(data, path, hashlib.sha256(raw).hexdigest(), lines)


def validate(model: type[M], document: Document) -> M:
    """Return the document as a model; raises `SpecError` with every problem that Pydantic finds.

    The strict rules of JSON apply: a number is not written as text, and `true` is not a number.
    """
    try:
        return model.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        raise SpecError(_problems(model, document, error)) from None


def _problems(model: type[BaseModel], document: Document, error: ValidationError) -> list[Problem]:
    """Return the first `MAX_PROBLEMS` problems by line, and one that counts the others."""
    found = sorted(error.errors(include_url=False), key=lambda details: document.line(details["loc"]))
    problems = []
    for details in found[:MAX_PROBLEMS]:
        loc, message = describe(model, details)
        problems.append(Problem(document.path, document.line(loc), document.where(loc), message))
    problems.sort(key=lambda problem: problem.line)
    if left := len(found) - len(problems):
        line = document.line(found[MAX_PROBLEMS]["loc"])
        problems.append(Problem(document.path, line, "", f"{left} further problems from here on: correct these first"))
    return problems


def read_bytes(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Return a file's content; raises `SpecError` where it cannot be read, or exceeds `max_bytes`."""
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise SpecError([Problem(path, 0, "", f"cannot be read: {error.strerror or error}")]) from None
    if len(raw) > max_bytes:
        raise SpecError([Problem(path, 0, "", f"larger than {max_bytes} bytes")])
    return raw


def _parse(text: str, path: Path) -> tuple[dict[str, Any], dict[Loc, int]]:
    loader = DocumentLoader(text)
    try:
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            line = root.start_mark.line + 1 if root else 1
            raise SpecError([Problem(path, line, "", "the top level is not a mapping of keys to values")])
        lines, faults = index_lines(root)
        if faults:
            raise SpecError(Problem(path, line, "", message) for line, message in faults)
        return loader.construct_document(root), lines
    finally:
        loader.dispose()
