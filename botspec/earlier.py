"""Refusal of a BotSpec in the format of schema version 1, with the new place of each moved section."""

from collections.abc import Iterator
from typing import Final

from botspec.yaml_source import Document, Problem, SpecError

_MOVED: Final = {
    "navigation": "each entry is a component: move it to `components`, with `type` in place of `kind`, and a `mount`",
    "radars": "each entry is a component: move it to `components`, with `type: radar` and a `mount`",
}
_SINCE_2: Final = (
    "schema version 1 is no longer read: set 2, move `navigation` and `radars` to `components`, and declare `streams` "
    "and `durables`; docs/botspec.md has an example of each"
)


def refuse_earlier(document: Document) -> None:
    """Raise `SpecError` where the document has sections of schema version 1; return otherwise."""
    problems = list(_problems(document))
    if problems:
        raise SpecError(sorted(problems, key=lambda problem: problem.line))


def _problems(document: Document) -> Iterator[Problem]:
    advice = dict(_MOVED)
    if document.data.get("schema_version") == 1:
        advice["schema_version"] = _SINCE_2
    for key, message in advice.items():
        if key in document.data:
            yield Problem(document.path, document.line((key,)), key, message)
