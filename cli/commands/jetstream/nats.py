"""`qiki nats`: the JetStream streams of the mesh, dead letters, and the deletion of a run that blocks later runs."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from cli.botspec.option import DEFAULT_BOT, BotOption, bot_file
from cli.commands.jetstream.dlq import dlq
from cli.commands.jetstream.options import DEFAULT_NATS_URL, NatsUrl

nats = typer.Typer(help="Create and check the JetStream streams, and see the dead letters.", no_args_is_help=True)
nats.add_typer(dlq, name="dlq")

SizeFactor = Annotated[
    float,
    typer.Option(metavar="FACTOR", help="Scale the retained bytes to the available disk; 1 is 3.9 GiB for qiki-01."),
]
Replicas = Annotated[int, typer.Option(help="Copies of each stream: 1, or 3 or 5 in a cluster.")]


@nats.command()
def init(
    nats_url: NatsUrl = DEFAULT_NATS_URL,
    size_factor: SizeFactor = 1.0,
    replicas: Replicas = 1,
    bot: BotOption = DEFAULT_BOT,
) -> None:
    """Create what is missing, update what may be updated, and report the changes."""
    from cli.local_mesh.files import load_bot  # noqa: PLC0415
    from cli.local_mesh.jetstream import init_topology  # noqa: PLC0415 - others must start without it

    done = asyncio.run(init_topology(nats_url, load_bot(bot_file(bot)).spec, size_factor, replicas))
    for line in done or ["Nothing to do: all streams and durables are as declared."]:
        print(line)


@nats.command()
def check(
    nats_url: NatsUrl = DEFAULT_NATS_URL,
    size_factor: SizeFactor = 1.0,
    replicas: Replicas = 1,
    bot: BotOption = DEFAULT_BOT,
) -> None:
    """Compare the server with what is declared; show each difference and exit with status 1 if there is one."""
    from cli.local_mesh.files import load_bot  # noqa: PLC0415
    from cli.local_mesh.jetstream import check_topology  # noqa: PLC0415 - others must start without it

    differences = asyncio.run(check_topology(nats_url, load_bot(bot_file(bot)).spec, size_factor, replicas))
    for line in differences:
        print(line)
    if differences:
        count = "1 difference" if len(differences) == 1 else f"{len(differences)} differences"
        print(f"{count}; `qiki nats init` creates what is missing and updates what may be.")
        raise typer.Exit(1)
    print("All streams and durables are as declared.")


@nats.command()
def permissions(bot: BotOption = DEFAULT_BOT) -> None:
    """Print the users of nats-server that the BotSpec implies, each with its permissions, as nats-server reads them."""
    from adapters.jetstream.topology.permissions import server_config  # noqa: PLC0415 - others must start without it
    from cli.local_mesh.files import load_bot  # noqa: PLC0415

    print(server_config(load_bot(bot_file(bot)).spec), end="")


@nats.command("drop-run")
def drop_run(
    run_id: Annotated[UUID, typer.Argument(metavar="RUN_ID", help="The run, as the bridge's error names it.")],
    nats_url: NatsUrl = DEFAULT_NATS_URL,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, show what would be deleted.")] = False,
    bot: BotOption = DEFAULT_BOT,
) -> None:
    """Delete a run from the end of every subject that ends in it, for ever.

    The way on where a run that was made while a clock was ahead keeps the bridge from publishing the runs after it.
    """
    from cli.commands.jetstream.drop_run import drop_run as drop  # noqa: PLC0415 - others must start without it

    for line in asyncio.run(drop(nats_url, str(run_id), bot_file(bot), confirmed=yes)):
        print(line)
