"""The option that all commands about NATS share."""

from typing import Annotated, Final

import typer

NatsUrl = Annotated[
    str, typer.Option("--nats-url", metavar="URL", envvar="QIKI_NATS_URL", help="Where the NATS server listens.")
]
DEFAULT_NATS_URL: Final = "nats://127.0.0.1:4222"
