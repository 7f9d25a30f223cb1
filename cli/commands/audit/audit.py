"""`qiki audit`: follow, list, verify, prove and export the audit trail."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

audit = typer.Typer(help="Read the audit trail, and prove that nothing in it was changed.", no_args_is_help=True)

DEFAULT_TARGET = "127.0.0.1:50054"
Target = Annotated[
    str, typer.Option("--target", metavar="HOST:PORT", envvar="QIKI_REGISTRAR", help="Where the registrar listens.")
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="FILE|TEXT", help="The log's public key, from a place other than the log."),
]
Kept = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", metavar="FILE", help="A checkpoint that was kept elsewhere; may be repeated."),
]
Code = Annotated[list[int] | None, typer.Option("--code", metavar="N", help="Only this code; may be repeated.")]
Reporter = Annotated[
    list[str] | None, typer.Option("--reporter", metavar="NAME", help="Only this reporter; may be repeated.")
]
Severity = Annotated[
    str | None, typer.Option("--severity", metavar="NAME", help="At least this: info, warning, error or critical.")
]
Codes = Annotated[str | None, typer.Option("--codes", metavar="FROM-TO", help="Only codes in this range: 600-699.")]
Text = Annotated[str | None, typer.Option("--text", help="Only with this text in the message or an attribute.")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="Recorded at this UTC time or later.")]
Before = Annotated[str | None, typer.Option("--before", metavar="TIME", help="Recorded before this UTC time.")]
Index = Annotated[int, typer.Argument(min=1, metavar="N", help="The event's sequence.")]


@audit.command()
def tail(
    target: Target = DEFAULT_TARGET,
    code: Code = None,
    reporter: Reporter = None,
    severity: Severity = None,
    *,
    from_oldest: Annotated[
        bool, typer.Option("--from-oldest", help="Begin with the first event, not with now.")
    ] = False,
) -> None:
    """Print events as they are recorded, until Ctrl-C."""
    from cli.commands.audit.reading import make_filter, tail_lines  # noqa: PLC0415 - others must start without it

    asyncio.run(
        tail_lines(target, make_filter(codes=code, reporters=reporter, severity=severity), from_oldest=from_oldest)
    )


@audit.command("list")
def list_events(
    *,
    target: Target = DEFAULT_TARGET,
    code: Code = None,
    reporter: Reporter = None,
    severity: Severity = None,
    codes: Codes = None,
    text: Text = None,
    since: Since = None,
    before: Before = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Print so many at most.")] = 100,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="Oldest first instead of newest first.")] = False,
) -> None:
    """Print recorded events, newest first."""
    from cli.commands.audit.reading import list_lines, make_filter  # noqa: PLC0415 - others must start without it

    wanted = make_filter(
        codes=code, reporters=reporter, severity=severity, since=since, before=before, code_range=codes, text=text
    )
    asyncio.run(list_lines(target, wanted, limit, newest_first=not oldest_first))


@audit.command()
def verify(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="The log: `audit` in the state directory.")],
    key: Key = None,
    checkpoint: Kept = None,
) -> None:
    """Verify a log's files, without the registrar and without writing.

    Exit status: 0 all that checkpoints cover is as it was signed; 3 a record was changed, 4 removed, 5 reordered, 6
    inserted; 7 the log went back behind a kept checkpoint; 8 nothing can be verified; 9 only the stored tree differs.
    """
    from cli.commands.audit.verifying import run_verify  # noqa: PLC0415 - others must start without it

    raise typer.Exit(run_verify(directory, key, checkpoint or []))


@audit.command()
def prove(index: Index, target: Target = DEFAULT_TARGET, key: Key = None, checkpoint: Kept = None) -> None:
    """Fetch the proof that an event is in the log, and verify it; also that the log grew from kept checkpoints."""
    from cli.commands.audit.proving import run_prove  # noqa: PLC0415 - others must start without it

    asyncio.run(run_prove(target, index, key, checkpoint or []))


@audit.command()
def export(
    index: Index,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the proof.")],
    target: Target = DEFAULT_TARGET,
) -> None:
    """Write an event with its proof to a file that anyone can check with the log's public key: docs/check_proof.py."""
    from cli.commands.audit.proving import run_export  # noqa: PLC0415 - others must start without it

    asyncio.run(run_export(target, index, output))
