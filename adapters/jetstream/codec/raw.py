"""Raw payload responses: a Watch response with its payload left as bytes, which are forwarded undecoded."""

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "qiki.raw"


def raw_payload(response: type[Message], payload_field: str) -> type[Message]:
    """Return a message class that reads `response` on the wire, with the payload field as bytes.

    An embedded message and bytes have the same wire format: a length, and that many bytes.
    """
    full_name = response.DESCRIPTOR.full_name
    message = DescriptorProto()
    response.DESCRIPTOR.CopyToProto(message)
    message.name = full_name.replace(".", "_")
    for field in message.field:
        if field.name == payload_field:
            field.type = FieldDescriptorProto.TYPE_BYTES
            field.ClearField("type_name")
    pool = descriptor_pool.Default()
    source = response.DESCRIPTOR.file
    file = FileDescriptorProto(
        name=f"qiki/raw/{message.name}.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[each.name for each in source.dependencies],
        message_type=[message],
    )
    pool.AddSerializedFile(file.SerializeToString(deterministic=True))  # adding the same file again changes nothing
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{message.name}"))
