import errno

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2

from mesh.serving import errors
from mesh.serving.errors import MeshError, to_status
from qiki.common.v1.error_pb2 import ErrorReason
from qiki_sdk import errors as sdk
from qiki_sdk.errors import ERROR_DOMAIN, from_rpc_error

Status = grpc.StatusCode
# Each refusal: the status, the reason by name, and the type that the client library raises.
REFUSALS = [
    (
        errors.InvalidFieldError("every_nth", "too many"),
        Status.INVALID_ARGUMENT,
        "INVALID_FIELD",
        sdk.InvalidFieldError,
    ),
    (
        errors.TokenMalformedError("resume_token", "damaged"),
        Status.INVALID_ARGUMENT,
        "RESUME_TOKEN_MALFORMED",
        sdk.InvalidFieldError,
    ),
    (errors.ReaderUnknownError("reader", "nobody"), Status.INVALID_ARGUMENT, "READER_UNKNOWN", sdk.InvalidFieldError),
    (
        errors.RetentionTooShortError("frames", 20.0, 31.0),
        Status.INVALID_ARGUMENT,
        "RETENTION_TOO_SHORT",
        sdk.RetentionTooShortError,
    ),
    (
        errors.RequestMalformedError("x", type="qiki.sim.v1.GetRunRequest"),
        Status.INVALID_ARGUMENT,
        "REQUEST_MALFORMED",
        sdk.QikiError,
    ),
    (errors.RunChangedError("x", run_id="r"), Status.FAILED_PRECONDITION, "RUN_CHANGED", sdk.RunChangedError),
    (
        errors.HistoryDivergedError("x", sequence="3"),
        Status.FAILED_PRECONDITION,
        "HISTORY_DIVERGED",
        sdk.HistoryDivergedError,
    ),
    (errors.RunEndedError("x"), Status.FAILED_PRECONDITION, "RUN_ENDED", sdk.QikiError),
    (
        errors.TokenExpiredError("x", oldest_resume_token="t", oldest_sequence="4"),
        Status.OUT_OF_RANGE,
        "RESUME_TOKEN_EXPIRED",
        sdk.ResumeTokenExpiredError,
    ),
    (errors.RunUnknownError("x"), Status.UNAVAILABLE, "RUN_UNKNOWN", sdk.QikiError),
    (errors.ServerDrainingError("x"), Status.UNAVAILABLE, "DRAINING", sdk.QikiError),
    (errors.LimitReachedError("x", limit="256"), Status.RESOURCE_EXHAUSTED, "LIMIT_REACHED", sdk.QikiError),
    (errors.OverloadedError("x", limit="pending"), Status.RESOURCE_EXHAUSTED, "LIMIT_REACHED", sdk.QikiError),
    (
        errors.StorageFailedError("x", OSError(errno.EIO, "y")),
        Status.UNAVAILABLE,
        "STORAGE_FAILED",
        sdk.QikiError,
    ),
    (errors.TruthNotServedError("x"), Status.UNIMPLEMENTED, "TRUTH_NOT_SERVED", sdk.QikiError),
    (errors.NotFoundError("x"), Status.NOT_FOUND, "NOT_FOUND", sdk.QikiError),
    (MeshError("x", error_id="e"), Status.INTERNAL, "INTERNAL", sdk.QikiError),
]
BY_TYPE = pytest.mark.parametrize(
    ("error", "code", "reason", "typed"), REFUSALS, ids=[type(row[0]).__name__ for row in REFUSALS]
)


def received(error: MeshError, details: bytes | None = None) -> grpc.aio.AioRpcError:
    """Return the error as the client library receives it."""
    packed = to_status(error).SerializeToString() if details is None else details
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", packed))
    return grpc.aio.AioRpcError(error.code, grpc.aio.Metadata(), trailing, details=error.message)


def all_classes(base: type[MeshError]) -> set[type[MeshError]]:
    return {base}.union(*(all_classes(child) for child in base.__subclasses__()))


def test_every_refusal_of_the_mesh_is_tested_here() -> None:
    mine = {cls for cls in all_classes(MeshError) if cls.__module__ == "mesh.serving.errors"}
    assert mine == {type(row[0]) for row in REFUSALS}


def test_every_refusal_has_its_own_reason_in_the_api() -> None:
    # An overload is a limit that a retry may pass.
    others = [row for row in REFUSALS if not isinstance(row[0], errors.OverloadedError)]
    reasons = [f"ERROR_REASON_{reason}" for _error, _code, reason, _typed in others]
    assert len(set(reasons)) == len(reasons)
    assert set(reasons) <= set(ErrorReason.DESCRIPTOR.values_by_name) - {"ERROR_REASON_UNSPECIFIED"}


@BY_TYPE
def test_a_refusal_is_a_status_with_its_reason_and_facts(
    error: MeshError, code: grpc.StatusCode, reason: str, typed: type[sdk.QikiError]
) -> None:
    status = to_status(error)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert error.code is code
    assert code_pb2.Code.Name(status.code) == code.name
    assert (info.reason, info.domain) == (reason, ERROR_DOMAIN)
    assert dict(info.metadata) == dict(error.metadata)
    assert status.message == error.message == str(error)


@BY_TYPE
def test_the_client_library_raises_a_refusal_as_its_type(
    error: MeshError, code: grpc.StatusCode, reason: str, typed: type[sdk.QikiError]
) -> None:
    refusal = from_rpc_error(received(error))
    assert type(refusal) is typed
    assert (refusal.code, refusal.reason, refusal.message) == (code, reason, error.message)
    assert dict(refusal.metadata) == dict(error.metadata)
    assert str(refusal) == f"{code.name} {reason}: {error.message}"


@pytest.mark.parametrize("error", [row[0] for row in REFUSALS if isinstance(row[0], errors.InvalidFieldError)])
def test_a_wrong_field_is_named_in_a_bad_request_too(error: MeshError) -> None:
    bad_request = error_details_pb2.BadRequest()
    assert to_status(error).details[1].Unpack(bad_request)
    (violation,) = bad_request.field_violations
    assert (violation.field, violation.description) == (error.metadata["field"], error.message)


def test_a_refusal_that_a_retry_may_pass_says_after_which_delay() -> None:
    advised = {row[2]: from_rpc_error(received(row[0])).retry_delay_s for row in REFUSALS if type(row[0]).retry_delay_s}
    assert advised == {"LIMIT_REACHED": errors.RETRY_DELAY_S, "STORAGE_FAILED": errors.RETRY_DELAY_S}
    retry = error_details_pb2.RetryInfo()
    assert to_status(errors.OverloadedError("x")).details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1000
    assert from_rpc_error(received(errors.LimitReachedError("x"))).retry_delay_s == 0


def test_a_refusal_that_names_no_field_has_no_bad_request() -> None:
    assert len(to_status(errors.NotFoundError("x")).details) == 1


@pytest.mark.parametrize("character", ["x", "ж", "\U0001f680", "\n"])
def test_a_message_that_repeats_much_of_what_was_sent_still_fits_into_the_metadata(character: str) -> None:
    error = errors.InvalidFieldError("sensor_id", f"no sensor {character * 100_000!r}")
    assert len(error.message.encode()) <= errors.MAX_MESSAGE_BYTES + 4
    assert error.message.startswith("sensor_id: no sensor")
    assert error.message.endswith(" ...")
    on_the_wire = len(to_status(error).SerializeToString()) * 4 // 3 + 3 * len(error.message.encode())
    assert on_the_wire < 8 * 1024


@pytest.mark.parametrize("details", [b"", b"\xff\xff\xff garbage"])
def test_a_status_without_readable_details_keeps_its_code_and_message(details: bytes) -> None:
    refusal = from_rpc_error(received(errors.RunChangedError("moved on", run_id="r"), details))
    assert type(refusal) is sdk.QikiError
    assert (refusal.code, refusal.reason, refusal.message) == (Status.FAILED_PRECONDITION, "", "moved on")
    assert str(refusal) == "FAILED_PRECONDITION: moved on"


def test_error_details_of_another_domain_are_ignored() -> None:
    status = to_status(errors.RunChangedError("x"))
    info = error_details_pb2.ErrorInfo(reason="RUN_CHANGED", domain="example.com")
    status.details[0].Pack(info)
    refusal = from_rpc_error(received(errors.RunChangedError("x"), status.SerializeToString()))
    assert (type(refusal), refusal.reason) == (sdk.QikiError, "")


def test_an_unknown_reason_is_raised_with_its_name() -> None:
    status = to_status(errors.NotFoundError("x"))
    status.details[0].Pack(error_details_pb2.ErrorInfo(reason="SOMETHING_NEW", domain=ERROR_DOMAIN))
    refusal = from_rpc_error(received(errors.NotFoundError("x"), status.SerializeToString()))
    assert (type(refusal), refusal.reason) == (sdk.QikiError, "SOMETHING_NEW")
