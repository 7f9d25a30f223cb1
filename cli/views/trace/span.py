"""A finished span as the store keeps it, and its form in JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

# A value of an attribute, as JSON holds it: OTLP's bytes are hexadecimal text.
Value: TypeAlias = str | int | float | bool | list[Any] | dict[str, Any] | None
Attributes: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """A named moment within a span."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A reference to a span of this or another trace; ids are hexadecimal."""

    trace_id: str
    span_id: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Span:
    """One unit of work: hexadecimal ids, times in nanoseconds since 1970; `parent_id` of a root is empty.

    `status` is the description that came with the status. `omitted` counts the attributes, events and links that the
    sender dropped or that exceeded a limit.
    """

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    kind: str
    start_ns: int
    end_ns: int
    failed: bool
    status: str
    attributes: Attributes
    resource: Attributes
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    omitted: int = 0

    @property
    def duration_ns(self) -> int:
        """Return the time from start to end."""
        return self.end_ns - self.start_ns

    def values(self) -> Iterator[str]:
        """Yield every attribute's value as text, also those of events and links; a list yields its elements too."""
        of_events, of_links = [each.attributes for each in self.events], [each.attributes for each in self.links]
        for attributes in (self.attributes, *of_events, *of_links):
            for value in attributes.values():
                yield from _texts(value)
        for link in self.links:
            yield from (link.trace_id, link.span_id)


def value_text(value: Value) -> str:
    """Return the value as text: a string unchanged, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def body_of(span: Span) -> str:
    """Return as JSON the fields that have no column of their own in the store."""
    return json.dumps(
        {
            "kind": span.kind,
            "status": span.status,
            "attributes": span.attributes,
            "resource": span.resource,
            "events": [[each.name, each.time_ns, each.attributes] for each in span.events],
            "links": [[each.trace_id, each.span_id, each.attributes] for each in span.links],
            "omitted": span.omitted,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def fields_of_body(body: str) -> dict[str, Any]:
    """Return the fields of `Span` that `body_of` wrote."""
    fields: dict[str, Any] = json.loads(body)
    fields["events"] = tuple(SpanEvent(*each) for each in fields["events"])
    fields["links"] = tuple(SpanLink(*each) for each in fields["links"])
    return fields


def _texts(value: Value) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif not isinstance(value, bool | dict) and value is not None:
        yield value_text(value)
