"""Catalogue of mutations: read from TOML, and checked against the source."""

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).with_name("catalogue")
_FILE_KEYS = {"path", "tests", "mutation"}
_MUTATION_KEYS = {"name", "breaks", "old", "new"}
_OPTIONAL_KEYS = {"tests", "quick"}
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class CatalogueError(ValueError):
    """The catalogue cannot be used: the message names the file, the entry and the error."""


class StaleError(ValueError):
    """A mutation does not match the current source or the tests that it names."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One semantic mutation: a piece of one file's text, replaced so that a promise breaks.

    `breaks` names the promise. `tests` are pytest's arguments, files or nodes, in the order of running; one of them
    must fail. `quick` marks those that also run with the ordinary tests.
    """

    name: str
    path: str
    breaks: str
    old: str
    new: str
    tests: tuple[str, ...]
    quick: bool = False

    @property
    def area(self) -> str:
        """Package of the mutated file."""
        return str(Path(self.path).parent)

    def mutate(self, source: str) -> str:
        """Return the mutated source.

        Raises:
            StaleError: the text to replace does not occur exactly once, or the result is the same or does not parse.
        """
        if (count := source.count(self.old)) != 1:
            raise StaleError(f"{self.path}: the text to replace occurs {count} times, it must occur once")
        mutated = source.replace(self.old, self.new)
        try:
            same = ast.dump(ast.parse(mutated)) == ast.dump(ast.parse(source))
        except SyntaxError as error:
            raise StaleError(f"{self.path}: the mutated file does not parse: {error}") from error
        if same:
            raise StaleError(f"{self.path}: the mutation changes nothing")
        return mutated


def load(directory: Path = DIRECTORY) -> tuple[Mutation, ...]:
    """Return the mutations of all files of the directory, in the order of writing.

    Raises:
        CatalogueError: an entry lacks a key, has one too many, or repeats a name.
    """
    mutations = tuple(item for path in sorted(directory.glob("*.toml")) for item in _of_file(path))
    names = [mutation.name for mutation in mutations]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise CatalogueError(f"{directory}: names must differ, given twice: {', '.join(repeated)}")
    return mutations


def select(mutations: Sequence[Mutation], only: str) -> tuple[Mutation, ...]:
    """Return those whose name or file matches the shell pattern; all where it is empty.

    Raises:
        CatalogueError: none matches.
    """
    chosen = tuple(
        item for item in mutations if not only or fnmatchcase(item.name, only) or fnmatchcase(item.path, only)
    )
    if not chosen:
        raise CatalogueError(f"no mutation matches {only!r}; `python -m checks.mutation --list` shows all")
    return chosen


def problem(root: Path, mutation: Mutation) -> str:
    """Return the reason why the mutation cannot be tried on the tree below `root`; empty if it can."""
    try:
        mutation.mutate((root / mutation.path).read_text(encoding="utf-8"))
        for test in mutation.tests:
            _check_test(root, test)
    except (StaleError, OSError) as error:
        return str(error)
    return ""


def _check_test(root: Path, test: str) -> None:
    path, *nodes = test.split("::")
    source = (root / path).read_text(encoding="utf-8")
    for node in nodes:
        name = node.partition("[")[0]
        if not re.search(rf"^\s*(async def|def|class) {re.escape(name)}\b|^{re.escape(name)}\b", source, re.MULTILINE):
            raise StaleError(f"{path} has no test {name}")


def _of_file(path: Path) -> Iterator[Mutation]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{path}: {error}") from error
    _check_keys(path, "the file", content, {"file"}, set())
    for group in content["file"]:
        _check_keys(path, f"file {group.get('path')!r}", group, _FILE_KEYS, set())
        for entry in group["mutation"]:
            _check_keys(path, f"mutation {entry.get('name')!r}", entry, _MUTATION_KEYS, _OPTIONAL_KEYS)
            yield _mutation(path, group, entry)


def _check_keys(path: Path, what: str, table: dict[str, Any], needed: set[str], optional: set[str]) -> None:
    if missing := needed - table.keys():
        raise CatalogueError(f"{path}: {what} lacks {', '.join(sorted(missing))}")
    if unknown := table.keys() - needed - optional:
        raise CatalogueError(f"{path}: {what} has unknown keys: {', '.join(sorted(unknown))}")


def _mutation(path: Path, group: dict[str, Any], entry: dict[str, Any]) -> Mutation:
    name, tests = entry["name"], tuple(entry.get("tests", group["tests"]))
    if not _NAME.fullmatch(name):
        raise CatalogueError(f"{path}: {name!r} is not a name of lower-case words joined by hyphens")
    if not tests:
        raise CatalogueError(f"{path}: mutation {name!r} names no tests")
    return Mutation(
        name, group["path"], entry["breaks"], entry["old"], entry["new"], tests, bool(entry.get("quick", False))
    )
