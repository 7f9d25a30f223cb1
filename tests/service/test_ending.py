"""The end of a process that cannot end by itself: forced, whatever the process does, with the reason in the log."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mesh.serving.ending import EXIT_FORCED

pytestmark = pytest.mark.asyncio
WAIT_S = 30.0

SERVICE = """
import asyncio, sys, threading, time
from mesh.serving.runtime import ServiceParts, run_service
from mesh.settings import ServiceSettings
from pydantic_settings import SettingsConfigDict

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="STUCK_")
    service_name = "stuck"

async def ready():
    print("ready", flush=True)

async def blocks_the_event_loop():
    await ready()
    time.sleep(600)

async def swallows_every_cancellation():
    await ready()
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass

async def leaves_a_thread_behind():
    threading.Thread(target=time.sleep, args=(600,)).start()
    await ready()
    await asyncio.sleep(600)

async def waits():
    await ready()
    await asyncio.sleep(600)

async def fails_beside_one_that_swallows():
    asyncio.get_running_loop().call_later(0.1, failing.set)
    await swallows_every_cancellation()

async def fails():
    await failing.wait()
    raise ValueError("a loop failed")

failing = asyncio.Event()
loops = [globals()[sys.argv[1]], fails]
run_service(Settings, lambda settings, service: ServiceParts(loops=loops))
"""


@asynccontextmanager
async def service(doing: str) -> AsyncIterator[asyncio.subprocess.Process]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("QIKI_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVICE, doing),
        env={**kept, "STUCK_REGISTRAR_TARGET": "", "STUCK_LOG_FORMAT": "json", "QIKI_EXIT_WITH_PARENT": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            assert await process.stdout.readline() == b"ready\n", (await process.communicate())[1].decode()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def end_of(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Return the exit status and the log of a process that ends."""
    assert process.stderr is not None
    async with asyncio.timeout(WAIT_S):
        said = await process.stderr.read()
        return await process.wait(), said.decode()


@pytest.mark.parametrize("doing", ["blocks_the_event_loop", "swallows_every_cancellation", "leaves_a_thread_behind"])
async def test_a_signal_ends_a_process_that_is_stuck_and_the_log_shows_where(doing: str) -> None:
    async with service(doing) as process:
        process.send_signal(signal.SIGTERM)
        status, log = await end_of(process)
    assert status == EXIT_FORCED
    assert "the process did not end in time" in log
    assert "most recent call first" in log


async def test_the_parents_death_ends_a_process_that_is_stuck() -> None:
    async with service("blocks_the_event_loop") as process:
        assert process.stdin is not None
        process.stdin.close()
        status, _log = await end_of(process)
    assert status == EXIT_FORCED


async def test_a_stopped_process_ends_once_it_continues() -> None:
    async with service("blocks_the_event_loop") as process:
        assert process.stdin is not None
        process.send_signal(signal.SIGSTOP)
        process.stdin.close()
        process.send_signal(signal.SIGCONT)
        status, _log = await end_of(process)
    assert status == EXIT_FORCED


async def test_a_second_signal_ends_a_blocked_process_at_once() -> None:
    async with service("blocks_the_event_loop") as process:
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)  # so that two signals arrive; a pending one swallows another of its kind
        process.send_signal(signal.SIGTERM)
        status, _log = await end_of(process)
    assert status == 128 + signal.SIGTERM


async def test_a_failed_loop_ends_the_process_although_another_loop_does_not_end() -> None:
    async with service("fails_beside_one_that_swallows") as process:
        status, _log = await end_of(process)
    assert status == EXIT_FORCED


async def test_a_process_that_ends_by_itself_is_not_forced() -> None:
    async with service("waits") as process:
        process.send_signal(signal.SIGTERM)
        status, log = await end_of(process)
    assert status == 0
    assert "did not end in time" not in log
