"""`qiki health`: one gRPC health check, for people, scripts and container probes."""

from typing import Annotated

import typer

from cli.errors import UsageError


def health(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Where the service listens, such as 127.0.0.1:50051.")
    ],
    service: Annotated[
        str, typer.Option(help="Full name of one of its services, such as qiki.sim.v1.SimService; default: the whole.")
    ] = "",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for an answer.")] = 3.0,
) -> None:
    """Ask a service whether it is SERVING; exit status 0 if it is, 1 if not."""
    if not 0.0 < timeout <= 3600.0:
        raise UsageError("--timeout: seconds, above 0 and at most 3600.")
    host, colon, port = target.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65_535):
        raise UsageError(f"TARGET {target}: expected HOST:PORT, such as 127.0.0.1:50051.")
    from cli.local_mesh.health_check import check  # noqa: PLC0415 - other commands must start without gRPC

    status = check(target, service, timeout)
    print(f"{service or target}: {status}")
    if status != "SERVING":
        raise typer.Exit(1)
