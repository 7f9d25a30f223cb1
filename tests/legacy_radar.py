"""The radar's messages as a client of before was generated from them, in a descriptor pool of their own."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_PROTO: Final = Path(__file__).parent / "fixtures" / "radar_wire" / "legacy.proto"
_PROTOC_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class LegacyRadar:
    """The older client's message classes; `pool` holds nothing else, so that today's descriptors cannot leak in."""

    pool: DescriptorPool
    frame: type[Message]
    track: type[Message]


def load() -> LegacyRadar:
    """Compile the older contract with protoc and return its classes. Raises CalledProcessError when protoc refuses."""
    pool = DescriptorPool()
    for file in _compiled().file:
        pool.Add(file)
    frame = GetMessageClass(pool.FindMessageTypeByName("qiki.radar.v1.RadarFrame"))
    track = GetMessageClass(pool.FindMessageTypeByName("qiki.radar.v1.RadarTrack"))
    return LegacyRadar(pool, frame, track)


def _compiled() -> descriptor_pb2.FileDescriptorSet:
    # Run as a module, grpc_tools.protoc finds the well-known types beside itself.
    with TemporaryDirectory() as directory:
        output = Path(directory) / "legacy.binpb"
        arguments = [f"-I{_PROTO.parent}", "--include_imports", f"--descriptor_set_out={output}", _PROTO.name]
        command = [sys.executable, "-m", "grpc_tools.protoc", *arguments]
        subprocess.run(command, check=True, timeout=_PROTOC_TIMEOUT_S)
        return descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
