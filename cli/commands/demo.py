"""`qiki demo`: a whole run, its report, and the proof that every event arrived once and as it was emitted."""

from pathlib import Path
from typing import Annotated

import typer

from cli.botspec.option import DEFAULT_BOT, BotOption, bot_file
from cli.commands.up import Scenario, StateDir
from cli.local_mesh.options import FlowControl, MeshOptions, check_speed

DEFAULT_PICTURE = Path("demo.png")


def demo(
    *,
    scenario: Scenario = None,
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Play only so much of it, in simulation time.")
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="FACTOR|max", help="Simulation seconds per second; max: as fast as possible.")
    ] = "max",
    picture: Annotated[Path, typer.Option(metavar="FILE", help="Where the radar plot goes, a PNG.")] = DEFAULT_PICTURE,
    bot: BotOption = DEFAULT_BOT,
    state_dir: StateDir = None,
) -> None:
    """Run a scenario to its end, losing nothing; read it back from JetStream, check, count and draw it.

    Listens on free ports of 127.0.0.1 only. Exit status 1 where an event is missing, twice, out of order, or not as it
    was emitted, tracks or alarms are not what the stored frames make, or a service was not healthy.
    """
    options = MeshOptions(
        state_dir=state_dir,
        scenario=scenario and scenario.absolute(),
        bot_spec=bot_file(bot),
        speed=check_speed(speed),
        flow_control=FlowControl.LOSSLESS,
    )
    from mesh.storage.platform_pin import pin  # noqa: PLC0415 - other commands must start without its dependencies

    pin()  # before NumPy is imported: the tracks are recomputed with the arithmetic of the tracker
    from cli.demo.run import run  # noqa: PLC0415

    run(options, duration, picture)
