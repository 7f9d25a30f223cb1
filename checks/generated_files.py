"""Files generated from the example bots: runtime configurations, pictures and the JSON Schema; written or compared."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from botspec.derived.graph import graph_of
from botspec.derived.picture import svg
from botspec.derived.runtime import generate
from botspec.example import example_bots
from botspec.model import load_bot_spec
from cli.botspec.texts import schema_text

ROOT: Final = Path(__file__).parent.parent
SCHEMA: Final = Path("botspec/BotSpec.schema.json")
RUNTIME: Final = Path("deploy/runtime")
PICTURES: Final = Path("docs/bots")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or compare them with `--check`; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m checks.generated_files", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs or is left over")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    options = parser.parse_args(arguments)
    root: Path = options.root
    wanted = dict(generated())
    if not options.check:
        for path, text in wanted.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        return 0
    found = list(problems(root, wanted))
    for problem in found:
        print(f"{problem}; run `make botspec`")
    return 1 if found else 0


def generated() -> Iterator[tuple[Path, str]]:
    """Yield the path in the repository and the text of every generated file."""
    yield SCHEMA, schema_text()
    for name, path in example_bots().items():
        loaded = load_bot_spec(path)
        yield PICTURES / f"{name}.svg", svg(graph_of(loaded.spec))
        for service, text in generate(loaded).items():
            yield RUNTIME / name / f"{service}.json", text


def problems(root: Path, wanted: dict[Path, str]) -> Iterator[str]:
    """Yield a line for every file that is missing, differs, or is generated from no bot any more."""
    for path, text in wanted.items():
        if not (root / path).is_file():
            yield f"{path} is missing"
        elif (root / path).read_text(encoding="utf-8") != text:
            yield f"{path} is not what the BotSpec generates"
    for directory, pattern in ((RUNTIME, "*/*.json"), (PICTURES, "*.svg")):
        for found in sorted((root / directory).glob(pattern)):
            if found.relative_to(root) not in wanted:
                yield f"{found.relative_to(root)} belongs to no example bot"


if __name__ == "__main__":
    sys.exit(main())
