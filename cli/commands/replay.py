"""`qiki replay`: an archived run's frames through the tracker again, compared with the archived tracks and alarms."""

from pathlib import Path
from typing import Annotated

import typer

from cli.botspec.option import DEFAULT_BOT, BotOption, bot_file
from cli.errors import UsageError
from cli.local_mesh.options import check_run_id, check_speed


def replay(
    *,
    nats_url: Annotated[
        str, typer.Option("--nats-url", metavar="URL", envvar="QIKI_NATS_URL", help="Where the NATS server listens.")
    ] = "nats://127.0.0.1:4222",
    run: Annotated[
        str | None,
        typer.Option("--run", "--run-id", metavar="RUN_ID", help="Which run; default: the newest that is archived."),
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="FACTOR|max", help="Simulation seconds per second; max: as fast as possible.")
    ] = "max",
    bot: BotOption = DEFAULT_BOT,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Another value of a BotSpec's setting, such as tracker.confirm_probability=0.8; may be repeated.",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --set: where a plot of both sets of tracks goes, a PNG.")
    ] = None,
) -> None:
    """Fold an archived run's frames through the tracker; compare every track set and guard event with the archived one.

    Exit status 1 where one of them differs, is missing, or is one too many. With --set the tracker has other settings,
    and the report is what changed in the tracks.
    """
    run_id, factor = check_run_id(run), check_speed(speed)
    from mesh.storage.platform_pin import pin  # noqa: PLC0415 - other commands must start without its dependencies

    pin()  # before NumPy is imported, as in the service
    if setting:
        from cli.demo.outcome import check_picture  # noqa: PLC0415
        from cli.runs.replay.changed import run_changed  # noqa: PLC0415

        if picture is not None:
            check_picture(picture)
        run_changed(nats_url, run_id, bot_file(bot), setting, picture)
        return
    if picture is not None:
        raise UsageError("--picture: only with --set.")
    from cli.runs.replay.run import run_replay  # noqa: PLC0415

    run_replay(nats_url, run_id, 0.0 if factor == "max" else float(factor or 0), bot_file(bot))
