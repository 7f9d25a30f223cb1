"""Check for code that can lose a task's cancellation: every `except*`, and every `await` during a cancellation.

An error raised by an `await` in a `finally` block, or in the handler of a cancellation, replaces the CancelledError; a
handler of that error further out then swallows both. So such an `await` goes through `cleanup`, which raises no error.
Tests and benchmarks may await there: their errors end them.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

MAY_RAISE_IN_CLEANUP = frozenset({"tests", "bench"})
HELPER = "cleanup"
# Marks a line that awaits there and cannot lose a cancellation; the reason follows.
WAIVER = "# keeps the cancellation: "
_CANCELLATIONS = frozenset({"", "BaseException", "CancelledError", "asyncio.CancelledError"})
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def problems(path: Path, *, may_raise_in_cleanup: bool = False) -> Iterator[str]:
    """Yield one line for each place in the file where a cancellation can be lost."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.TryStar):
            yield f"{path}:{node.lineno}: `except*` can lose a cancellation: use mesh.tasks.task_group"
        if isinstance(node, ast.Try | ast.TryStar) and not may_raise_in_cleanup:
            for line in sorted({found.lineno for found in _awaited(_while_cancelled(node))}):
                if WAIVER not in lines[line - 1]:
                    yield f"{path}:{line}: an error here replaces a cancellation: use mesh.tasks.cleanup"


def _while_cancelled(node: ast.Try | ast.TryStar) -> Iterator[ast.stmt]:
    """Yield the statements that run while a cancellation may be on its way."""
    yield from node.finalbody
    for handler in node.handlers:
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if any((ast.unparse(each) if each else "") in _CANCELLATIONS for each in caught):
            yield from handler.body


def _awaited(statements: Iterable[ast.AST]) -> Iterator[ast.Await | ast.AsyncWith | ast.AsyncFor]:
    """Yield the awaits there other than through the helper, without those in nested functions."""
    for node in statements:
        if isinstance(node, _NESTED) or _is_helper(node):
            continue
        if isinstance(node, ast.Await | ast.AsyncWith | ast.AsyncFor):
            yield node
        yield from _awaited(ast.iter_child_nodes(node))


def _is_helper(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Await) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == HELPER


def main(roots: Sequence[str]) -> int:
    """Check the Python files below the roots; return the exit status."""
    found = [
        line
        for root in roots
        for path in sorted(Path(root).rglob("*.py"))
        for line in problems(path, may_raise_in_cleanup=Path(root).name in MAY_RAISE_IN_CLEANUP)
    ]
    print("\n".join(found) or f"no lost cancellation in {', '.join(roots)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
