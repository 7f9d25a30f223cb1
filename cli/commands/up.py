"""`qiki up`: the whole mesh on this machine, until Ctrl-C."""

from pathlib import Path
from typing import Annotated

import typer

from cli.botspec.option import DEFAULT_BOT, BotOption, bot_file
from cli.local_mesh.nats_config import ALWAYS, check_sync_interval
from cli.local_mesh.options import (
    MAX_SEED,
    FlowControl,
    MeshOptions,
    check_run_id,
    check_speed,
    check_start_time,
    parse_settings,
)
from cli.local_mesh.ports import COLLECTOR_PORTS, DEFAULT_PORTS, choose_ports, parse_ports

Scenario = Annotated[
    Path | None, typer.Option(metavar="FILE", help="What happens in the world, as YAML; default: the simulator's own.")
]
StateDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Keep the state here and go on from it; default: a temporary one, removed at the end."
    ),
]


def up(
    *,
    scenario: Scenario = None,
    bot: BotOption = DEFAULT_BOT,
    state_dir: StateDir = None,
    speed: Annotated[
        str | None, typer.Option(metavar="FACTOR|max", help="Simulation seconds per second; max: as fast as possible.")
    ] = None,
    flow_control: Annotated[
        FlowControl | None,
        typer.Option(help="live: the simulation never waits; lossless: it waits for its required readers."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=MAX_SEED, help="Seed of every random draw.")] = None,
    run_id: Annotated[str | None, typer.Option(metavar="UUID", help="The run's id; default: a new one.")] = None,
    start_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="Simulation time of tick 0, such as 2026-01-01T00:00:00Z.")
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PORT",
            envvar="QIKI_UP_PORTS",
            help=f"Listen elsewhere; may be repeated. Names: {', '.join([*DEFAULT_PORTS, *COLLECTOR_PORTS])}.",
        ),
    ] = None,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Take free ports where no --port is given.")] = False,
    new_run: Annotated[
        bool,
        typer.Option(
            "--new-run", help="Move the run in the state directory away and begin a new one; the records stay."
        ),
    ] = False,
    trace: Annotated[
        bool, typer.Option("--trace", help="Collect the traces of all services; `qiki trace` shows them.")
    ] = False,
    nats_sync: Annotated[
        str,
        typer.Option(
            metavar="always|TIME", help="When NATS syncs to the disk: before each acknowledgement, or so often."
        ),
    ] = ALWAYS,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SERVICE.KEY=VALUE", help="Any other setting of a service; may be repeated."),
    ] = None,
) -> None:
    """Run NATS and all services on this machine until Ctrl-C; a second Ctrl-C ends them at once.

    A service that dies is restarted. All listen on 127.0.0.1 only; endpoints.json in the state directory says where.
    """
    options = MeshOptions(
        state_dir=state_dir,
        scenario=scenario and scenario.absolute(),
        bot_spec=bot_file(bot),
        speed=check_speed(speed),
        flow_control=flow_control,
        seed=seed,
        run_id=check_run_id(run_id),
        start_time=check_start_time(start_time),
        settings=parse_settings(setting or (), trace=trace),
        nats_sync_interval=check_sync_interval(nats_sync),
        new_run=new_run,
        trace=trace,
    )
    given = parse_ports(port or ())
    from cli.local_mesh.run import run  # noqa: PLC0415 - other commands must start without its dependencies

    run(options, choose_ports(given, free_ports, trace=trace))
