"""Names of enum values, also of those that this version does not know."""

from google.protobuf.descriptor import EnumDescriptor


def enum_name(enum: EnumDescriptor, number: int, prefix: str) -> str:
    """Return a value's name without its prefix; a number without a name as `#number`."""
    value = enum.values_by_number.get(number)
    return f"#{number}" if value is None else value.name.removeprefix(prefix)
