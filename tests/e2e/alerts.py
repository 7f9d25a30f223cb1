"""Check of the alerts with a real Prometheus: `make alerts PROMETHEUS=path`.

Prometheus scrapes a live mesh with the rules of deploy/prometheus, scaled in time. Every process in turn is stopped
(SIGSTOP) until its alerts fire, and continued until nothing fires. Then a message is dead-lettered, and all queries of
the dashboards are run once.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nats
from prometheus import Prometheus, QueryError, prometheus
from scaled_rules import write_config

from chain import chain, until
from checks.observability import DASHBOARDS, ROOT, RULES, Expression, expressions, metric_names
from cli.local_mesh.mesh import Mesh

SERVICES = ("sim", "radar", "tracker", "registrar", "bridge", "archive")
FACTOR, INTERVAL = 1 / 15, "1s"  # a minute is 4 s
LIMIT_S = 300.0
CALM_S = 10
# Lossless producers wait some 7 s after the tracker has stopped: half of the retention at this speed.
SPEED = "4"
SETTINGS = (("radar", "RETENTION_S", "60"), ("tracker", "CHECKPOINT_PERIOD_S", "5"))
# Counted by label from the first occurrence on, and in this mesh there is none; nor are spans exported.
ABSENT = frozenset(
    {"qiki_commands_answered_total", "qiki_commands_dead_letters_total", "qiki_spans_total"}
    | {"qiki_tracker_track_frames_total", "qiki_tracker_track_frames_refused_total"}
)
# Seconds within which a query may get its first data.
QUERY_TRIES = 30


@dataclass(frozen=True, slots=True)
class Case:
    """A process that is stopped, and the labels of the alerts that must fire."""

    process: str
    expected: tuple[Mapping[str, str], ...]


def _down(job: str) -> Mapping[str, str]:
    return {"alertname": "ServiceDown", "job": job}


CASES = (
    Case("radar", (_down("radar"), {"alertname": "NoFrames"})),
    Case("tracker", (_down("tracker"), {"alertname": "ProducerBlocked", "feed": "frames", "reader": "tracker"})),
    Case("nats", ({"alertname": "StoringStalled"}, {"alertname": "ServiceNotServing", "job": "bridge"})),
    Case("bridge", (_down("bridge"),)),
    Case("sim", (_down("sim"),)),
    Case("registrar", (_down("registrar"),)),
    Case("archive", (_down("archive"),)),
)


def main(program: str) -> int:
    """Run the check; return the exit status."""
    try:
        asyncio.run(_bounded(program))
    except (CheckError, AssertionError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    print("every alert expected has fired and resolved")
    return 0


class CheckError(Exception):
    """A failed check; the text names it."""


async def _bounded(program: str) -> None:
    try:
        async with asyncio.timeout(LIMIT_S):
            with tempfile.TemporaryDirectory(prefix="qiki-alerts-") as name:
                await _check(program, Path(name))
    except TimeoutError:
        raise CheckError(f"not done within {LIMIT_S:g} s; the last line above says at what") from None


async def _check(program: str, directory: Path) -> None:
    async with chain(directory, 1_000_000.0, speed=SPEED, settings=SETTINGS) as mesh:
        config = write_config(
            directory, ROOT / RULES, FACTOR, INTERVAL, {each: mesh.ports[f"{each}-http"] for each in SERVICES}
        )
        with prometheus(program, config, directory / "prometheus.log") as server:
            await _until_calm(server)
            for case in CASES:
                await _try(case, mesh, server)
            await _dead_letter(mesh, server)
            await _ask_dashboards(server)


async def _until_calm(server: Prometheus) -> None:
    """Wait until all services answer and nothing has fired for a while after the start."""
    print("waiting until Prometheus scrapes all services and no alert fires", flush=True)
    await until(lambda: server.all_up(len(SERVICES)), "Prometheus scrapes all services")
    await asyncio.sleep(CALM_S)
    fired = await asyncio.to_thread(server.query, f'count_over_time(ALERTS{{alertstate="firing"}}[{CALM_S // 2}s])')
    if fired:
        raise CheckError(f"alerts fire although all is well: {[sample['metric'] for sample in fired]}")


async def _try(case: Case, mesh: Mesh, server: Prometheus) -> None:
    """Stop a process until its alerts fire, and continue it until none does."""
    began = time.monotonic()
    with _stopped(int(mesh.endpoints()[case.process]["pid"])):
        for labels in case.expected:
            print(f"{case.process} is stopped; waiting for {dict(labels)}", flush=True)
            await until(partial(_fires, server, labels), f"{dict(labels)} fires")
    fired = time.monotonic()
    print(f"{case.process} runs again after {fired - began:.0f} s; waiting until no alert fires", flush=True)
    await until(lambda: not server.firing(), "no alert fires")
    print(f"{case.process}: fired within {fired - began:.0f} s, resolved {time.monotonic() - fired:.0f} s later")


async def _dead_letter(mesh: Mesh, server: Prometheus) -> None:
    """Publish an event that nobody can read, and wait for its alert, which clears only much later."""
    client = await nats.connect(f"nats://127.0.0.1:{mesh.ports['nats']}")
    try:
        await client.jetstream().publish("qiki.events.v1.unreadable", b"{")
    finally:
        await client.close()
    print("an unreadable event is published; waiting for DeadLetters", flush=True)
    await until(partial(_fires, server, {"alertname": "DeadLetters"}), "DeadLetters fires")


def _fires(server: Prometheus, labels: Mapping[str, str]) -> bool:
    return any(labels.items() <= alert.items() for alert in server.firing())


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def _ask_dashboards(server: Prometheus) -> None:
    """Run every query of the dashboards; one that is refused, or has no data without a reason, fails."""
    asked = [each for each in expressions() if each.place.startswith(DASHBOARDS)]
    without_data = await _without_data(server, asked)
    for _ in range(QUERY_TRIES):  # a rate needs a second scrape after the first event that is counted
        if all(map(_explained, without_data)):
            break
        await asyncio.sleep(1.0)
        without_data = await _without_data(server, without_data)
    print(f"{len(asked)} queries of dashboards, {len(without_data)} of them without data here:")
    for expression in without_data:
        print(f"  {expression.place}: {expression.text}")
    if unexplained := [each for each in without_data if not _explained(each)]:
        raise CheckError(f"these should have data: {[each.place for each in unexplained]}")


async def _without_data(server: Prometheus, asked: Sequence[Expression]) -> list[Expression]:
    """Return the queries to which the answer is empty. Raises CheckError for one that is refused."""
    found = []
    for expression in asked:
        try:
            answer = await asyncio.to_thread(server.query, expression.text.replace("$__rate_interval", "15s"))
        except QueryError as error:
            raise CheckError(f"{expression.place}: {expression.text}: {error}") from error
        if not answer:
            found.append(expression)
    return found


def _explained(expression: Expression) -> bool:
    return bool(metric_names(expression.text) & ABSENT)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
