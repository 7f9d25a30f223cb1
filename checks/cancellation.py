"""Finds code in which a task's cancellation can be lost: every `except*`."""

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path


def problems(path: Path) -> Iterator[str]:
    """Yield one line for each place in the file where a cancellation can be lost."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.TryStar):
            yield f"{path}:{node.lineno}: `except*` can lose a cancellation: use mesh.tasks.task_group"


def main(roots: Sequence[str]) -> int:
    """Check the Python files below the roots; return the exit status."""
    found = [line for root in roots for path in sorted(Path(root).rglob("*.py")) for line in problems(path)]
    print("\n".join(found) or f"no lost cancellation in {', '.join(roots)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
