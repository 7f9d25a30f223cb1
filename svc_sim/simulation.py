"""The simulation's loop: permit a tick, reserve it, compute it, publish the events due, until the run ends."""

import asyncio
import logging
import time
from collections.abc import Mapping

from mesh import failpoints
from mesh.clock import SimulationClock
from mesh.feeds import identity
from mesh.feeds.audit_summary import AuditSummary
from mesh.feeds.feed import FlowControl
from mesh.folds.runner import wait_for_readers
from mesh.serving.health import Heartbeat
from mesh.serving.storage_health import StorageHealth
from mesh.telemetry.spans import WorkSpans
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.sim_service_pb2 import FlowControl as WireFlowControl
from qiki.sim.v1.sim_service_pb2 import SimulationPhase, SimulationState
from qiki_sdk.audit import AuditReporter
from qiki_sdk.backoff import Backoff
from qiki_sdk.codes import (
    READINGS_SUMMARY,
    RUN_BEGUN,
    RUN_ENDED,
    RUN_FAILED,
    RUN_RESUMED,
    SENSOR_IO_OK,
    TIME_CONTROLLED,
)
from svc_sim.craft.effects import TickEffects
from svc_sim.durability.commit_log import CommitLog
from svc_sim.lock_step import Turns
from svc_sim.metrics import SimMetrics
from svc_sim.outputs import Feeds, Outputs
from svc_sim.pacer import SLICE_S, Pacer

_LOG = logging.getLogger(__name__)
_WIRE_FLOW_CONTROL = {
    FlowControl.LIVE: WireFlowControl.FLOW_CONTROL_LIVE,
    FlowControl.LOSSLESS: WireFlowControl.FLOW_CONTROL_LOSSLESS,
}


class Simulation:
    """One run, from the first tick to compute to its end."""

    def __init__(
        self,
        *,
        run: Run,
        outputs: Outputs,
        effects: TickEffects,
        pacer: Pacer,
        commit_log: CommitLog,
        turns: Turns,
        audit: AuditReporter,
        spans: WorkSpans,
        metrics: SimMetrics,
    ) -> None:
        self.run = run
        self._metrics = metrics
        self._spans = spans
        self.outputs = outputs
        self.sensor_ids = outputs.sensor_ids
        self._feeds: Feeds = outputs.feeds
        self._effects = effects
        self.turns = turns
        self.pacer = pacer
        self._commit_log = commit_log
        self.clock = SimulationClock.of(run)
        self._replay_to = min(commit_log.committed_tick, run.last_tick or commit_log.committed_tick)
        self.retained_ticks = self._feeds.world.settings.retention.time_ns // run.tick_ns
        self.tick = max(0, self._replay_to - self.retained_ticks)
        self._storage_failure = ""
        self._audit = audit
        self._control = pacer.control
        self._readings = AuditSummary(
            audit, SENSOR_IO_OK, READINGS_SUMMARY, run, first_sequence=outputs.all_read_sequence
        )

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.run.last_tick > 0 and self.tick >= self.run.last_tick

    @property
    def replaying(self) -> bool:
        """Whether the simulation is replaying ticks that were visible before a restart."""
        return self.tick < self._replay_to

    def begin(self) -> None:
        """Start the feeds of the run."""
        for feed in self._feeds.derived:
            feed.begin(self.run)
        self._feeds.commands.begin(self.run)

    @property
    def newest_tick(self) -> int:
        """The newest tick that was ever visible: ahead of `tick` during replay."""
        return max(self.tick, self._replay_to)

    async def advance(self, heartbeat: Heartbeat) -> None:
        """Run to the end, and then keep the heartbeat going."""
        self._audit.report(RUN_RESUMED if self._replay_to else RUN_BEGUN, run_id=self.run.run_id, tick=self._replay_to)
        storage = StorageHealth("ticks cannot be reserved", heartbeat, self._audit.report)
        await self._effects.catch_up(self.tick, heartbeat)
        while not self.ended:
            heartbeat.beat(self.describe())
            if not self.replaying:
                self.replayed()
                if self.pacer.stands_still:
                    await self.pacer.change.wait(SLICE_S)
                    continue
            if not self.replaying and not await self.turns.wait(self.tick + 1, heartbeat):
                await self._stay_failed(heartbeat)
            await self._wait_for_readers(self.tick + 1, heartbeat)
            await self._effects.wait_for_records(heartbeat)
            await self._settle(self.tick + 1, storage)
            # No await between the permission and the tick: the state in a response to a pause or a step stays true.
            if not self.replaying and not await self.pacer.permit():
                continue
            self.compute(self.tick + 1)
            self.turns.reached(self.tick)
            if self.pacer.paused:
                self._feeds.world.change.notify()  # callers that wait for steps wait on this, and also see a drain
            failpoints.reach("tick.visible")
            await asyncio.sleep(0)  # readers get their turn at any speed
        for feed in self._feeds.derived:
            feed.end()
        end = self.clock.timestamp(self.tick)
        self._audit.report(RUN_ENDED, simulation_time=end, run_id=self.run.run_id, key="RUN_ENDED", tick=self.tick)
        while True:
            heartbeat.beat(self.describe())
            await self.pacer.change.wait(SLICE_S)

    def time_controlled(self) -> None:
        """Report a change of the time control; a repeated request that changes nothing, or a further step, is none."""
        control = self.pacer.control
        if control == self._control:
            return
        self._control = control
        mode, speed = control
        self._audit.report(
            TIME_CONTROLLED,
            f"the simulation is {mode}, its speed {f'{speed:g}' if speed else 'as fast as possible'}",
            simulation_time=self.clock.timestamp(self.newest_tick),
            run_id=self.run.run_id,
            mode=mode,
            speed=f"{speed:g}",
            tick=self.newest_tick,
        )

    async def _stay_failed(self, heartbeat: Heartbeat) -> None:
        """Report the failure, and keep the heartbeat going: no feed ends, for the run has not come to its end."""
        _LOG.error("the run has failed", extra={"why": self.turns.failure, "tick": self.tick})
        self._audit.report(RUN_FAILED, self.turns.failure, run_id=self.run.run_id, tick=self.tick)
        while True:
            heartbeat.beat(self.describe())
            await self.pacer.change.wait(SLICE_S)

    def replayed(self) -> None:
        """Mark the replay of the derived feeds as complete."""
        for feed in self._feeds.derived:
            feed.replayed()

    async def _wait_for_readers(self, tick: int, heartbeat: Heartbeat) -> None:
        """Wait while a required reader blocks a lossless run; a live run is never blocked."""
        for feed in self._feeds.derived:
            await wait_for_readers(feed, self.clock.time_ns(tick), heartbeat)

    async def _settle(self, tick: int, storage: StorageHealth) -> None:
        """Wait until the tick is reserved durably and may become visible, however long the disk fails."""
        for delay in Backoff(cap_s=1.0).delays():
            try:
                await self._commit_log.settle(tick)
            except OSError as error:
                self._storage_failure = storage.failed(error).message
                await asyncio.sleep(delay)
            else:
                self._storage_failure = ""
                storage.works()
                return

    def compute(self, tick: int) -> None:
        """Advance to this tick, and publish the events due."""
        began_s, began_ns, recomputed = time.perf_counter(), time.time_ns(), self.replaying
        flags = self._spans.flags(identity.trace_id(self.run.run_id, tick), "")
        cause = identity.tick_traceparent(self.run.run_id, tick, flags)
        self.tick, time_ns = tick, self.clock.time_ns(tick)
        acting = self._effects.acting(tick)
        stepped = self._effects.step(tick, cause, replaying=recomputed)
        published = 0
        for event in self.outputs.due(tick, stepped):
            event.feed.append(
                event.payload,
                sequence=event.sequence,
                time_ns=time_ns,
                tick=tick,
                subject=event.subject,
                cause=cause,
                recomputed=recomputed,
            )
            published += 1
            if event.feed is self._feeds.sensors:
                self._readings.take(event.sequence, time_ns, cause)
        for feed in self._feeds.derived:
            feed.advance(time_ns)
        if published or acting:
            attributes: dict[str, str | int] = {"qiki.run_id": self.run.run_id, "qiki.tick": tick}
            links = [command.traceparent for command in acting if command.traceparent]
            times_ns = (began_ns, time.time_ns())
            self._spans.record("tick", cause, "", times_ns, attributes, recomputed=recomputed, links=links)
        self._metrics.ticked(time_ns, time.perf_counter() - began_s)

    @property
    def blocked_by(self) -> str:
        """The agent, the feed's required reader or the disk that blocks the run now; empty: not blocked."""
        if self._storage_failure:
            return f"storage: {self._storage_failure}"
        if not self.replaying and not self.ended and (agent := self.turns.waits_for(self.tick + 1)):
            return f"agent {agent}"
        for feed in self._feeds.derived:
            if blocking_reader := feed.blocked_by:
                return f"{feed.name}: {blocking_reader}"
        return ""

    # -- reported state -----------------------------------------------------------------------------------------------

    def phase(self) -> SimulationPhase.ValueType:
        """Return the phase of the simulation."""
        if self.ended:
            return SimulationPhase.SIMULATION_PHASE_ENDED
        if self.turns.failure:
            return SimulationPhase.SIMULATION_PHASE_FAILED
        if self.replaying:
            return SimulationPhase.SIMULATION_PHASE_REPLAYING
        if self.blocked_by:
            return SimulationPhase.SIMULATION_PHASE_BLOCKED
        if self.pacer.stands_still:
            return SimulationPhase.SIMULATION_PHASE_PAUSED
        return SimulationPhase.SIMULATION_PHASE_RUNNING

    def state(self) -> SimulationState:
        """Return the state of the simulation."""
        return SimulationState(
            tick=self.tick,
            time=self.clock.timestamp(self.tick),
            phase=self.phase(),
            speed=self.pacer.speed,
            flow_control=_WIRE_FLOW_CONTROL[self._feeds.world.settings.flow_control],
            blocked_by=self.blocked_by,
            committed_tick=self._commit_log.committed_tick,
        )

    def describe(self) -> str:
        """Return a short description of the simulation's activity."""
        if self.turns.failure:
            return f"failed: {self.turns.failure}"
        if self.blocked_by:
            return f"blocked by {self.blocked_by}"
        speed = f"{self.pacer.speed:g}x" if self.pacer.speed else "as fast as possible"
        name = SimulationPhase.Name(self.phase()).removeprefix("SIMULATION_PHASE_")
        return {"RUNNING": f"running, {speed}", "ENDED": "the run has ended"}.get(name, name.lower())

    def facts(self) -> Mapping[str, object]:
        """Return the fields of the status line."""
        return {
            "run_id": self.run.run_id,
            "tick": self.tick,
            "last_tick": self.run.last_tick,
            "tick_s": self.run.tick_ns / 1e9,
            "phase": SimulationPhase.Name(self.phase()).removeprefix("SIMULATION_PHASE_"),
            "speed": self.pacer.speed,
            "blocked_by": self.blocked_by,
            "failure": self.turns.failure,
            "contacts": self.outputs.contacts,
        }
