"""A pytest plugin for trials: it checks that the mutated file is the imported one, and stops at the first failure."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import Phase, settings

VARIABLE = "QIKI_MUTATED_FILE"
_ROOTS = ("sdk", "gen", "tests")  # import roots within the tree


def pytest_configure() -> None:
    """Compare the file found by the import system with the mutated file.

    Raises:
        pytest.UsageError: it is another file, such as that of an installed copy.
    """
    wanted = Path(os.environ[VARIABLE])
    name = module_name(wanted.relative_to(Path.cwd()))
    spec = find_spec(name)
    found = Path(spec.origin) if spec is not None and spec.origin is not None else None
    if found is None or found.resolve() != wanted.resolve():
        raise pytest.UsageError(f"{name} would be imported from {found}, the mutated file is {wanted}")


def pytest_sessionstart() -> None:
    """Stop property tests at the first counterexample: the smallest one is not needed."""
    settings.register_profile("mutation", parent=settings(), phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutation")


def module_name(path: Path) -> str:
    """Return the dotted import name of a Python file of the tree, given by its relative path."""
    parts = path.with_suffix("").parts
    parts = parts[1:] if parts[0] in _ROOTS else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
