"""The vocabulary of the audit trail: its codes in nine families, and the limits of an event. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

SCHEMA_VERSION = 1
MAX_REPORTER_CHARACTERS = 63
MAX_MESSAGE_CHARACTERS = 1_000
MAX_ATTRIBUTES = 32
MAX_ATTRIBUTE_NAME_CHARACTERS = 63
MAX_ATTRIBUTE_VALUE_CHARACTERS = 400
# An event within the limits above, at four bytes a character, always fits.
MAX_EVENT_BYTES = 65_536
MAX_EVENTS_A_REQUEST = 1_000


class Severity(IntEnum):
    """Severity of an event; the numbers are those of `qiki.registrar.v1.Severity`."""

    INFO = 1
    WARNING = 2
    ERROR = 3
    CRITICAL = 4


class Family(IntEnum):
    """Subject of an event: the hundreds of its code."""

    LIFECYCLE = 1
    SENSORS = 2
    RADAR = 3
    GUARD = 4
    COMMANDS = 5
    TRANSPORT = 6
    STORAGE = 7
    SECURITY = 8
    FAULTS = 9


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of event: a number in 100..999 and a name, both unique, its usual severity, and its meaning."""

    number: int
    name: str
    severity: Severity
    meaning: str

    @property
    def family(self) -> Family:
        """The family of the number's hundreds."""
        return Family(self.number // 100)


_I, _W, _E, _C = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL

BOOT_OK = Code(101, "BOOT_OK", _I, "A service has started and can do its work.")
SHUTDOWN = Code(109, "SHUTDOWN", _I, "A service goes away on request.")
RUN_BEGUN = Code(111, "RUN_BEGUN", _I, "A new run has begun.")
RUN_RESUMED = Code(112, "RUN_RESUMED", _I, "A run goes on after a restart of its simulator.")
RUN_ENDED = Code(119, "RUN_ENDED", _I, "A run has come to its end.")
FOLD_BEGUN = Code(121, "FOLD_BEGUN", _I, "A service has begun to fold a run, from nothing or from a checkpoint.")

SENSOR_IO_OK = Code(201, "SENSOR_IO_OK", _I, "The first reading of every sensor has come.")
READINGS_SUMMARY = Code(202, "READINGS_SUMMARY", _I, "How many readings came in the last minute.")
SENSOR_IO_FAILED = Code(211, "SENSOR_IO_FAILED", _E, "A sensor gives no readings.")
SENSOR_IO_RESTORED = Code(212, "SENSOR_IO_RESTORED", _I, "A sensor that gave no readings gives them again.")

FRAMES_FLOWING = Code(301, "FRAMES_FLOWING", _I, "The first radar frame of a run.")
FRAMES_SUMMARY = Code(302, "FRAMES_SUMMARY", _I, "How many frames and detections came in the last minute.")
TRACKS_FLOWING = Code(303, "TRACKS_FLOWING", _I, "The first set of tracks of a run.")
TRACKS_SUMMARY = Code(304, "TRACKS_SUMMARY", _I, "How many tracks were begun and lost in the last minute.")
FRAME_TRUNCATED = Code(311, "FRAME_TRUNCATED", _W, "A frame left out detections beyond its sensor's limit.")
FRAME_REFUSED = Code(312, "FRAME_REFUSED", _W, "A frame could not be used; the tracker went on without it.")
RADAR_OFF = Code(321, "RADAR_OFF", _W, "A radar gives empty frames: it is off or has failed.")
RADAR_ON = Code(322, "RADAR_ON", _I, "A radar that was off or had failed works again.")

GUARD_ENTERED = Code(401, "GUARD_ENTERED", _W, "A guard rule has begun to hold for a track.")
GUARD_LEFT = Code(402, "GUARD_LEFT", _I, "A guard rule holds no longer for a track.")
COLLISION_RISK = Code(411, "COLLISION_RISK", _C, "A track's closest point of approach is too near and too soon.")

COMMAND_DONE = Code(501, "COMMAND_DONE", _I, "A command was carried out.")
COMMAND_REFUSED = Code(502, "COMMAND_REFUSED", _W, "A command was refused.")
COMMAND_REPEATED = Code(503, "COMMAND_REPEATED", _I, "A command came again; what happened the first time was answered.")
COMMAND_EXHAUSTED = Code(511, "COMMAND_EXHAUSTED", _E, "A command could not be delivered in the tries it has.")
TIME_CONTROLLED = Code(521, "TIME_CONTROLLED", _I, "The simulation was paused, resumed, stepped, or its speed set.")

NATS_CONNECTED = Code(601, "NATS_CONNECTED", _I, "The bridge has a connection to NATS.")
NATS_LOST = Code(602, "NATS_LOST", _W, "The bridge has lost its connection to NATS.")
TOPOLOGY_DRIFT = Code(603, "TOPOLOGY_DRIFT", _E, "The streams in NATS are not as declared.")
SOURCE_CONNECTED = Code(611, "SOURCE_CONNECTED", _I, "A service reads the stream that it depends on.")
SOURCE_LOST = Code(612, "SOURCE_LOST", _W, "A service cannot read the stream that it depends on.")
FEED_BLOCKED = Code(613, "FEED_BLOCKED", _E, "A required reader has kept a lossless producer waiting for too long.")
FEED_UNBLOCKED = Code(614, "FEED_UNBLOCKED", _I, "A producer that a required reader had kept waiting goes on.")
CHANNEL_CARRYING = Code(621, "CHANNEL_CARRYING", _I, "The bridge carries a channel.")
CHANNEL_STOPPED = Code(622, "CHANNEL_STOPPED", _E, "The bridge has stopped a channel; an operator decides.")
STORE_STALLED = Code(623, "STORE_STALLED", _E, "The broker stores nothing of a channel; its events wait at the bridge.")
STORE_RESUMED = Code(624, "STORE_RESUMED", _W, "The broker stores a channel's events again.")
GAP = Code(631, "GAP", _E, "Events of a feed are missing, from a first to a last sequence.")
CURSOR_LOST = Code(632, "CURSOR_LOST", _E, "Where a subject was left is no longer at its source; an operator decides.")
RUN_SUPERSEDED = Code(633, "RUN_SUPERSEDED", _E, "A subject already holds a later run; the earlier one is not carried.")
DEAD_LETTERED = Code(641, "DEAD_LETTERED", _W, "A message that could not be processed was dead-lettered.")
SPOOL_DROPPED = Code(651, "SPOOL_DROPPED", _W, "A reporter had to drop events while the registrar was away.")

LOG_TAIL_CUT = Code(701, "LOG_TAIL_CUT", _W, "The log ended in bytes that were never acknowledged; they were cut off.")
AUDIT_LOG_LOST = Code(
    702, "AUDIT_LOG_LOST", _C, "The bus holds events of an audit log that is lost; an operator decides."
)
LOG_CHECKPOINT = Code(703, "LOG_CHECKPOINT", _I, "A signed checkpoint of the audit trail; keep it elsewhere.")
STORAGE_FAILED = Code(711, "STORAGE_FAILED", _E, "What must be durable could not be written.")
STORAGE_RESTORED = Code(712, "STORAGE_RESTORED", _W, "Storage that had failed works again.")
CHECKPOINT_DAMAGED = Code(721, "CHECKPOINT_DAMAGED", _W, "A checkpoint could not be used; an older one was, or none.")

ACCESS_REFUSED = Code(801, "ACCESS_REFUSED", _W, "Somebody asked for what they may not have.")
IDENTITY_CONTRADICTED = Code(811, "IDENTITY_CONTRADICTED", _W, "A track answers with an identity that cannot be its.")

FAULT = Code(901, "FAULT", _E, "Something failed that should not; the service's log tells more.")
LOOP_STALLED = Code(902, "LOOP_STALLED", _E, "A service's loop has not advanced for too long.")
INPUT_QUARANTINED = Code(
    903, "INPUT_QUARANTINED", _E, "An event made a fold fail; it was left out, and the fold goes on."
)
PROCESS_DIED = Code(911, "PROCESS_DIED", _E, "A process of the mesh has ended without a request to end.")

ALL: tuple[Code, ...] = (
    *(BOOT_OK, SHUTDOWN, RUN_BEGUN, RUN_RESUMED, RUN_ENDED, FOLD_BEGUN),
    *(SENSOR_IO_OK, READINGS_SUMMARY, SENSOR_IO_FAILED, SENSOR_IO_RESTORED),
    *(FRAMES_FLOWING, FRAMES_SUMMARY, TRACKS_FLOWING, TRACKS_SUMMARY),
    *(FRAME_TRUNCATED, FRAME_REFUSED, RADAR_OFF, RADAR_ON),
    *(GUARD_ENTERED, GUARD_LEFT, COLLISION_RISK),
    *(COMMAND_DONE, COMMAND_REFUSED, COMMAND_REPEATED, COMMAND_EXHAUSTED, TIME_CONTROLLED),
    *(NATS_CONNECTED, NATS_LOST, TOPOLOGY_DRIFT, SOURCE_CONNECTED, SOURCE_LOST, FEED_BLOCKED, FEED_UNBLOCKED),
    *(CHANNEL_CARRYING, CHANNEL_STOPPED, STORE_STALLED, STORE_RESUMED),
    *(GAP, CURSOR_LOST, RUN_SUPERSEDED, DEAD_LETTERED, SPOOL_DROPPED),
    *(LOG_TAIL_CUT, AUDIT_LOG_LOST, LOG_CHECKPOINT, STORAGE_FAILED, STORAGE_RESTORED, CHECKPOINT_DAMAGED),
    *(ACCESS_REFUSED, IDENTITY_CONTRADICTED),
    *(FAULT, LOOP_STALLED, INPUT_QUARANTINED, PROCESS_DIED),
)

BY_NUMBER: Mapping[int, Code] = MappingProxyType({code.number: code for code in ALL})
