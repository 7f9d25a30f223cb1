"""`qiki scenario`: the catalogue of scenarios, their check, and a run judged by its goals."""

from pathlib import Path
from typing import Annotated

import typer

from cli.botspec.option import DEFAULT_BOT, BotOption, bot_file
from cli.commands.up import StateDir
from cli.local_mesh.options import MAX_SEED, FlowControl, MeshOptions, check_speed

scenario = typer.Typer(help="Run scenarios that are judged by goals, also with agents in them.", no_args_is_help=True)


@scenario.command("list")
def list_() -> None:
    """List the catalogue: name, duration, contacts, goals, and a sentence on each."""
    from cli.runs.scenario.listing import list_scenarios  # noqa: PLC0415 - other commands must start without it

    list_scenarios()


@scenario.command()
def validate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|FILE]...", help="Default: the whole catalogue.")
    ] = None,
    *,
    bot: BotOption = DEFAULT_BOT,
) -> None:
    """Check scenarios for a bot: every problem with its file, line and field. Exit status 1 where there is one."""
    from cli.runs.scenario.listing import validate_scenarios  # noqa: PLC0415

    validate_scenarios(names or [], bot_file(bot))


@scenario.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="`qiki scenario list` shows the names.")],
    *,
    agent: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]FILE", help="The Python program of an agent that the scenario waits for."),
    ] = None,
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Play only so much of it, in simulation time.")
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="FACTOR|max", help="Simulation seconds per second; max: as fast as possible.")
    ] = "max",
    seed: Annotated[
        int | None, typer.Option(min=0, max=MAX_SEED, help="Seed of every random draw; default: the scenario's.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the picture of the flight goes, a PNG.")
    ] = None,
    bot: BotOption = DEFAULT_BOT,
    state_dir: StateDir = None,
) -> None:
    """Run a scenario to its end, losing nothing; say which goals were reached, and the digest of the run.

    The run's id follows from scenario, bot and seed, so the same scenario gives the same digest. Exit status 1 where a
    goal was not reached, an agent failed, or the run ended as failed.
    """
    options = MeshOptions(
        state_dir=state_dir,
        bot_spec=bot_file(bot),
        speed=check_speed(speed),
        seed=seed,
        flow_control=FlowControl.LOSSLESS,
    )
    from mesh.storage.platform_pin import pin  # noqa: PLC0415 - other commands must start without its dependencies

    pin()  # before NumPy is imported: the tracks are recomputed with the arithmetic of the tracker
    from cli.runs.scenario.run import run_scenario  # noqa: PLC0415

    run_scenario(name, options, agent or [], duration, picture)
