"""Wire form of commands: validation, conversion to the domain's types, and results. Pure."""

import math
import uuid

from mesh.clock import SimulationClock
from mesh.serving.errors import InvalidFieldError
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.commands_pb2 import Command, CommandOutcome, CommandRecord, CommandResult, SetHelm
from svc_sim.domain.contacts.trajectory import MAX_SPEED_MPS
from svc_sim.domain.craft.limits import CraftLimits
from svc_sim.domain.helm import Helm
from svc_sim.domain.scenario.scenario import MAX_TURN_RATE_DPS
from svc_sim.wire.orders import to_order
from svc_sim.wire.refused import RefusedError

# Limit for a run without an end: a century, within which nanoseconds since 1970 fit into 63 bits.
MAX_TIME_NS = 100 * 365 * 86_400 * 1_000_000_000
_LIMITS = {
    "course_deg": (0.0, 360.0),
    "speed_mps": (0.0, MAX_SPEED_MPS),
    "turn_rate_dps": (-MAX_TURN_RATE_DPS, MAX_TURN_RATE_DPS),
    "climb_mps": (-MAX_SPEED_MPS, MAX_SPEED_MPS),
}


def check_id(command: Command) -> str:
    """Return the command's id.

    Raises:
        InvalidFieldError: it is not a UUID in canonical form.
    """
    given = command.command_id
    try:
        canonical = str(uuid.UUID(given))
    except ValueError:
        canonical = ""
    if given != canonical or not given:
        shown = repr(given) if len(given) <= 64 else f"{len(given)} characters"
        raise InvalidFieldError("command.command_id", f"should be a UUID in lower case, got {shown}")
    return given


def decide(command: Command, committed_tick: int, run: Run, limits: CraftLimits | None = None) -> CommandRecord:
    """Return the outcome of a command with a valid id, when the ticks through `committed_tick` are committed.

    `limits` are those of a bot with a rigid body; None: the bot moves on rails.
    """
    known = known_part(command)
    try:
        if limits is None:
            to_helm(known)
        else:
            to_order(known, limits, run.tick_ns)
        tick = _tick_of_effect(known.tick, committed_tick, run)
    except RefusedError as refusal:
        result = CommandResult(
            outcome=CommandOutcome.COMMAND_OUTCOME_REFUSED, field=refusal.field, message=str(refusal)
        )
    else:
        time = SimulationClock.of(run).timestamp(tick)
        result = CommandResult(outcome=CommandOutcome.COMMAND_OUTCOME_APPLIED, tick=tick, time=time)
    result.command_id, result.run_id = command.command_id, run.run_id
    return CommandRecord(command=known, result=result)


def known_part(command: Command) -> Command:
    """Return the command without fields of later API versions, which have no meaning and no bounds here."""
    known = Command()
    known.CopyFrom(command)
    known.DiscardUnknownFields()
    return known


def to_helm(command: Command) -> Helm:
    """Return the commanded helm of the own ship.

    Raises:
        RefusedError: it holds no known action, or a value is not finite or out of its range.
    """
    if (action := command.WhichOneof("action")) != "set_helm":
        why = f"{action} is for a bot with a rigid body" if action else "nothing is asked for that is known here"
        raise RefusedError("action", f"{why}; known: set_helm")
    given = command.set_helm
    values = {name: _value(given, name) for name in _LIMITS}
    if all(value is None for value in values.values()):
        raise RefusedError("set_helm", f"nothing is given; give at least one of {', '.join(_LIMITS)}")
    return Helm(**values)


def _value(given: SetHelm, name: str) -> float | None:
    if not given.HasField(name):  # type: ignore[arg-type] # the stub lists the names as literals
        return None
    value: float = getattr(given, name)
    low, high = _LIMITS[name]
    excluded = name == "course_deg" and value == high
    if not math.isfinite(value) or not low <= value <= high or excluded:
        bracket = ")" if name == "course_deg" else "]"
        raise RefusedError(f"set_helm.{name}", f"must be finite and in [{low:g}, {high:g}{bracket}, got {value!r}")
    return value


def _tick_of_effect(wanted: int, committed_tick: int, run: Run) -> int:
    """Return the tick at which a command acts: the one it names, or the first uncommitted one."""
    first_open = committed_tick + 1
    if run.last_tick and first_open > run.last_tick:
        raise RefusedError("tick", f"the run's last tick, {run.last_tick}, is settled: nothing can act any more")
    if wanted == 0:
        return first_open
    if wanted <= committed_tick:
        raise RefusedError("tick", f"{wanted} is settled; reached are ticks through {committed_tick}")
    last_tick = run.last_tick or MAX_TIME_NS // run.tick_ns
    if wanted > last_tick:
        raise RefusedError("tick", f"{wanted} is not in this run, whose last tick is {last_tick}")
    return wanted
