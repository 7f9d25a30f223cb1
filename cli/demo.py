"""`qiki demo`: a whole run as fast as possible, and the proof that every event arrived once."""

from cli.options import MeshOptions, Pace
from cli.up import BotSpecFile, Scenario, StateDir


def demo(*, scenario: Scenario = None, bot_spec: BotSpecFile = None, state_dir: StateDir = None) -> None:
    """Run a scenario to its end as fast as possible, then count: every event emitted is in JetStream, once, in order.

    Listens on free ports of 127.0.0.1 only. Exit status 1 where something is missing, twice, or out of order.
    """
    options = MeshOptions(
        state_dir=state_dir,
        scenario=scenario and scenario.absolute(),
        bot_spec=bot_spec and bot_spec.absolute(),
        speed="max",
        pace=Pace.LOSSLESS,
    )
    from cli.run_demo import run  # noqa: PLC0415 - other commands must start without what this one needs

    run(options)
