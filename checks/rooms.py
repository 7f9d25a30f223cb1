"""`python -m checks.rooms`: no package has so many modules that its reader loses the way."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

PACKAGES = (
    *("checks", "mesh", "botspec", "svc_sim", "svc_radar", "svc_tracker", "svc_registrar"),
    *("adapters", "evaluation", "cli", "sdk/qiki_sdk", "bench"),
)
MAX_MODULES = 15
# Where people look first: the most entries, folders included, `__init__.py` and `py.typed` not.
MAX_ENTRIES: Mapping[str, int] = {"adapters/jetstream": 12, "cli": 12, "svc_tracker/domain": 12}
_NO_ENTRIES = frozenset({"__init__.py", "__pycache__", "py.typed"})


def crowded(root: Path, packages: Iterable[str] = PACKAGES, limits: Mapping[str, int] = MAX_ENTRIES) -> list[str]:
    """Return one line per folder with more modules, or more entries, than it may have."""
    problems = []
    for package in packages:
        folders = {module.parent for module in (root / package).rglob("*.py")}
        for folder in sorted(folders):
            count = len(list(folder.glob("*.py")))
            if count > MAX_MODULES:
                problems.append(
                    f"{folder.relative_to(root)}: {count} modules, at most {MAX_MODULES}: group them by role"
                )
    for name, most in limits.items():
        count = len([entry for entry in (root / name).iterdir() if entry.name not in _NO_ENTRIES])
        if count > most:
            problems.append(f"{name}: {count} entries, at most {most}: group them by role")
    return problems


def main() -> int:
    """Print what is crowded; return 1 if anything is."""
    problems = crowded(Path.cwd())
    print(*problems or ["no package is crowded"], sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
