"""JetStream streams and durable consumers: names, subjects, limits and policies, and the checks between them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from botspec.base import Spec, refuse
from botspec.bus.subjects import check_pattern, contains, subjects_overlap
from botspec.yaml_core import Loc

MAX_SUBJECTS = 16
MAX_BACKOFF_STEPS = 32
_MAX_COUNT = 10**12
_MAX_AGE_S = 10 * 365 * 86_400
_MAX_WAIT_S = 86_400

EVENTS: Final = "qiki.events.v1.>"
COMMANDS: Final = "qiki.commands.v1.>"
RESPONSES: Final = "qiki.responses.v1.>"
DEAD_LETTERS: Final = "qiki.dlq.v1.>"
ADVISORIES: Final = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"
REQUIRED_SUBJECTS: Final = (EVENTS, COMMANDS, RESPONSES, DEAD_LETTERS, ADVISORIES)
"""Subjects that the mesh itself reads and writes, besides those of the channels; each is required in a stream."""

REGISTRAR_INTAKE: Final = "registrar_intake"
SIM_COMMANDS: Final = "sim_commands"
DLQ_ADVISORIES: Final = "dlq_advisories"
OWN_DURABLES: Final[Mapping[str, str]] = {
    REGISTRAR_INTAKE: EVENTS,
    SIM_COMMANDS: COMMANDS,
    DLQ_ADVISORIES: ADVISORIES,
}
"""Durables that the bridge reads, with the filter subject of each; all others are read by users' programs."""

COMMAND_TIMEOUT_S: Final = 5.0
"""Time limit of the bridge for one command: a command must not be redelivered while it is being processed."""

StreamName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,62}$")]
DurableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Pattern = Annotated[str, AfterValidator(check_pattern)]


class Stream(Spec):
    """A JetStream stream: the subjects that it stores, and its limits before scaling; an omitted limit is none.

    A bridge resumes at a subject's last message. A stream with a channel is therefore limited by messages per subject,
    which always keeps the last, and never by age. At `max_bytes` it refuses messages instead of removing old ones.
    """

    name: StreamName
    subjects: Annotated[tuple[Pattern, ...], Field(min_length=1, max_length=MAX_SUBJECTS)]
    max_bytes: Annotated[int, Field(ge=1024, le=2**50)]
    max_msgs_per_subject: Annotated[int, Field(ge=1, le=_MAX_COUNT)] | None = None
    max_age_s: Annotated[int, Field(ge=1, le=_MAX_AGE_S)] | None = None
    duplicate_window_s: Annotated[int, Field(ge=1, le=86_400)] = 120

    def stores(self, pattern: str) -> bool:
        """Return whether the stream stores every subject that matches the pattern."""
        return any(contains(own, pattern) for own in self.subjects)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.max_age_s is not None and self.duplicate_window_s > self.max_age_s:
            message = f"should not exceed max_age_s, which is {self.max_age_s}: the server refuses it"
            refuse("Stream", [(("duplicate_window_s",), message)])
        return self


class Durable(Spec):
    """A durable pull consumer with explicit acknowledgement, of the bridge or of a user's program.

    A message that is not acknowledged within `ack_wait_s` is redelivered, up to `max_deliver` deliveries (omitted: no
    limit); at most `max_ack_pending` are outstanding. `backoff_s` are the waits before each redelivery; the last
    applies to all further ones. The bridge applies them to a message that it returns; for a user's durable the server
    applies them to a message that is not acknowledged, in place of `ack_wait_s`.
    """

    stream: StreamName
    name: DurableName
    filter_subject: Pattern
    ack_wait_s: Annotated[float, Field(ge=0.001, le=_MAX_WAIT_S)]
    max_deliver: Annotated[int, Field(ge=1, le=_MAX_COUNT)] | None = None
    max_ack_pending: Annotated[int, Field(ge=1, le=1_000_000)]
    backoff_s: Annotated[
        tuple[Annotated[float, Field(ge=0.001, le=_MAX_WAIT_S)], ...], Field(max_length=MAX_BACKOFF_STEPS)
    ] = ()

    @property
    def is_own(self) -> bool:
        """Whether the bridge reads it."""
        return self.name in OWN_DURABLES

    def delay_s(self, deliveries: int) -> float:
        """Return the seconds after which a returned message is redelivered, by its number of deliveries; 0 for none."""
        return self.backoff_s[min(deliveries, len(self.backoff_s)) - 1] if self.backoff_s else 0.0

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        refuse("Durable", [*self._backoff_problems(), *self._own_problems()])
        return self

    def _backoff_problems(self) -> Iterator[tuple[Loc, str]]:
        steps = len(self.backoff_s)
        if self.max_deliver is not None and self.max_deliver <= steps:
            message = f"{self.max_deliver} deliveries never use the last of {steps} waits in backoff_s: "
            yield ("max_deliver",), message + f"give at least {steps + 1}, or remove waits"
        if steps and not self.is_own and self.ack_wait_s != self.backoff_s[0]:
            message = f"should be {self.backoff_s[0]!r}, the first of backoff_s, which the server uses in its place"
            yield ("ack_wait_s",), message

    def _own_problems(self) -> Iterator[tuple[Loc, str]]:
        wanted = OWN_DURABLES.get(self.name, self.filter_subject)
        if self.filter_subject != wanted:
            yield ("filter_subject",), f"should be {wanted!r}, which the bridge reads with {self.name!r}"
        if self.name != SIM_COMMANDS:
            return
        if self.max_ack_pending != 1:
            yield ("max_ack_pending",), "should be 1: commands act in the order of their arrival"
        if self.ack_wait_s <= COMMAND_TIMEOUT_S:
            message = f"should exceed {COMMAND_TIMEOUT_S:g} s, the bridge's time for one command"
            yield ("ack_wait_s",), message
        if not self.backoff_s:
            yield ("backoff_s",), "required for 'sim_commands', and missing: the waits while the simulator is away"


def stream_problems(streams: Sequence[Stream]) -> Iterator[tuple[Loc, str]]:
    """Yield (loc, message) for every repeated name, overlapping subject, and required subject that none stores."""
    names: dict[str, int] = {}
    taken: list[tuple[str, str]] = []
    for number, stream in enumerate(streams):
        if names.setdefault(stream.name, number) != number:
            yield ("streams", number, "name"), f"stream {stream.name!r} is given twice; rename one, or join the two"
        for index, subject in enumerate(stream.subjects):
            for other, other_subject in taken:
                if subjects_overlap(subject, other_subject):
                    message = f"{subject!r} overlaps {other_subject!r} of stream {other!r}: narrow one of the two"
                    yield ("streams", number, "subjects", index), message
                    break  # one suffices, and many would be reported for each further one
            taken.append((stream.name, subject))
    for subject in REQUIRED_SUBJECTS:
        if not any(stream.stores(subject) for stream in streams):
            yield ("streams",), f"no stream stores {subject!r}, which the mesh uses: add it to a stream's subjects"


def durable_problems(durables: Sequence[Durable], streams: Sequence[Stream]) -> Iterator[tuple[Loc, str]]:
    """Yield (loc, message) for every repeated name, unknown stream, foreign filter subject, and missing own durable."""
    seen: dict[tuple[str, str], int] = {}
    by_name = {stream.name: stream for stream in streams}
    for number, durable in enumerate(durables):
        key = ("", durable.name) if durable.is_own else (durable.stream, durable.name)
        if seen.setdefault(key, number) != number:
            yield ("durables", number, "name"), f"durable {durable.name!r} is given twice; rename one"
        stream = by_name.get(durable.stream)
        if stream is None:
            declared = ", ".join(by_name) or "none"
            yield ("durables", number, "stream"), f"no stream {durable.stream!r} is declared (declared: {declared})"
        elif not stream.stores(durable.filter_subject):
            held = ", ".join(stream.subjects)
            message = f"{durable.filter_subject!r} is not in stream {stream.name!r}, which holds {held}"
            yield ("durables", number, "filter_subject"), message
    given = {durable.name for durable in durables}
    for name in OWN_DURABLES:
        if name not in given:
            yield ("durables",), f"durable {name!r} is required, because the bridge reads it; add it"
