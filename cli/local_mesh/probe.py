"""Status queries to a running process: gRPC health, and the JSON of its `/healthz`."""

import asyncio
import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

RETRY_S = 0.1
HTTP_TIMEOUT_S = 2.0
MAX_BODY_BYTES = 262_144

# All targets are on this machine, so the environment's proxy does not apply. The short backoff detects a starting
# service soon.
LOCAL_CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """Status report of a service: a status, a sentence, and facts by name.

    `status` is SERVING or NOT_SERVING as reported, or UNREACHABLE where the service gave no usable answer.
    """

    name: str
    status: str
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)


async def until_serving(target: str, note: Callable[[str], None]) -> None:
    """Return once the gRPC server at `target` (host:port) reports SERVING for the whole process.

    Retries for ever: the caller sets the deadline. `note` receives the reason of each failure.
    """
    async with grpc.aio.insecure_channel(target, options=LOCAL_CHANNEL_OPTIONS) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while True:
            note(f"no gRPC connection to {target}")
            call = stub.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)  # type: ignore[attr-defined]  # its types name no methods
            try:
                async for response in call:
                    if response.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                    note(
                        f"health at {target} says {health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)}"
                    )
            except grpc.aio.AioRpcError as error:
                note(f"health at {target} answered {error.code().name}: {error.details()}")
            finally:
                call.cancel()
            await asyncio.sleep(RETRY_S)


async def until_http_ok(port: int, path: str, note: Callable[[str], None]) -> None:
    """Return once GET http://127.0.0.1:port/path answers 200. Retries for ever: the caller sets the deadline."""
    while True:
        try:
            code, body = await asyncio.to_thread(_get, port, path)
        except (OSError, http.client.HTTPException) as error:
            note(f"http://127.0.0.1:{port}{path}: {error}")
        else:
            if code == http.client.OK:
                return
            note(f"http://127.0.0.1:{port}{path} answered {code}: {body.decode(errors='replace').strip()[:200]}")
        await asyncio.sleep(RETRY_S)


async def ask(port: int, path: str) -> tuple[int, bytes] | None:
    """Return status and body of GET http://127.0.0.1:port/path, or None if there is no answer."""
    try:
        return await asyncio.to_thread(_get, port, path)
    except (OSError, http.client.HTTPException):
        return None


async def read_status(name: str, http_port: int) -> ServiceStatus:
    """Return the status from the service's `/healthz` on 127.0.0.1, or UNREACHABLE with the reason."""
    try:
        _, body = await asyncio.to_thread(_get, http_port, "/healthz")
    except (OSError, http.client.HTTPException) as error:
        return ServiceStatus(name, "UNREACHABLE", f"no answer on port {http_port}: {error}")
    return parse_status(name, body)


def parse_status(name: str, body: bytes) -> ServiceStatus:
    """Parse a `/healthz` body into a status; return UNREACHABLE if it is not one."""
    try:
        answer = json.loads(body)
        status, detail, facts = answer["status"], answer.get("detail", ""), answer.get("facts", {})
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServiceStatus(name, "UNREACHABLE", "its /healthz does not answer in the form that is known")
    if status not in ("SERVING", "NOT_SERVING") or not isinstance(detail, str) or not isinstance(facts, dict):
        return ServiceStatus(name, "UNREACHABLE", "its /healthz does not answer in the form that is known")
    return ServiceStatus(name, status, detail, facts)


def _get(port: int, path: str) -> tuple[int, bytes]:
    """GET from 127.0.0.1; http.client, unlike urllib, ignores proxies."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HTTP_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(MAX_BODY_BYTES)
    finally:
        connection.close()
