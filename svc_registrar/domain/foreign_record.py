"""Rules of an event of another program, each naming its field. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from qiki_sdk.codes import FOREIGN_EVENT, MAX_FOREIGN_ATTRIBUTE_BYTES, MAX_FOREIGN_DATA_BYTES
from svc_registrar.domain.audit_record import InvalidEventError

_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class ForeignRecord:
    """An event of another program as received: its attributes by name, and its payload, cut to a limit."""

    required: Sequence[tuple[str, str]]
    attributes: Sequence[tuple[str, str]]
    data_bytes: int
    data_size_bytes: int
    digest_bytes: int


def check_foreign(code: int, foreign: ForeignRecord | None) -> None:
    """Check that an event holds another program's event exactly if its code says so, and that one.

    Raises:
        InvalidEventError: the first rule that it breaks.
    """
    if foreign is None:
        if code == FOREIGN_EVENT.number:
            raise InvalidEventError("foreign_event", f"is missing, code {code} requires it")
        return
    if code != FOREIGN_EVENT.number:
        raise InvalidEventError("foreign_event", f"is set, code {code} has none; {FOREIGN_EVENT.number} has")
    for name, value in foreign.required:
        if not value:
            raise InvalidEventError(f"foreign_event.{name}", "is empty")
    size_bytes = sum(
        len(name.encode()) + len(value.encode()) for name, value in (*foreign.required, *foreign.attributes)
    )
    if size_bytes > MAX_FOREIGN_ATTRIBUTE_BYTES:
        raise InvalidEventError(
            "foreign_event.attributes", f"have {size_bytes} bytes, at most {MAX_FOREIGN_ATTRIBUTE_BYTES} are taken"
        )
    names = [name for name, _value in foreign.attributes]
    if names != sorted(set(names)):
        raise InvalidEventError("foreign_event.attributes", "are not sorted by name, each once")
    if foreign.data_bytes != min(foreign.data_size_bytes, MAX_FOREIGN_DATA_BYTES):
        raise InvalidEventError(
            "foreign_event.data",
            f"has {foreign.data_bytes} bytes of {foreign.data_size_bytes}; {MAX_FOREIGN_DATA_BYTES} at most are kept",
        )
    if foreign.digest_bytes != _DIGEST_BYTES:
        raise InvalidEventError("foreign_event.data_digest", f"has {foreign.digest_bytes} bytes, not {_DIGEST_BYTES}")
