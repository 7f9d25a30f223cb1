"""Raw payload responses: the payload stays the received bytes, all other fields of the response are parsed."""

from adapters.jetstream.codec.raw import raw_payload
from qiki.common.v1.stream_pb2 import Ended, EventContext, Heartbeat
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame
from qiki.radar.v1.radar_service_pb2 import WatchFramesResponse

FRAME = RadarFrame(schema_version=1, tick=7, detections=[RadarDetection(range_m=12.5)])


def test_a_raw_payload_is_exactly_the_bytes_that_were_sent() -> None:
    unknown = b"\xfa\x07\x03new"  # a field of a later version: carried like any other
    body = FRAME.SerializeToString() + unknown
    context = EventContext(id="an-id", sequence=3)
    head = WatchFramesResponse(resume_token="t", context=context).SerializeToString()
    read = raw_payload(WatchFramesResponse, "frame").FromString(head + b"\x1a" + bytes([len(body)]) + body)
    assert read.frame == body  # type: ignore[attr-defined]
    assert read.WhichOneof("event") == "frame"
    assert (read.resume_token, read.context) == ("t", context)


def test_a_response_without_a_payload_is_parsed_as_usual() -> None:
    raw_payload_type = raw_payload(WatchFramesResponse, "frame")
    beat = raw_payload_type.FromString(WatchFramesResponse(heartbeat=Heartbeat(last_sequence=5)).SerializeToString())
    ended = raw_payload_type.FromString(WatchFramesResponse(ended=Ended(last_sequence=9)).SerializeToString())
    assert (beat.WhichOneof("event"), beat.heartbeat.last_sequence) == ("heartbeat", 5)
    assert (ended.WhichOneof("event"), ended.ended.last_sequence) == ("ended", 9)


def test_an_empty_payload_is_a_payload() -> None:
    sent = WatchFramesResponse(frame=RadarFrame()).SerializeToString()
    read = raw_payload(WatchFramesResponse, "frame").FromString(sent)
    assert (read.WhichOneof("event"), read.frame) == ("frame", b"")


def test_a_second_channel_of_the_same_rpc_gets_the_same_class() -> None:
    assert raw_payload(WatchFramesResponse, "frame") is raw_payload(WatchFramesResponse, "frame")
