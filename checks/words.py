"""Word check: finds words that this project does not use, and names the replacement.

The list and its exceptions are in `checks/words.yaml`. Code, comments, docs and protos are read line by line; generated
code is excluded.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LIST = Path(__file__).with_name("words.yaml")
SUFFIXES = frozenset({".py", ".proto", ".md", ".yaml", ".yml", ".toml", ".sh", ".cfg"})
NAMES = frozenset({"Makefile", "Dockerfile", ".importlinter"})
# Generated, in Russian, and the list itself with its test, which quote the words.
SKIPPED = ("gen/", "README.ru.md", "checks/words.yaml", "tests/unit/checks/test_words.py")


@dataclass(frozen=True, slots=True)
class Word:
    """A forbidden pattern, its replacement, and the paths where it is allowed."""

    pattern: re.Pattern[str]
    instead: str
    allowed_in: frozenset[str]


@dataclass(frozen=True, slots=True)
class Hit:
    """One occurrence of an unwanted word."""

    path: str
    line: int
    text: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text!r}: write {self.instead}"


def load(path: Path = LIST) -> tuple[Word, ...]:
    """Read the word list.

    Raises:
        ValueError: an exception has no reason, or names a word that is not in the list.
    """
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    allowed: dict[str, set[str]] = {}
    for exception in data["exceptions"] or ():
        if not exception.get("reason"):
            raise ValueError(f"the exception for {exception['path']} gives no reason")
        allowed.setdefault(exception["pattern"], set()).add(exception["path"])
    patterns = {entry["pattern"] for entry in data["words"]}
    if unknown := allowed.keys() - patterns:
        raise ValueError(f"exceptions for unknown patterns: {', '.join(sorted(unknown))}")
    return tuple(
        Word(re.compile(entry["pattern"]), entry["instead"], frozenset(allowed.get(entry["pattern"], ())))
        for entry in data["words"]
    )


def hits(path: str, text: str, words: Sequence[Word]) -> Iterator[Hit]:
    """Yield each occurrence in the text of a file."""
    here = [word for word in words if path not in word.allowed_in]
    for number, line in enumerate(text.splitlines(), start=1):
        for word in here:
            if found := word.pattern.search(line):
                yield Hit(path, number, found.group().strip(), word.instead)


def files() -> Iterator[str]:
    """Yield the paths of the checked files: tracked by git, not generated."""
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    for path in filter(None, listed.split("\0")):
        kept = Path(path).suffix in SUFFIXES or Path(path).name in NAMES
        if kept and not path.startswith(SKIPPED) and Path(path).is_file() and not Path(path).is_symlink():
            yield path


def main(arguments: Sequence[str]) -> int:
    """Check all files, or those below the given paths; return the exit status."""
    words = load()
    chosen = [path for path in files() if not arguments or path.startswith(tuple(arguments))]
    found = [hit for path in chosen for hit in hits(path, Path(path).read_text(encoding="utf-8"), words)]
    for hit in found:
        print(hit)
    counts = Counter(hit.path.partition("/")[0] for hit in found)
    summary = ", ".join(f"{top} {count}" for top, count in counts.most_common()) or "none"
    print(f"unwanted words in {len(chosen)} files: {summary}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
