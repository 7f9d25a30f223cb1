"""Watch responses as bytes: the head that a feed gives each event, and the payload, which is serialized once."""

from google.protobuf.message import Message

from qiki_sdk.varint import varint

MAX_EVENT_BYTES = 900_000


class ResponseLayout:
    """Layout of one feed's Watch responses: the field `payload_field` carries the payload."""

    def __init__(self, response_type: type[Message], payload_field: str) -> None:
        field = response_type.DESCRIPTOR.fields_by_name[payload_field]
        payload_type = field.message_type
        if payload_type is None:
            raise TypeError(f"{payload_field} of {response_type.DESCRIPTOR.full_name} is not a message")
        self.payload_type = payload_type.full_name
        self._payload_tag = varint(field.number << 3 | 2)

    def response(self, feed: str, sequence: int, head: bytes, payload: bytes) -> bytes:
        """Return the full response made of its serialized head and payload.

        Appending a field to a serialized message adds it to the message: the payload is serialized once, for its digest
        and for every reader.

        Raises:
            ValueError: it exceeds `MAX_EVENT_BYTES`; names feed and event.
        """
        response = b"".join((head, self._payload_tag, varint(len(payload)), payload))
        if len(response) > MAX_EVENT_BYTES:
            raise ValueError(f"{feed}: event {sequence} has {len(response)} bytes, over {MAX_EVENT_BYTES}")
        return response
