"""The `qiki` command: one Typer application, one module a command."""

import typer

from cli.commands.audit.audit import audit
from cli.commands.botspec import botspec
from cli.commands.demo import demo
from cli.commands.diff import diff
from cli.commands.health import health
from cli.commands.jetstream.nats import nats
from cli.commands.new_run import new_run
from cli.commands.recording import recording
from cli.commands.replay import replay
from cli.commands.scenario import scenario
from cli.commands.top import top
from cli.commands.trace import trace
from cli.commands.up import up
from cli.commands.version import version


def build_app() -> typer.Typer:
    """Return the application with all its commands.

    Each command imports its dependencies when it runs, so that `qiki health` starts fast.
    """
    app = typer.Typer(
        name="qiki",
        help="A digital twin of a robotic craft and the space around it: run it, look at it, check it.",
        epilog="`qiki demo` shows the whole mesh at work in a minute. `qiki up` keeps one running. "
        "Exit status: 0 done, 1 failed, 2 asked for wrongly and nothing started.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in (up, top, demo, replay, diff, health, new_run):
        app.command()(command)
    app.add_typer(trace, name="trace")
    app.add_typer(audit, name="audit")
    app.add_typer(nats, name="nats")
    app.add_typer(botspec, name="botspec")
    app.add_typer(recording, name="recording")
    app.add_typer(scenario, name="scenario")
    app.command()(version)
    return app
