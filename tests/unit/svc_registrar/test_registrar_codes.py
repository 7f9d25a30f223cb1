"""The vocabulary of the audit trail, and the conditions for recording an event."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import ALL, BY_NUMBER, Code, Family, Severity
from svc_registrar.domain.audit_record import InvalidEventError
from svc_registrar.wire import to_query, to_submission

RUN_ID = "00000000-0000-4000-8000-000000000001"
CONSTANTS = {name: value for name, value in vars(codes).items() if isinstance(value, Code)}


def event(**fields: Any) -> pb.AuditEvent:
    made = make_event("svc_sim", codes.BOOT_OK, "ready", run_id=RUN_ID, attributes={"a": 1, "b": 2})
    for name, value in fields.items():
        made.ClearField(name)  # type: ignore[arg-type]
        made.MergeFrom(pb.AuditEvent(**{name: value}))
    return made


def foreign(**fields: Any) -> pb.ForeignEvent:
    data = fields.pop("data", b"payload")
    given = {"bus_subject": "qiki.events.v1.x", "id": "1", "source": "/x", "type": "x.y", "data": data} | fields
    given.setdefault("data_size_bytes", len(data))
    return pb.ForeignEvent(**{"data_digest": bytes(32), **given})


def test_every_number_is_unique_and_within_100_to_999() -> None:
    numbers = [code.number for code in ALL]
    assert len(set(numbers)) == len(numbers)
    assert all(100 <= number <= 999 for number in numbers)


def test_every_name_is_unique_and_is_its_constants_name() -> None:
    assert {name: value.name for name, value in CONSTANTS.items()} == {name: name for name in CONSTANTS}
    assert sorted(CONSTANTS.values(), key=lambda code: code.number) == list(ALL)


def test_every_one_of_the_nine_families_has_a_code() -> None:
    assert {code.family for code in ALL} == set(Family)
    assert [int(family) for family in Family] == list(range(1, 10))


def test_every_code_has_a_sentence_that_explains_it() -> None:
    assert [code.name for code in ALL if not (code.meaning[0].isupper() and code.meaning.endswith("."))] == []


def test_the_severities_are_those_on_the_wire() -> None:
    wire = {name.removeprefix("SEVERITY_"): number for name, number in pb.Severity.items() if number}
    assert {severity.name: severity.value for severity in Severity} == wire


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("BOOT_OK", 101),
        ("SHUTDOWN", 109),
        ("SENSOR_IO_OK", 201),
        ("FRAMES_FLOWING", 301),
        ("FRAMES_SUMMARY", 302),
        ("NATS_CONNECTED", 601),
        ("NATS_LOST", 602),
        ("STORE_STALLED", 623),
        ("STORE_RESUMED", 624),
        ("GAP", 631),
        ("CURSOR_LOST", 632),
        ("RUN_SUPERSEDED", 633),
        ("FEED_BLOCKED", 613),
        ("FEED_UNBLOCKED", 614),
        ("SPOOL_DROPPED", 651),
        ("REPORTER_GAP", 652),
        ("FOREIGN_EVENT", 421),
        ("SECURITY_VIOLATION", 802),
        ("AUDIT_LOG_LOST", 702),
    ],
)
def test_a_published_code_keeps_its_number(name: str, number: int) -> None:
    assert BY_NUMBER[number] is CONSTANTS[name]


def test_an_event_of_every_code_can_be_recorded() -> None:
    for code in ALL:
        made = make_event("svc_sim", code, "")
        if code is codes.FOREIGN_EVENT:
            made.foreign_event.CopyFrom(foreign())
        assert to_submission(made).body == made.SerializeToString(deterministic=True)
        assert made.message == code.meaning


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("schema_version", {"schema_version": 0}),
        ("schema_version", {"schema_version": 2}),
        ("event_id", {"event_id": ""}),
        ("event_id", {"event_id": "no-uuid"}),
        ("event_id", {"event_id": RUN_ID.upper().replace("0", "A")}),
        ("event_id", {"event_id": RUN_ID.replace("-", "")}),
        ("event_id", {"event_id": "{" + RUN_ID + "}"}),
        ("event_id", {"event_id": "x" * 60_000}),
        ("code", {"code": 0}),
        ("code", {"code": 99}),
        ("code", {"code": 199}),
        ("code", {"code": 1000}),
        ("code", {"code": 2**32 - 1}),
        ("name", {"name": ""}),
        ("name", {"name": "SHUTDOWN"}),
        ("severity", {"severity": 0}),
        ("severity", {"severity": 5}),
        ("severity", {"severity": -1}),
        ("severity", {"severity": 2**31 - 1}),
        ("reporter", {"reporter": ""}),
        ("reporter", {"reporter": "x" * 64}),
        ("reporter", {"reporter": "two words"}),
        ("reporter", {"reporter": "\u0430"}),
        ("reported_time", {"reported_time": None}),
        ("reported_time", {"reported_time": Timestamp(seconds=-62_135_596_801)}),
        ("reported_time", {"reported_time": Timestamp(seconds=253_402_300_800)}),
        ("reported_time", {"reported_time": Timestamp(seconds=2**63 - 1)}),
        ("reported_time", {"reported_time": Timestamp(nanos=-1)}),
        ("simulation_time", {"simulation_time": Timestamp(nanos=1_000_000_000)}),
        ("run_id", {"run_id": "run"}),
        ("message", {"message": ""}),
        ("message", {"message": "x" * 1001}),
        ("message", {"message": "a\x00b"}),
        ("message", {"message": "a\x1b[31m"}),
        ("attributes", {"attributes": [pb.Attribute(name=f"a{n:02}") for n in range(33)]}),
        ("attributes[0].name", {"attributes": [pb.Attribute(value="v")]}),
        ("attributes[0].name", {"attributes": [pb.Attribute(name="9")]}),
        ("attributes[0].name", {"attributes": [pb.Attribute(name="x" * 64)]}),
        ("attributes[1].name", {"attributes": [pb.Attribute(name="a"), pb.Attribute(name="a")]}),
        ("attributes[1].name", {"attributes": [pb.Attribute(name="b"), pb.Attribute(name="a")]}),
        ("attributes[0].value", {"attributes": [pb.Attribute(name="a", value="x" * 401)]}),
        ("attributes[0].value", {"attributes": [pb.Attribute(name="a", value="\x7f")]}),
        ("producer_epoch", {"producer_epoch": "one"}),
        ("producer_sequence", {"producer_sequence": 7}),
        ("foreign_event", {"foreign_event": foreign()}),
    ],
)
def test_an_event_that_breaks_a_rule_is_refused_by_its_field(field: str, broken: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventError) as caught:
        to_submission(event(**broken))
    assert caught.value.field == field
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("foreign_event.bus_subject", foreign(bus_subject="")),
        ("foreign_event.id", foreign(id="")),
        ("foreign_event.source", foreign(source="")),
        ("foreign_event.type", foreign(type="")),
        ("foreign_event.attributes", foreign(attributes=[pb.Attribute(name="a", value="x" * 16_384)])),
        ("foreign_event.attributes", foreign(attributes=[pb.Attribute(name="b"), pb.Attribute(name="a")])),
        ("foreign_event.data", foreign(data=b"x" * 32_769)),
        ("foreign_event.data", foreign(data=b"x", data_size_bytes=2)),
        ("foreign_event.data_digest", foreign(data_digest=b"x")),
    ],
)
def test_a_foreign_event_that_breaks_a_rule_is_refused_by_its_field(field: str, broken: pb.ForeignEvent) -> None:
    made = make_event("bridge", codes.FOREIGN_EVENT, "")
    made.foreign_event.CopyFrom(broken)
    with pytest.raises(InvalidEventError) as caught:
        to_submission(made)
    assert caught.value.field == field


def test_a_foreign_event_at_every_bound_fits() -> None:
    made = make_event("bridge", codes.FOREIGN_EVENT, "\U0001f6f0" * 1000, attributes={"a": "\U0001f6f0" * 400})
    attributes = [pb.Attribute(name="a", value="x" * 16_300)]
    made.foreign_event.CopyFrom(foreign(data=b"x" * 32_768, data_size_bytes=10**12, attributes=attributes))
    assert len(to_submission(made).body) <= codes.MAX_EVENT_BYTES


def test_an_event_over_the_size_limit_is_refused_as_a_whole() -> None:
    with pytest.raises(InvalidEventError, match="65536") as caught:
        to_submission(event(message="x" * 70_000))
    assert caught.value.field == ""


def test_an_event_at_every_bound_is_accepted_and_fits() -> None:
    attributes = [pb.Attribute(name=f"{n:a>63}", value="\U0001f6f0" * 400) for n in range(10, 42)]
    largest = event(reporter="r" * 63, message="\U0001f6f0" * 1000, attributes=attributes)
    assert len(to_submission(largest).body) <= codes.MAX_EVENT_BYTES


def test_a_reporters_event_is_truncated_and_cleaned_until_it_can_be_recorded() -> None:
    message, attributes = "a\x00\ud800" + "x" * 2000, {"z": "y" * 500, "b": float("nan")}
    made = make_event("svc_sim", codes.FAULT, message, attributes=attributes)
    to_submission(made)
    assert len(made.message) == 1000
    assert made.message.endswith("…")
    assert [(item.name, item.value[:3]) for item in made.attributes] == [("b", "nan"), ("z", "yyy")]


def test_an_event_with_a_key_is_the_same_event_after_a_restart() -> None:
    def made(key: str, reporter: str = "svc_radar", run_id: str = RUN_ID) -> str:
        return make_event(reporter, codes.FRAMES_FLOWING, "", run_id=run_id, key=key).event_id

    assert made("first-frame") == made("first-frame")
    others = {made("first-frame"), made("other"), made("first-frame", reporter="x"), made("first-frame", run_id="")}
    assert len(others) == 4
    assert all(uuid.UUID(item).version == 5 for item in others)
    assert made("") != made("")


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("filter.codes[1]", pb.EventsFilter(codes=[101, 5])),
        ("filter.codes", pb.EventsFilter(codes=[101] * 101)),
        ("filter.min_severity", pb.EventsFilter(min_severity=9)),  # type: ignore[arg-type]
        ("filter.reporters[0]", pb.EventsFilter(reporters=[""])),
        ("filter.reporters", pb.EventsFilter(reporters=["a"] * 101)),
        ("filter.max_code", pb.EventsFilter(min_code=300, max_code=200)),
        ("filter.text", pb.EventsFilter(text="x" * 101)),
        ("filter.recorded_from", pb.EventsFilter(recorded_from=Timestamp(nanos=-1))),
        ("filter.recorded_before", pb.EventsFilter(recorded_before=Timestamp(seconds=2**60))),
    ],
)
def test_a_filter_that_can_match_nothing_known_is_refused(field: str, wanted: pb.EventsFilter) -> None:
    with pytest.raises(InvalidEventError) as caught:
        to_query(wanted)
    assert caught.value.field == field


def test_an_empty_filter_leaves_nothing_out() -> None:
    assert to_query(pb.EventsFilter()) is None
    refuse: Callable[..., Any] = pb.EventsFilter
    assert to_query(refuse(codes=[101])) is not None
