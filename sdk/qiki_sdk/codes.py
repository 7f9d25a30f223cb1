"""The vocabulary of the audit trail: its codes, each with severity, meaning and remedy, and the limits of an event.

`make codes` generates the enum in the proto and the table in docs/codes.md from this module. A published number keeps
its meaning for ever: the number of a deleted code is not used again.
"""

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
# Of an event of another program: the payload that is kept, and all its attributes together.
MAX_FOREIGN_DATA_BYTES = 32_768
MAX_FOREIGN_ATTRIBUTE_BYTES = 16_384


class Severity(IntEnum):
    """Severity of an event; the numbers are those of `qiki.registrar.v1.Severity`."""

    INFO = 1
    WARNING = 2
    ERROR = 3
    CRITICAL = 4


class Family(IntEnum):
    """Subject of an event: the hundreds of its code."""

    BOOT = 1
    SENSORS = 2
    TRACKING = 3
    COMMS = 4
    NAVIGATION = 5
    BUS = 6
    HEALTH = 7
    SECURITY = 8
    CRITICAL = 9


SUBJECTS: Mapping[Family, str] = MappingProxyType(
    {
        Family.BOOT: "boot, runs and shutdown",
        Family.SENSORS: "sensors",
        Family.TRACKING: "actuators and tracking",
        Family.COMMS: "communication and guard",
        Family.NAVIGATION: "navigation: commands and simulation time",
        Family.BUS: "power and bus: feeds, channels and streams",
        Family.HEALTH: "health: logs, checkpoints and disks",
        Family.SECURITY: "security and identity",
        Family.CRITICAL: "critical faults",
    }
)


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of event: a unique number in 100..999 and name, usual severity, meaning, and the operator's remedy."""

    number: int
    name: str
    severity: Severity
    meaning: str
    remedy: str = "Nothing."

    @property
    def family(self) -> Family:
        """The family of the number's hundreds."""
        return Family(self.number // 100)


_I, _W, _E, _C = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL

BOOT_OK = Code(101, "BOOT_OK", _I, "A service has started and can do its work.")
SHUTDOWN = Code(109, "SHUTDOWN", _I, "A service goes away on request.")
RUN_BEGUN = Code(111, "RUN_BEGUN", _I, "A new run has begun.")
RUN_RESUMED = Code(112, "RUN_RESUMED", _I, "A run goes on after a restart of its simulator.")
RUN_FAILED = Code(
    118,
    "RUN_FAILED",
    _E,
    "A run in lock step cannot go on: an agent took too long for its turn.",
    "Read the agent's log; raise limit_s in the scenario if the agent is merely slow.",
)
RUN_ENDED = Code(119, "RUN_ENDED", _I, "A run has come to its end.")
FOLD_BEGUN = Code(121, "FOLD_BEGUN", _I, "A service has begun to fold a run, from nothing or from a checkpoint.")

SENSOR_IO_OK = Code(201, "SENSOR_IO_OK", _I, "The first reading of every sensor has come.")
READINGS_SUMMARY = Code(202, "READINGS_SUMMARY", _I, "How many readings came in the last minute.")
SENSOR_IO_FAILED = Code(
    211,
    "SENSOR_IO_FAILED",
    _E,
    "A sensor gives no readings, or a radar has lost several scans in a row.",
    "Look for the fault that the scenario gives this sensor; silence and empty frames are no evidence of absence.",
)
SENSOR_IO_RESTORED = Code(212, "SENSOR_IO_RESTORED", _I, "A sensor that had failed measures again.")

FRAMES_FLOWING = Code(301, "FRAMES_FLOWING", _I, "The first radar frame of a run.")
FRAMES_SUMMARY = Code(302, "FRAMES_SUMMARY", _I, "How many frames and detections came in the last minute.")
TRACKS_FLOWING = Code(303, "TRACKS_FLOWING", _I, "The first set of tracks of a run.")
TRACKS_SUMMARY = Code(304, "TRACKS_SUMMARY", _I, "How many tracks were begun and lost in the last minute.")
FRAME_TRUNCATED = Code(
    311,
    "FRAME_TRUNCATED",
    _W,
    "Frames of this minute left out detections beyond their sensor's limit.",
    "Raise the sensor's `max_detections` in the BotSpec, or lower its false alarm probability.",
)
FRAME_REFUSED = Code(
    312,
    "FRAME_REFUSED",
    _W,
    "A frame could not be used; the tracker went on without it.",
    "Correct the radar: the attribute `field` names what is wrong with the frame.",
)

GUARD_ENTERED = Code(
    401,
    "GUARD_ENTERED",
    _W,
    "A guard rule has begun to hold for a track.",
    "Look at the track that the attributes name.",
)
GUARD_LEFT = Code(402, "GUARD_LEFT", _I, "A guard rule holds no longer for a track.")
COLLISION_RISK = Code(
    411,
    "COLLISION_RISK",
    _C,
    "A track's closest point of approach is too near and too soon.",
    "Change course or speed.",
)
FOREIGN_EVENT = Code(421, "FOREIGN_EVENT", _I, "An event of another program was recorded whole.")

COMMAND_DONE = Code(501, "COMMAND_DONE", _I, "A command was carried out.")
COMMAND_REFUSED = Code(
    502,
    "COMMAND_REFUSED",
    _W,
    "A command was refused.",
    "Correct the field that the event names, and send it under a new id.",
)
COMMAND_REPEATED = Code(503, "COMMAND_REPEATED", _I, "A command came again; what happened the first time was answered.")
COMMAND_COMPLETED = Code(504, "COMMAND_COMPLETED", _I, "A command has had its effect.")
COMMAND_ABORTED = Code(
    505,
    "COMMAND_ABORTED",
    _W,
    "A command ended before it had its effect.",
    "The message says why; send another command once the cause is gone.",
)
COMMAND_EXHAUSTED = Code(
    511,
    "COMMAND_EXHAUSTED",
    _E,
    "A command could not be delivered in the tries it has.",
    "Restore the service it is for; send it again with `qiki nats dlq replay` if it is still wanted.",
)
TIME_CONTROLLED = Code(521, "TIME_CONTROLLED", _I, "The simulation was paused, resumed, stepped, or its speed set.")
MODE_CHANGED = Code(531, "MODE_CHANGED", _I, "The craft has entered another mode.")
TANK_EMPTY = Code(
    541,
    "TANK_EMPTY",
    _E,
    "The propellant tank is empty: no thruster fires any more.",
    "Plan without thrust: the craft coasts to the run's end.",
)

NATS_CONNECTED = Code(601, "NATS_CONNECTED", _I, "The bridge has a connection to NATS.")
NATS_LOST = Code(
    602,
    "NATS_LOST",
    _W,
    "The bridge has lost its connection to NATS.",
    "Restart the NATS server or restore the network; the bridge goes on by itself.",
)
TOPOLOGY_DRIFT = Code(
    603,
    "TOPOLOGY_DRIFT",
    _E,
    "The streams in NATS are not as declared; the bridge waits.",
    "Run `qiki nats check`, then `qiki nats init`.",
)
SOURCE_CONNECTED = Code(611, "SOURCE_CONNECTED", _I, "A service reads the stream that it depends on.")
SOURCE_LOST = Code(
    612,
    "SOURCE_LOST",
    _W,
    "A service cannot read the stream that it depends on.",
    "Restart the service that serves the stream; the reader goes on by itself.",
)
FEED_BLOCKED = Code(
    613,
    "FEED_BLOCKED",
    _E,
    "A required reader has kept a lossless producer waiting for too long.",
    "Restart the reader that the event names, or remove it from the feed's required readers.",
)
FEED_UNBLOCKED = Code(614, "FEED_UNBLOCKED", _I, "A producer that a required reader had kept waiting goes on.")
CHANNEL_CARRYING = Code(621, "CHANNEL_CARRYING", _I, "The bridge carries a channel.")
CHANNEL_STOPPED = Code(
    622,
    "CHANNEL_STOPPED",
    _E,
    "The bridge has stopped a channel; an operator decides.",
    "Do what the message says, then restart the bridge.",
)
STORE_STALLED = Code(
    623,
    "STORE_STALLED",
    _E,
    "The broker stores nothing of a channel; its events wait at the bridge.",
    "Look at the broker's disk and log; the bridge goes on by itself.",
)
STORE_RESUMED = Code(624, "STORE_RESUMED", _W, "The broker stores a channel's events again.")
GAP = Code(
    631,
    "GAP",
    _E,
    "Events of a feed are missing, from a first to a last sequence.",
    "Give the feed a longer retention or its reader more speed; the missing events are lost to this reader.",
)
CURSOR_LOST = Code(
    632,
    "CURSOR_LOST",
    _E,
    "Where a subject was left is no longer at its source; an operator decides.",
    "Do what the message says, then restart the bridge.",
)
RUN_SUPERSEDED = Code(
    633,
    "RUN_SUPERSEDED",
    _E,
    "A subject already holds a later run; the earlier one is not carried.",
    "End the older source, or delete the later run with `qiki nats drop-run`.",
)
DEAD_LETTERED = Code(
    641,
    "DEAD_LETTERED",
    _W,
    "A message that could not be processed was dead-lettered.",
    "See it with `qiki nats dlq show`; correct its sender, then replay or remove it.",
)
SPOOL_DROPPED = Code(
    651,
    "SPOOL_DROPPED",
    _W,
    "A reporter had to drop events while the registrar was away.",
    "Restore the registrar sooner, or give the reporter's spool more room.",
)
REPORTER_GAP = Code(
    652,
    "REPORTER_GAP",
    _E,
    "Events of a reporter never came: their numbers, from a first to a last, are missing.",
    "Look for a SPOOL_DROPPED of the same numbers; without one, for a lost spool directory.",
)
BROWN_OUT = Code(
    671,
    "BROWN_OUT",
    _E,
    "The battery is empty: no component has power beyond what is generated.",
    "Switch loads off, or restore the generation.",
)
POWER_RESTORED = Code(672, "POWER_RESTORED", _I, "The battery carries the components again that are never shed.")
LOAD_SHED = Code(
    673, "LOAD_SHED", _W, "A component was shed to save charge.", "Switch other loads off, or restore the generation."
)
LOAD_RESTORED = Code(674, "LOAD_RESTORED", _I, "A component that was shed has power again.")

LOG_TAIL_CUT = Code(701, "LOG_TAIL_CUT", _W, "The log ended in bytes that were never acknowledged; they were cut off.")
AUDIT_LOG_LOST = Code(
    702,
    "AUDIT_LOG_LOST",
    _C,
    "The bus holds events of an audit log that is lost; an operator decides.",
    "Put the log's directory back, or accept the loss as the message says.",
)
LOG_CHECKPOINT = Code(
    703,
    "LOG_CHECKPOINT",
    _I,
    "A signed checkpoint of the audit trail.",
    "Keep it elsewhere: what it covers cannot be changed unnoticed then.",
)
LOG_TRIMMED = Code(
    704,
    "LOG_TRIMMED",
    _I,
    "Retention removed old events of the audit trail, from a first to a last.",
    "Nothing; where the log begins later than the last of these says, somebody else removed events.",
)
STORAGE_FAILED = Code(
    711,
    "STORAGE_FAILED",
    _E,
    "What must be durable could not be written.",
    "Free the disk or replace it; the service goes on by itself.",
)
STORAGE_RESTORED = Code(712, "STORAGE_RESTORED", _W, "Storage that had failed works again.")
CHECKPOINT_DAMAGED = Code(
    721,
    "CHECKPOINT_DAMAGED",
    _W,
    "A checkpoint could not be used; an older one was, or none.",
    "Look at the disk: a file was changed after it was written.",
)
THERMAL_TRIPPED = Code(
    731,
    "THERMAL_TRIPPED",
    _E,
    "A thermal node is too hot: its components are off.",
    "Switch components of the node off until it has cooled.",
)
THERMAL_RECOVERED = Code(732, "THERMAL_RECOVERED", _I, "A thermal node that had tripped is cool enough again.")

SECURITY_VIOLATION = Code(
    802,
    "SECURITY_VIOLATION",
    _E,
    "A message on the audit subject is not in the audit log: somebody else wrote it.",
    "Find its sender by the attributes; let nobody but the bridge publish on the audit subject.",
)
IDENTITY_CONTRADICTED = Code(
    811,
    "IDENTITY_CONTRADICTED",
    _W,
    "A track answers with an identity that cannot be its.",
    "Treat the track as a spoofer until it is identified otherwise.",
)

FAULT = Code(
    901,
    "FAULT",
    _E,
    "Something failed that should not; the service's log says more.",
    "Read the service's log; the service is started again.",
)
LOOP_STALLED = Code(
    902,
    "LOOP_STALLED",
    _E,
    "A service's loop has not advanced for too long.",
    "Read the service's log; restart the service if it stays.",
)
INPUT_QUARANTINED = Code(
    903,
    "INPUT_QUARANTINED",
    _E,
    "An event made a fold fail; it was left out, and the fold goes on.",
    "Keep the event that the attributes name and report the failure.",
)
PROCESS_DIED = Code(
    911,
    "PROCESS_DIED",
    _E,
    "A process of the mesh has ended without a request to end.",
    "Read the end of its log; the supervisor starts it again.",
)

ALL: tuple[Code, ...] = tuple(value for value in tuple(globals().values()) if isinstance(value, Code))
BY_NUMBER: Mapping[int, Code] = MappingProxyType({code.number: code for code in ALL})
