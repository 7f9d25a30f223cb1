"""The simulation clock: converts ticks of a run to UTC times in whole nanoseconds. Pure."""

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from qiki.common.v1.stream_pb2 import Run

NS_PER_S = 1_000_000_000


def to_timestamp(time_ns: int) -> Timestamp:
    """Return the protobuf timestamp of nanoseconds since the Unix epoch."""
    seconds, nanos = divmod(time_ns, NS_PER_S)
    return Timestamp(seconds=seconds, nanos=nanos)


@dataclass(frozen=True, slots=True)
class SimulationClock:
    """Time of a tick = start + tick * length of a tick."""

    start_ns: int
    tick_ns: int

    @classmethod
    def of(cls, run: Run) -> "SimulationClock":
        """Return the clock of a run."""
        return cls(run.start_time.ToNanoseconds(), run.tick_ns)

    def time_ns(self, tick: int) -> int:
        """Return the simulation time of a tick, in nanoseconds since the Unix epoch."""
        return self.start_ns + tick * self.tick_ns

    def timestamp(self, tick: int) -> Timestamp:
        """Return the simulation time of a tick."""
        return to_timestamp(self.time_ns(tick))
