"""Turns of the agents that the world waits for: at each step one agent after the other, then simulation time goes on.

An agent's turn at a step begins when the world has reached the step's tick and every agent before it in the list has
completed its own. The world computes no tick after a step before the last agent has completed it, and reserves none, so
a command without a tick that is sent in a turn acts in the first tick after the step, whatever the wall clock says.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from botspec import yaml_source
from botspec.sections import Simulation as SimulationSpec
from botspec.yaml_source import Problem, SpecError
from mesh.feeds.notifier import Notifier
from mesh.serving.errors import InvalidFieldError, RunEndedError
from mesh.serving.health import Heartbeat
from svc_sim.domain.scenario.scenario import LoadedScenario
from svc_sim.pacer import SLICE_S

NOT_YET = -1


def step_ticks_of(loaded: LoadedScenario, simulation: SimulationSpec) -> int:
    """Return the ticks from one step to the next; 0 for a scenario without lock step.

    Raises:
        SpecError: a step is no whole number of ticks.
    """
    lock_step = loaded.scenario.lock_step
    if lock_step is None:
        return 0
    try:
        return simulation.ticks(lock_step.step_s)
    except ValueError as error:
        loc = ("lock_step", "step_s")
        document = yaml_source.load(loaded.path)
        raise SpecError([Problem(loaded.path, document.line(loc), document.where(loc), str(error))]) from None


class Turns:
    """The turns of one run: `agents` in their order, a step each `step_ticks`; without agents nothing waits.

    `failure` is empty until an agent has taken longer than `limit_s` of wall-clock time for a turn.
    """

    def __init__(
        self,
        agents: Sequence[str] = (),
        step_ticks: int = 1,
        limit_s: float = 0.0,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.step_ticks = step_ticks
        self.failure = ""
        self.change = Notifier()
        self._completed = dict.fromkeys(agents, NOT_YET)
        self._limit_s = limit_s
        self._now = now
        self._turn: tuple[str, int] = ("", NOT_YET)  # the turn that the world waits for, and since when
        self._since_s = 0.0

    @property
    def completed(self) -> Mapping[str, int]:
        """The tick of the newest step that each agent has completed; -1 for none."""
        return self._completed

    def complete(self, agent: str, tick: int, reached_tick: int) -> None:
        """Note that an agent has completed its turn at a step; repeating it is harmless.

        Raises:
            InvalidFieldError: no agent of this run, or a tick that is no step, or is ahead of the world.
        """
        self.check_agent(agent)
        if tick % self.step_ticks:
            raise InvalidFieldError("completed_tick", f"must be a multiple of {self.step_ticks}, a step's tick")
        if tick > reached_tick:
            raise InvalidFieldError("completed_tick", f"must be a step that the world has reached, {reached_tick}")
        if tick > self._completed[agent]:
            self._completed[agent] = tick
            self.change.notify()

    def check_agent(self, agent: str) -> None:
        """Check that the world waits for an agent of this name.

        Raises:
            InvalidFieldError: it does not.
            RunEndedError: the run has failed.
        """
        if agent not in self._completed:
            known = ", ".join(self._completed) or "none: the scenario has no lock_step"
            raise InvalidFieldError("agent", f"the world waits for no agent {agent!r} (it waits for: {known})")
        if self.failure:
            raise RunEndedError(f"the run has failed: {self.failure}")

    def has_turn(self, agent: str, tick: int, reached_tick: int) -> bool:
        """Return whether an agent's turn at a step has come."""
        before = list(self._completed)[: list(self._completed).index(agent)]
        return reached_tick >= tick and all(self._completed[each] >= tick for each in before)

    def waits_for(self, tick: int) -> str:
        """Return the agent whose turn comes before a tick can be computed; empty for none."""
        step = (tick - 1) // self.step_ticks * self.step_ticks
        return next((agent for agent, completed in self._completed.items() if completed < step), "")

    def reached(self, tick: int) -> None:
        """Tell the agents that the world has reached a tick."""
        if self._completed and tick % self.step_ticks == 0:
            self.change.notify()

    async def wait(self, tick: int, heartbeat: Heartbeat) -> bool:
        """Wait until a tick may be computed; return False once an agent has exceeded the limit."""
        while (agent := self.waits_for(tick)) and not self.failure:
            self._check_limit(agent, tick)
            heartbeat.beat(f"waits for agent {agent}")
            await self.change.wait(SLICE_S)
        return not self.failure

    def _check_limit(self, agent: str, tick: int) -> None:
        turn = (agent, (tick - 1) // self.step_ticks * self.step_ticks)
        if turn != self._turn:
            self._turn, self._since_s = turn, self._now()
        elif self._now() - self._since_s > self._limit_s:
            self.failure = f"agent {agent} has not completed the step at tick {turn[1]} within {self._limit_s:g} s"
            self.change.notify()
