"""Events of other programs: any valid CloudEvent, in either mode and format, becomes one audit event."""

import base64
import hashlib
import json
import uuid
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from adapters.jetstream.codec.foreign import UndecodableError, read_event
from adapters.jetstream.codec.foreign_events import to_audit_event
from qiki.cloudevents.v1.cloud_event_pb2 import CloudEvent, CloudEventAttributeValue
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import BOOT_OK, MAX_FOREIGN_DATA_BYTES
from svc_registrar.wire import is_same, to_submission

SUBJECT = "qiki.events.v1.console"
TRACEPARENT = f"00-{'1' * 32}-{'2' * 16}-01"
JSON_FORMAT = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
PROTOBUF_FORMAT = {"Content-Type": "application/cloudevents+protobuf"}
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "A-17",
    "source": "/others/console",
    "type": "com.example.door.opened",
    "time": "2026-03-01T12:00:00.5Z",
    "subject": "door 4",
    "traceparent": TRACEPARENT,
    "sequence": "alpha",
    "locked": "false",
}
DATA = {"door": 4, "by": "zoë"}


def binary() -> tuple[dict[str, str], bytes]:
    headers = {f"ce-{name}": value for name, value in ATTRIBUTES.items()} | {
        "ce-subject": "door%204",
        "ce-datacontenttype": "application/json",
        "Nats-Msg-Id": "A-17",
    }
    return headers, json.dumps(DATA, ensure_ascii=False, separators=(",", ":")).encode()


def structured_json(**changes: Any) -> tuple[dict[str, str], bytes]:
    fields = ATTRIBUTES | {"datacontenttype": "application/json", "locked": False, "data": DATA} | changes
    return JSON_FORMAT, json.dumps({name: value for name, value in fields.items() if value != ()}).encode()


def structured_protobuf() -> tuple[dict[str, str], bytes]:
    values = {
        name: CloudEventAttributeValue(ce_string=ATTRIBUTES[name]) for name in ("subject", "traceparent", "sequence")
    }
    event = CloudEvent(
        id="A-17",
        source=ATTRIBUTES["source"],
        spec_version="1.0",
        type=ATTRIBUTES["type"],
        attributes={
            **values,
            "datacontenttype": CloudEventAttributeValue(ce_string="application/json"),
            "locked": CloudEventAttributeValue(ce_boolean=False),
            "time": CloudEventAttributeValue(ce_timestamp=Timestamp(seconds=1_772_366_400, nanos=500_000_000)),
        },
        text_data=binary()[1].decode(),
    )
    return PROTOBUF_FORMAT, event.SerializeToString()


@pytest.mark.parametrize("message", [binary(), structured_json(), structured_protobuf(), ({}, structured_json()[1])])
def test_an_event_of_any_type_is_kept_whole_in_every_mode_and_format(message: tuple[dict[str, str], bytes]) -> None:
    found = to_audit_event(SUBJECT, *message)
    to_submission(found)
    kept = found.foreign_event
    assert (found.name, found.reporter, found.traceparent) == ("FOREIGN_EVENT", "bridge", TRACEPARENT)
    assert (kept.id, kept.source, kept.type) == ("A-17", "/others/console", "com.example.door.opened")
    assert kept.bus_subject == SUBJECT
    attributes = {item.name: item.value for item in kept.attributes}
    time = attributes.pop("time")
    assert (attributes.pop("subject"), attributes.pop("sequence"), attributes.pop("locked")) == (
        "door 4",
        "alpha",
        "false",
    )
    assert attributes == {"traceparent": TRACEPARENT, "datacontenttype": "application/json"}
    assert time.startswith("2026-03-01T12:00:00.5")
    assert json.loads(kept.data) == DATA
    assert kept.data_size_bytes == len(kept.data)
    assert kept.data_digest == hashlib.sha256(kept.data).digest()


def test_the_same_event_is_the_same_record_and_its_id_is_not_a_message_id_on_the_bus() -> None:
    first, again = to_audit_event(SUBJECT, *binary()), to_audit_event(SUBJECT, *binary())
    assert first.event_id == again.event_id
    assert is_same(first, again)
    headers, body = binary()
    given = str(uuid.uuid4())
    assert to_audit_event(SUBJECT, {**headers, "ce-id": given}, body).event_id not in (given, first.event_id)


def test_a_payload_beyond_the_limit_is_kept_up_to_it_with_size_and_digest_of_the_whole() -> None:
    headers, _body = binary()
    payload = bytes(range(256)) * 1000
    kept = to_audit_event(SUBJECT, {**headers, "ce-datacontenttype": "application/octet-stream"}, payload).foreign_event
    assert kept.data == payload[:MAX_FOREIGN_DATA_BYTES]
    assert (kept.data_size_bytes, kept.data_digest) == (256_000, hashlib.sha256(payload).digest())


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({"data": "text", "datacontenttype": "text/plain"}, b"text"),
        ({"data": "text"}, b'"text"'),
        ({"data": (), "data_base64": base64.b64encode(b"\x00\xff").decode()}, b"\x00\xff"),
        ({"data": ()}, b""),
        ({"data": None}, b"null"),
    ],
)
def test_the_payload_of_structured_json_is_text_json_or_bytes(changes: dict[str, Any], data: bytes) -> None:
    assert read_event(*structured_json(**changes)).data == data


def test_an_audit_event_in_structured_mode_is_recorded_as_such() -> None:
    event = make_event("console", BOOT_OK, "from a console")
    name = "qiki.registrar.v1.AuditEvent"
    as_json = structured_json(type=name, data=json.loads(json_format.MessageToJson(event)))
    assert to_audit_event(SUBJECT, *as_json) == event
    whole = CloudEvent(id="1", source="/x", spec_version="1.0", type=name)
    whole.proto_data.Pack(event)
    assert to_audit_event(SUBJECT, PROTOBUF_FORMAT, whole.SerializeToString()) == event
    whole.binary_data = event.SerializeToString()
    assert to_audit_event(SUBJECT, PROTOBUF_FORMAT, whole.SerializeToString()) == event


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (structured_json(id=()), "attribute id: is missing"),
        (structured_json(source=""), "attribute source: is missing"),
        (structured_json(specversion="0.3"), "attribute specversion: is '0.3', expected 1.0"),
        (structured_json(time="yesterday"), "attribute time: 'yesterday' is not an RFC 3339 time"),
        (structured_json(Bad_Name="x"), "attribute 'Bad_Name': a name has lower-case characters and digits alone"),
        (structured_json(extension=[1]), "attribute 'extension': a value is text, a boolean or an integer"),
        (structured_json(data=(), data_base64="!"), "data_base64: not base64"),
        ((JSON_FORMAT, b"[]"), "the payload is not a JSON object"),
        ((JSON_FORMAT, b"\xff"), "the payload is not JSON"),
        ((PROTOBUF_FORMAT, b"\xff"), "the payload is not a CloudEvent in protobuf"),
        (({"Content-Type": "application/cloudevents-batch+json"}, b"[]"), "application/cloudevents-batch+json"),
        (({"ce-specversion": "1.0", "ce-id": "1", "ce-type": "x"}, b""), "header ce-source: is missing"),
        (({}, b"text"), "header ce-id: is missing"),
    ],
)
def test_a_refusal_names_the_senders_own_attribute_or_header(message: tuple[dict[str, str], bytes], named: str) -> None:
    with pytest.raises(UndecodableError) as caught:
        read_event(*message)
    assert caught.value.reason == "NOT_A_CLOUDEVENT"
    assert named in str(caught.value)


def test_a_broken_audit_event_is_refused_by_its_content_not_kept_as_foreign() -> None:
    with pytest.raises(UndecodableError) as caught:
        to_audit_event(SUBJECT, *structured_json(type="qiki.registrar.v1.AuditEvent", data={"code": "many"}))
    assert caught.value.reason == "MALFORMED_PAYLOAD"
    assert AuditEvent.DESCRIPTOR.full_name in str(caught.value)
