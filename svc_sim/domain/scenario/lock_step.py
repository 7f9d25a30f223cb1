"""Lock step: the agents that the world waits for, in turns at whole steps of simulation time."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from botspec.base import Duration, Spec, refuse

MAX_AGENTS = 16

AgentName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class LockStep(Spec):
    """At every multiple of `step_s` the world waits until each agent, in this order, has taken its turn.

    A run in which one agent takes longer than `limit_s` of wall-clock time for a turn ends as failed.
    """

    agents: Annotated[tuple[AgentName, ...], Field(min_length=1, max_length=MAX_AGENTS)]
    step_s: Duration = 1.0
    limit_s: Annotated[float, Field(gt=0, le=3600)] = 60.0

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        repeated = [number for number, name in enumerate(self.agents) if name in self.agents[:number]]
        refuse("LockStep", [(("agents", number), f"{self.agents[number]!r} is given twice") for number in repeated])
        return self
