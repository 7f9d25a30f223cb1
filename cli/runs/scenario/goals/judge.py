"""Judgement of a run: every event read back goes to the goals that concern it, and each gives its verdict."""

from collections.abc import Sequence

from botspec.channels import Channel
from cli.demo.checks.event_check import CheckedEvent
from cli.runs.scenario.goals.energy_goals import BrownOutJudge, ChargeJudge
from cli.runs.scenario.goals.flight_goals import ClearanceJudge, ReachJudge
from cli.runs.scenario.goals.track_goals import AlarmJudge, ContinuityJudge, IdentityJudge
from cli.runs.scenario.goals.verdict import GoalJudge, Verdict
from mesh.clock import NS_PER_S
from svc_sim.domain.scenario.goals import (
    Alarm,
    ChargeAbove,
    Goal,
    Identified,
    KeepClear,
    NoBrownOut,
    Reach,
    TrackContinuity,
)


class RunJudge:
    """Judges one run; `start_ns` is the simulation time of its tick 0."""

    def __init__(self, goals: Sequence[Goal], run_id: str, start_ns: int) -> None:
        self._judges = [_judge_of(goal) for goal in goals]
        self._run_id = run_id
        self._start_ns = start_ns

    def __call__(self, channel: Channel, event: CheckedEvent) -> None:
        """Take an event of the run."""
        if event.context.run_id != self._run_id or channel.policy != "derived":
            return
        time_s = (event.context.time.ToNanoseconds() - self._start_ns) / NS_PER_S
        for judge in self._judges:
            if channel.type in judge.TYPES:
                judge.take(event.payload, time_s)

    def verdicts(self) -> list[Verdict]:
        """Return the verdict on each goal, in the scenario's order."""
        return [judge.verdict() for judge in self._judges]


def _judge_of(goal: Goal) -> GoalJudge:
    judge: GoalJudge
    match goal:
        case KeepClear():
            judge = ClearanceJudge(goal)
        case Reach():
            judge = ReachJudge(goal)
        case NoBrownOut():
            judge = BrownOutJudge()
        case ChargeAbove():
            judge = ChargeJudge(goal)
        case TrackContinuity():
            judge = ContinuityJudge(goal)
        case Identified():
            judge = IdentityJudge(goal)
        case Alarm():
            judge = AlarmJudge(goal)
    return judge
