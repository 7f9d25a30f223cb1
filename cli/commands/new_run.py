"""`qiki new-run`: move the run out of a state directory, so that the next simulator initiates a new one."""

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import UsageError


def new_run(
    state_dir: Annotated[Path, typer.Argument(metavar="DIR", help="Holds the simulator's state in `sim/`.")],
    *,
    name: Annotated[
        str | None,
        typer.Option(
            help="Only where the name is another than the last time; an empty one: never. For start-up scripts."
        ),
    ] = None,
) -> None:
    """Set the run in DIR aside, in `runs/<run id>`: the next start begins a new one. No simulator may run on it.

    For simulators that `qiki up` does not start; `qiki up --new-run` does the same. Nothing is deleted.
    """
    from cli.local_mesh.storage.new_run import set_run_aside, set_run_aside_once  # noqa: PLC0415 - others must start without it

    if not state_dir.is_dir():
        raise UsageError(f"{state_dir} is no directory.")
    kept = set_run_aside(state_dir) if name is None else set_run_aside_once(state_dir, name)
    print(f"The run is kept in {kept}." if kept else "Nothing was to be done.")
