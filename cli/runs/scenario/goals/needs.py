"""The parts of a bot without which a goal cannot be measured."""

from collections.abc import Iterator
from typing import Final

from botspec.model import BotSpec
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.sim.v1.world_pb2 import WorldSnapshot
from qiki.tracker.v1.guard_pb2 import GuardEvent
from svc_sim.domain.scenario.goals import Alarm, ChargeAbove, Goal, Identified, NoBrownOut, TrackContinuity

WORLD: Final = WorldSnapshot.DESCRIPTOR.full_name
TRACKS: Final = TrackSet.DESCRIPTOR.full_name
GUARD: Final = GuardEvent.DESCRIPTOR.full_name
ENERGY: Final = "qiki.sim.v1.EnergyStatus"


def goal_needs(goal: Goal, spec: BotSpec) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the field and the reason of each need of a goal that the bot does not meet."""
    types = [channel.type for channel in spec.channels]
    for needed in _types_of(goal):
        if needed not in types:
            yield ("kind",), f"cannot be measured with this bot: it has no channel of {needed}"
    if isinstance(goal, Alarm):
        rules = [rule.name for rule in spec.guard_rules]
        if goal.rule not in rules:
            yield ("rule",), f"the BotSpec has no guard rule {goal.rule!r} (it has: {', '.join(rules) or 'none'})"


def _types_of(goal: Goal) -> tuple[str, ...]:
    if isinstance(goal, NoBrownOut | ChargeAbove):
        return (ENERGY,)
    if isinstance(goal, TrackContinuity | Identified):
        return (WORLD, TRACKS)
    return (GUARD,) if isinstance(goal, Alarm) else (WORLD,)
