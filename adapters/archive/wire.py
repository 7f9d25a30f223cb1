"""Wire translation: requests to the archive's own types, stored events to responses."""

import math
from collections.abc import Mapping

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from adapters.archive.cursor import Bounds
from adapters.archive.index import RunSpan
from adapters.archive.opening import OpenRequest, read_place
from adapters.jetstream.codec.stored_event import NotABridgesError, StoredEvent
from botspec.channels import Channel
from mesh.serving.errors import InvalidFieldError
from qiki.archive.v1.archive_service_pb2 import ArchivedRun, WatchArchiveRequest, WatchArchiveResponse

MIN_SPEED, MAX_SPEED = 0.1, 1_000.0
_NS_MAX = 999_999_999


def payload_fields() -> Mapping[str, str]:
    """Return the response's fields by the full name of the payload type that each carries."""
    event = WatchArchiveResponse.DESCRIPTOR.oneofs_by_name["event"]
    return {field.message_type.full_name: field.name for field in event.fields if field.message_type}


def to_open_request(request: WatchArchiveRequest) -> OpenRequest:
    """Translate a request.

    Raises:
        InvalidFieldError: a field is invalid.
    """
    return OpenRequest(
        place=read_place(request.resume_token, request.channel),
        run_id=request.run_id,
        from_oldest=request.from_oldest,
        bounds=Bounds(
            from_sequence=request.from_sequence,
            from_time_ns=_time_ns(request, "from_time"),
            until_sequence=request.until_sequence,
            until_time_ns=_time_ns(request, "until_time"),
        ),
        until_newest=request.until_newest,
    )


def to_speed(request: WatchArchiveRequest) -> float:
    """Return the requested speed, 0 for as fast as possible.

    Raises:
        InvalidFieldError: not finite, or neither 0 nor in [0.1, 1000].
    """
    speed = request.speed
    if speed != 0 and not (math.isfinite(speed) and MIN_SPEED <= speed <= MAX_SPEED):
        raise InvalidFieldError("speed", f"must be 0, or finite and in [{MIN_SPEED:g}, {MAX_SPEED:g}], got {speed}")
    return speed


def to_response(event: StoredEvent, payload_field: str) -> WatchArchiveResponse:
    """Return the response that carries an event.

    Raises:
        NotABridgesError: its payload is not of the channel's type.
    """
    response = WatchArchiveResponse(resume_token=event.token.encode(), context=event.context)
    payload = getattr(response, payload_field)
    try:
        payload.MergeFromString(event.payload)
    except DecodeError as error:
        raise NotABridgesError(f"event {event.sequence}: its payload cannot be read: {error}") from error
    payload.SetInParent()  # marks an empty payload as present
    return response


def to_run(span: RunSpan) -> ArchivedRun:
    """Return the description of one archived run."""
    return ArchivedRun(
        run_id=span.run_id,
        created=span.oldest.context.run_created,
        first_sequence=span.oldest.sequence,
        last_sequence=span.newest.sequence,
        first_time=span.oldest.context.time,
        last_time=span.newest.context.time,
    )


def check_type(channel: Channel) -> str:
    """Return the response's field for a channel's payload.

    Raises:
        ValueError: the API has no field for its type.
    """
    field = payload_fields().get(channel.type)
    if field is None:
        raise ValueError(f"channel {channel.name!r}: the archive's API cannot carry a {channel.type}")
    return field


def _time_ns(request: WatchArchiveRequest, field: str) -> int | None:
    if not request.HasField(field):  # type: ignore[arg-type]  # the stub lists the names as literals
        return None
    stamp: Timestamp = getattr(request, field)
    if not 0 <= stamp.nanos <= _NS_MAX:
        raise InvalidFieldError(f"{field}.nanos", f"must be within [0, {_NS_MAX}], not {stamp.nanos}")
    return int(stamp.seconds) * 1_000_000_000 + int(stamp.nanos)
