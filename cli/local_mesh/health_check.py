"""One gRPC health check, with the reason in plain words where there is no answer."""

from typing import cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.errors import CliError
from cli.local_mesh.probe import LOCAL_CHANNEL_OPTIONS


def check(target: str, service: str, timeout_s: float) -> str:
    """Return the name of the status that the server reports. Raises CliError where it reports none in time."""
    with grpc.insecure_channel(target, options=LOCAL_CHANNEL_OPTIONS) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            request = health_pb2.HealthCheckRequest(service=service)
            answer = stub.Check(request, timeout=timeout_s)  # type: ignore[attr-defined]  # its types name no methods
        except grpc.RpcError as error:
            call = cast(grpc.Call, error)  # the exception of a stub is a call too
            raise CliError(_explain(call.code(), call.details(), target, service, timeout_s)) from None
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _explain(code: object, details: str | None, target: str, service: str, timeout_s: float) -> str:
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return f"{target} cannot be reached. Is it running there? `qiki up` shows where its services listen."
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"{target} gave no answer within {timeout_s:g} s. Try a longer --timeout, or look at its log."
        case grpc.StatusCode.NOT_FOUND:
            return f"{target} knows no service {service!r}. Leave --service out to ask about the whole process."
        case grpc.StatusCode.UNIMPLEMENTED:
            return f"{target} is a gRPC server without health checks: it is none of the mesh's services."
    return f"{target} answered {code}: {details}"
