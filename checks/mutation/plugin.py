"""A pytest plugin for trials: the mutated file must be the one that is imported, and the first failure is enough."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import Phase, settings

VARIABLE = "QIKI_MUTATED_FILE"
_ROOTS = ("sdk", "gen", "tests")  # directories of the tree that are import roots of their own


def pytest_configure() -> None:
    """Compare what the import system finds with the file that was mutated.

    Raises:
        pytest.UsageError: it finds another file, such as that of an installed copy.
    """
    wanted = Path(os.environ[VARIABLE])
    name = module_name(wanted.relative_to(Path.cwd()))
    spec = find_spec(name)
    found = Path(spec.origin) if spec is not None and spec.origin is not None else None
    if found is None or found.resolve() != wanted.resolve():
        raise pytest.UsageError(f"{name} would be imported from {found}, the mutated file is {wanted}")


def pytest_sessionstart() -> None:
    """Let property tests end with the first counterexample: nobody reads the smallest one."""
    settings.register_profile("mutation", parent=settings(), phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutation")


def module_name(path: Path) -> str:
    """Return the dotted name under which a Python file of the tree, given relative to it, is imported."""
    parts = path.with_suffix("").parts
    parts = parts[1:] if parts[0] in _ROOTS else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
