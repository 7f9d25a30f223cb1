"""The life of a service's process: set up, run its loops and its server, go away when told."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from mesh.errors import StartError
from mesh.feed import Feed
from mesh.health import Health
from mesh.http import HttpServer
from mesh.interceptor import MeshInterceptor, RpcMetrics
from mesh.logs import setup_logs
from mesh.metrics import watch_feeds
from mesh.serving import MeshServer, Mount
from mesh.settings import ServiceSettings, SettingsError
from mesh.telemetry import Telemetry

EXIT_WITH_PARENT = "QIKI_EXIT_WITH_PARENT"
EXIT_FAILED = 1
EXIT_CONFIG = 2
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What makes a service: what it serves, the feeds behind it, and the loops that fill them."""

    mounts: Sequence[Mount] = ()
    feeds: Sequence[Feed] = ()
    loops: Sequence[Callable[[], Awaitable[None]]] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Base:
    """What every service is given to build itself on."""

    health: Health
    telemetry: Telemetry


S = TypeVar("S", bound=ServiceSettings)


def run_service(settings_type: type[S], build: Callable[[S, Base], Parts]) -> NoReturn:
    """Run a service until it is told to stop; the process's exit status says how it went.

    0: stopped when told. 1: a loop failed. 2: settings or a file cannot be used, or a port is taken.
    """
    name = settings_type.service_name
    try:
        settings = settings_type.load()
        setup_logs(name, settings.log_format, settings.log_level)
        base = Base(
            Health(name, settings.stall_s),
            Telemetry(name, settings.otlp_endpoint, settings.trace_sample_ratio),
        )
        asyncio.run(_serve(settings, lambda: build(settings, base), base))
    except (StartError, SettingsError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(EXIT_CONFIG)
    except BaseExceptionGroup:
        _LOG.exception("a loop failed; the service ends so that it can be started anew")
        sys.exit(EXIT_FAILED)
    sys.exit(0)


async def _serve(settings: ServiceSettings, build: Callable[[], Parts], base: Base) -> None:
    """Run until told to stop.

    1. Build the parts; bind both ports, so that a taken one is known before anything else happens.
    2. Serve and run the loops; the first signal, or the parent's death where that is asked for, ends the wait.
    3. Say NOT_SERVING, send Draining to every stream, stop the server, then the loops, then flush the telemetry.
    """
    stop = asyncio.Event()
    _stop_on_signals(stop)
    try:
        parts = build()
    except ValueError as error:  # a file or a value that the service was given; the text names it
        raise StartError(str(error)) from error
    watch_feeds(base.telemetry.registry, parts.feeds)
    interceptor = MeshInterceptor(RpcMetrics(base.telemetry.registry), base.telemetry.tracer)
    server = MeshServer(f"{settings.host}:{settings.grpc_port}", parts.mounts, parts.feeds, base.health, interceptor)
    try:
        http = HttpServer(settings.host, settings.http_port, base.telemetry.registry, base.health)
    except OSError as error:
        raise StartError(f"cannot serve HTTP on {settings.host}:{settings.http_port}: {error.strerror}") from error
    http.start()
    try:
        await server.start()
        base.health.up()
        _LOG.info("listening", extra={"grpc": f"{settings.host}:{server.port}", "http": f"{settings.host}:{http.port}"})
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(server.watch_health()), *(group.create_task(_run(x)) for x in parts.loops)]
            await stop.wait()
            _LOG.info("draining")
            await server.drain()
            for task in tasks:
                task.cancel()
    finally:
        await server.drain()
        http.stop()
        base.telemetry.shutdown(settings.drain_s)
        _LOG.info("stopped")


async def _run(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first signal drains, the second ends the process at once."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    if os.environ.get(EXIT_WITH_PARENT) == "1":
        # The parent holds the other end of this process's standard input: its end is the parent's.
        loop.add_reader(sys.stdin.fileno(), lambda: _on_stdin(loop, stop))


def _on_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        stop.set()
