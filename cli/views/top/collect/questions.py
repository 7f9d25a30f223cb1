"""The questions to one service: gRPC health, `/healthz` and `/metrics`, at the same time and each bounded."""

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.local_mesh.probe import LOCAL_CHANNEL_OPTIONS
from cli.views.top.collect.endpoints import Endpoint
from cli.views.top.collect.http import OK, HttpError, get
from cli.views.top.model import metric_names as names
from cli.views.top.model.answer import NOT_SERVING, SERVING, UNREACHABLE, Answer
from cli.views.top.model.enums import enum_name
from cli.views.top.model.metrics import Metrics, MetricsError, parse_metrics

LIMIT_S: Final = 2.0
_STATUS: Final = health_pb2.HealthCheckResponse.ServingStatus.DESCRIPTOR


class Asker:
    """The channel to one service, made again where its address changes. Use it as an async context manager."""

    def __init__(self) -> None:
        self._target = ""
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> "Asker":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def ask(self, endpoint: Endpoint) -> Answer:
        """Return the answers of a service, within LIMIT_S and a moment."""
        if not endpoint.grpc:
            return await _ask_nats(endpoint)
        health, facts, metrics = await asyncio.gather(
            self._health(endpoint.grpc), _healthz(endpoint.http), _metrics(endpoint.http)
        )
        status, reason = health
        detail, known = facts if facts is not None else ("", None)
        if status != UNREACHABLE and not reason:
            reason = detail if facts is not None else "/healthz does not answer"
        return Answer(endpoint.name, time.monotonic(), status, reason, endpoint.pid, known, metrics)

    async def _health(self, target: str) -> tuple[str, str]:
        """Return the health status and, where there is none, the reason."""
        if self._channel is None or target != self._target:
            if self._channel is not None:
                await self._channel.close()
            self._target, self._channel = target, grpc.aio.insecure_channel(target, options=LOCAL_CHANNEL_OPTIONS)
        stub = health_pb2_grpc.HealthStub(self._channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=LIMIT_S)  # type: ignore[attr-defined]  # its types name no methods
        except grpc.aio.AioRpcError as error:
            return UNREACHABLE, _explain(error, target)
        return enum_name(_STATUS, answer.status, ""), ""


def _explain(error: grpc.aio.AioRpcError, target: str) -> str:
    match error.code():
        case grpc.StatusCode.UNAVAILABLE:
            return f"no connection to {target}"
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"no answer from {target} within {LIMIT_S:g} s"
    return f"{target} answered {error.code().name}: {error.details()}"


async def _healthz(address: str) -> tuple[str, Mapping[str, Any]] | None:
    """Return detail and facts; None where `/healthz` gives no usable answer."""
    try:
        _, body = await get(address, "/healthz", LIMIT_S)
        answer = json.loads(body)
        detail, facts = answer.get("detail", ""), answer.get("facts", {})
    except (HttpError, ValueError, AttributeError, RecursionError):
        return None
    return (detail, facts) if isinstance(detail, str) and isinstance(facts, dict) else None


async def _metrics(address: str) -> Metrics | None:
    """Return the metrics; None where `/metrics` gives no usable answer."""
    try:
        status, body = await get(address, "/metrics", LIMIT_S)
        return await asyncio.to_thread(parse_metrics, body) if status == OK else None
    except (HttpError, MetricsError):
        return None


async def _ask_nats(endpoint: Endpoint) -> Answer:
    """Return health and figures of nats-server, from its monitor."""
    try:
        status, body = await get(endpoint.http, "/healthz?js-enabled-only=true", LIMIT_S)
        _, varz = await get(endpoint.http, "/varz", LIMIT_S)
    except HttpError as error:
        return Answer(endpoint.name, time.monotonic(), UNREACHABLE, str(error), endpoint.pid)
    serving = status == OK
    reason = "JetStream is enabled" if serving else body.decode("utf-8", "replace").strip()
    health = SERVING if serving else NOT_SERVING
    return Answer(endpoint.name, time.monotonic(), health, reason, endpoint.pid, {}, parse_varz(varz))


def parse_varz(body: bytes) -> Metrics | None:
    """Return the figures of nats-server's `/varz` under the names of a process' metrics; None where it is not one."""
    try:
        found = json.loads(body)
        started = datetime.fromisoformat(found["start"])
        values = {
            names.NATS_CPU_PERCENT: float(found["cpu"]),
            names.PROCESS_RESIDENT_BYTES: float(found["mem"]),
            names.NATS_MESSAGES: float(found["in_msgs"]),
            names.PROCESS_START_SECONDS: started.timestamp(),
        }
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return Metrics.of(**values)
