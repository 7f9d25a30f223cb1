"""Texts and files made from a BotSpec, for the commands `qiki botspec`."""

import json
from pathlib import Path

from botspec.derived.difference import differences
from botspec.derived.graph import graph_of
from botspec.derived.picture import mermaid as to_mermaid
from botspec.derived.picture import svg
from botspec.derived.runtime import generate, write
from botspec.model import BotSpec, LoadedBotSpec, load_bot_spec
from botspec.yaml_source import SpecError
from cli.errors import CliError

_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def summary(path: Path) -> str:
    """Return one line about a valid BotSpec. Raises CliError with every problem of another."""
    loaded = _load(path)
    spec = loaded.spec
    counts = (
        (len(spec.components), "component"),
        (len(spec.channels), "channel"),
        (len(spec.streams), "stream"),
        (len(spec.durables), "durable"),
    )
    listed = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts)
    return f"{path}: valid: {spec.bot.bot_id} with {listed}; SHA-256 {loaded.digest}"


def generate_files(path: Path, directory: Path, *, check: bool) -> list[str]:
    """Write the runtime configurations, or compare them with the files; return a line a file.

    Raises CliError where the BotSpec cannot be used, a file cannot be written, or with `check` a file differs.
    """
    loaded = _load(path)
    if not check:
        try:
            return [f"wrote {written}" for written in write(loaded, directory)]
        except OSError as error:
            raise CliError(f"{error.filename} cannot be written: {error.strerror or error}") from None
    stale = [name for name, text in generate(loaded).items() if _content(directory / f"{name}.json") != text]
    if stale:
        names = ", ".join(f"{directory / name}.json" for name in stale)
        raise CliError(f"not what {path} generates: {names}; run `qiki botspec generate {path} --out {directory}`")
    return [f"{directory}: as {path} generates them."]


def schema_text() -> str:
    """Return the JSON Schema of a BotSpec."""
    return json.dumps({"$schema": _SCHEMA_DIALECT, **BotSpec.model_json_schema()}, indent=2) + "\n"


def picture_text(path: Path, *, mermaid: bool) -> str:
    """Return the picture of a bot as Mermaid text or as SVG. Raises CliError where the BotSpec cannot be used."""
    graph = graph_of(_load(path).spec)
    return to_mermaid(graph) if mermaid else svg(graph)


def difference_lines(before: Path, after: Path) -> list[str]:
    """Return one line for each difference of two bots. Raises CliError where a BotSpec cannot be used."""
    return differences(_load(before).spec, _load(after).spec)


def _load(path: Path) -> LoadedBotSpec:
    try:
        return load_bot_spec(path)
    except SpecError as error:
        raise CliError(f"the BotSpec cannot be used:\n{error}") from None


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
