"""`qiki audit tail` and `list`: recorded events as lines of text."""

import re
from datetime import UTC, datetime

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from cli.errors import CliError, UsageError
from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.channel import connect
from qiki_sdk.errors import from_rpc_error

_PAGE = 500
_RANGE = re.compile(r"(\d{3})-(\d{3})")


def make_filter(
    *,
    codes: list[int] | None,
    reporters: list[str] | None,
    severity: str | None,
    since: str | None = None,
    before: str | None = None,
    code_range: str | None = None,
    text: str | None = None,
) -> pb.EventsFilter:
    """Return the filter of the command's options; raises UsageError."""
    known = {name.removeprefix("SEVERITY_").lower(): number for name, number in pb.Severity.items() if number}
    if severity is not None and severity.lower() not in known:
        raise UsageError(f"--severity is {severity}: give one of {', '.join(known)}")
    bounds = _RANGE.fullmatch(code_range) if code_range is not None else None
    if code_range is not None and bounds is None:
        raise UsageError(f"--codes is {code_range!r}: give the first and the last code, such as 600-699")
    return pb.EventsFilter(
        codes=codes or [],
        reporters=reporters or [],
        min_severity=known[severity.lower()] if severity else pb.SEVERITY_UNSPECIFIED,
        recorded_from=_time("--since", since),
        recorded_before=_time("--before", before),
        min_code=int(bounds[1]) if bounds else 0,
        max_code=int(bounds[2]) if bounds else 0,
        text=text or "",
    )


async def tail_lines(target: str, wanted: pb.EventsFilter, *, from_oldest: bool) -> None:
    """Print events as they are recorded; a lost connection ends it.

    Raises:
        CliError: the registrar cannot be asked.
    """
    request = pb.WatchEventsRequest(filter=wanted, from_oldest=from_oldest)
    async with connect(target) as channel:
        try:
            async for response in RegistrarServiceStub(channel).WatchEvents(request):
                if response.HasField("audit_event"):
                    context = response.context
                    print(_line(context.sequence, context.recorded_time, response.audit_event), flush=True)
        except grpc.aio.AioRpcError as error:
            raise _refused(target, error) from error


async def list_lines(target: str, wanted: pb.EventsFilter, limit: int, *, newest_first: bool) -> None:
    """Print recorded events.

    Raises:
        CliError: the registrar cannot be asked.
    """
    token, complete = "", False
    async with connect(target) as channel:
        stub = RegistrarServiceStub(channel)
        while limit > 0 and not complete:
            request = pb.ListEventsRequest(
                page_size=min(limit, _PAGE), resume_token=token, newest_first=newest_first, filter=wanted
            )
            try:
                page = await stub.ListEvents(request)
            except grpc.aio.AioRpcError as error:
                raise _refused(target, error) from error
            for item in page.events:
                print(_line(item.receipt.sequence, item.receipt.recorded_time, item.audit_event))
            limit -= len(page.events)
            token, complete = page.resume_token, page.complete


def _line(sequence: int, recorded: Timestamp, event: pb.AuditEvent) -> str:
    at = recorded.ToDatetime(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    severity = pb.Severity.Name(event.severity).removeprefix("SEVERITY_")
    attributes = "".join(f" {item.name}={_one_line(item.value)}" for item in event.attributes)
    message = _one_line(event.message)
    return f"{sequence} {at} {severity} {event.code} {event.name} {event.reporter}: {message}{attributes}"


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n").replace("\t", " ")


def _time(option: str, text: str | None) -> Timestamp | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} is {text!r}: give a time such as 2026-01-02T03:04:05Z") from error
    found = Timestamp()
    found.FromDatetime(at if at.tzinfo else at.replace(tzinfo=UTC))
    return found


def _refused(target: str, error: grpc.aio.AioRpcError) -> CliError:
    return CliError(f"the registrar at {target} refused: {from_rpc_error(error)}")
