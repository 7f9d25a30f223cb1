"""The lifecycle of a service's process: set up, run its loops and its server, stop on request."""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn, TypeVar

from mesh import failpoints
from mesh.feeds.feed import Feed
from mesh.serving.ending import EndWatch, ask_to_stop
from mesh.serving.errors import StartError
from mesh.serving.health import Health
from mesh.serving.http import HttpServer
from mesh.serving.interceptor import MeshInterceptor
from mesh.serving.ports import await_port
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.serving.server import Drainable, GrpcService, MeshServer
from mesh.serving.stalls import StallWatch
from mesh.settings import ServiceSettings, SettingsError
from mesh.tasks import cleanup
from mesh.telemetry.event_loop import EventLoopWatch
from mesh.telemetry.feed_metrics import watch_feeds
from mesh.telemetry.logs import setup_logs
from mesh.telemetry.service_metrics import watch_audit, watch_service
from mesh.telemetry.telemetry import Telemetry
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import BOOT_OK, FAULT, SHUTDOWN
from qiki_sdk.spool.files import SpoolInUseError

EXIT_FAILED = 1
EXIT_CONFIG = 2
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """The parts of a service: the gRPC services, their feeds and other streams, and the loops that fill them."""

    mounts: Sequence[GrpcService] = ()
    feeds: Sequence[Feed] = ()
    streams: Sequence[Drainable] = ()
    loops: Sequence[Callable[[], Awaitable[None]]] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """Common objects that every service is built from; `resources` are closed when the process ends."""

    health: Health
    telemetry: Telemetry
    audit: AuditReporter
    resources: ExitStack = field(default_factory=ExitStack)


S = TypeVar("S", bound=ServiceSettings)


def run_service(settings_type: type[S], build: Callable[[S, ServiceContext], ServiceParts]) -> NoReturn:
    """Run a service until it is asked to stop; the exit status gives the outcome.

    0: stopped on request. 1: a loop failed. 2: settings or a file cannot be used, or a port is taken. 3: the process
    did not end within 4.5 s and was ended by force. 128 and a signal's number: a second signal ended it immediately.
    """
    name = settings_type.service_name
    try:
        failpoints.arm(os.environ)
        settings = settings_type.load()
        setup_logs(name, settings.log_format, settings.log_level)
        service = ServiceContext(
            Health(name, settings.stall_s),
            Telemetry(name, settings.traces()),
            AuditReporter(settings.registrar_target, name),
        )
        with service.resources:
            asyncio.run(_serve(settings, lambda: build(settings, service), service))
    except (StartError, SettingsError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(EXIT_CONFIG)
    except BaseExceptionGroup:
        _LOG.exception("a loop failed; the service ends so that it can be started again")
        sys.exit(EXIT_FAILED)
    sys.exit(0)


async def _serve(settings: ServiceSettings, build: Callable[[], ServiceParts], service: ServiceContext) -> None:
    """Run until asked to stop.

    1. Build the parts; bind both ports, so that a taken one is known before anything else happens. A port used by a
       connection is waited for.
    2. Serve and run the loops; the first signal, or the parent's death where that is configured, ends the wait.
    3. Report NOT_SERVING, send Draining to every stream, stop the server, then the loops, then flush the telemetry.

    From the first signal, or from a loop's failure on, the watch ends the process by force if this exceeds its limit.
    """
    stop = asyncio.Event()
    ending = EndWatch(ask_to_stop(asyncio.get_running_loop(), stop))
    ending.start()
    try:
        parts = build()
    except ValueError as error:  # an unusable configuration file or value; the text names it
        raise StartError(str(error)) from error
    keep_audit_events(settings, service.audit)
    event_loop = watch_process(settings, parts, service)
    for feed in parts.feeds:
        feed.blockage.report = service.audit.report
    interceptor = MeshInterceptor(RpcMetrics(service.telemetry.registry), service.telemetry)
    drainable = (*parts.feeds, *parts.streams)
    server = MeshServer(f"{settings.host}:{settings.grpc_port}", parts.mounts, drainable, service.health, interceptor)
    for port in (settings.http_port, settings.grpc_port):
        if not await await_port(settings.host, port, stop) and stop.is_set():
            return
    try:
        http = HttpServer(settings.host, settings.http_port, service.telemetry.registry, service.health)
    except OSError as error:
        raise StartError(
            f"cannot serve HTTP on {settings.host}:{settings.http_port}: {error.strerror}; "
            "choose another port with the setting http_port"
        ) from error
    http.start()
    try:
        await server.start()
        service.health.up()
        _LOG.info("listening", extra={"grpc": f"{settings.host}:{server.port}", "http": f"{settings.host}:{http.port}"})
        async with asyncio.TaskGroup() as group:
            loops = [
                server.watch_health,
                event_loop.run,
                StallWatch(service.health, service.audit.report).run,
                *parts.loops,
            ]
            if settings.registrar_target:
                loops.append(service.audit.run)
                service.health.facts_from(lambda: _undelivered(service.audit))
            tasks = [group.create_task(_run(loop, ending, service.audit)) for loop in loops]
            service.audit.report(BOOT_OK, version=version("qiki-mesh"), grpc_port=server.port)
            await stop.wait()
            _LOG.info("draining")
            service.audit.report(SHUTDOWN)
            await server.drain()
            for task in tasks:
                task.cancel()
    finally:
        await cleanup(server.drain())
        http.stop()
        service.telemetry.shutdown(settings.drain_s)
        _LOG.info("stopped")


def watch_process(settings: ServiceSettings, parts: ServiceParts, service: ServiceContext) -> EventLoopWatch:
    """Export the metrics that every service has; return the watch of the event loop, which is to run on it."""
    registry = service.telemetry.registry
    state_dir: Path | None = getattr(settings, "state_dir", None)  # some services keep no state
    watch_service(registry, service.health, state_dir)
    watch_feeds(registry, parts.feeds)
    watch_audit(registry, service.audit, delivers=bool(settings.registrar_target))
    return EventLoopWatch(registry)


def keep_audit_events(settings: ServiceSettings, audit: AuditReporter) -> None:
    """Keep audit events in the spool's directory, where there is one, until the registrar has them.

    Raises:
        StartError: the directory cannot be used.
    """
    directory = settings.audit_spool()
    if directory is None or not settings.registrar_target:
        return
    try:
        audit.keep_in(directory)
    except SpoolInUseError as error:
        raise StartError(f"{error}, with the setting spool_dir") from error
    except OSError as error:
        raise StartError(
            f"the spool directory {directory} cannot be used: {error.strerror or error}; "
            "name another with the setting spool_dir"
        ) from error


def _undelivered(audit: AuditReporter) -> dict[str, object]:
    """Return the number of audit events that the registrar does not have yet, if there are any."""
    waiting = audit.counts().waiting
    return {"audit_waiting": waiting} if waiting else {}


async def _run(loop: Callable[[], Awaitable[None]], ending: EndWatch, audit: AuditReporter) -> None:
    try:
        await loop()
    except Exception as error:
        # Into the spool: now, or after the restart, the registrar learns of it.
        audit.report(FAULT, f"a loop failed: {type(error).__name__}: {error}", loop=getattr(loop, "__qualname__", ""))
        ending.begin()  # the other loops are cancelled now, and one may not end
        raise
