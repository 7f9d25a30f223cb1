"""The simulation's loop: permit a tick, reserve it, compute it, publish the events due, until the run ends."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from mesh import failpoints
from mesh.clock import SimulationClock
from mesh.feeds.audit_summary import Flow
from mesh.feeds.feed import Feed, Pace
from mesh.folds.runner import admit
from mesh.schedule import Schedule
from mesh.serving.health import Loop
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.sim_service_pb2 import Pace as WirePace
from qiki.sim.v1.sim_service_pb2 import SimulationPhase, SimulationState
from qiki_sdk.audit import AuditReporter
from qiki_sdk.backoff import Backoff
from qiki_sdk.codes import READINGS_SUMMARY, RUN_BEGUN, RUN_ENDED, RUN_RESUMED, SENSOR_IO_OK
from svc_sim.domain.world import World
from svc_sim.durability.commit_log import History
from svc_sim.durability.storage_health import Storage
from svc_sim.navigation import Navigation
from svc_sim.pacer import SLICE_S, Pacer
from svc_sim.wire import snapshots as wire

_WIRE_PACE = {Pace.LIVE: WirePace.PACE_LIVE, Pace.LOSSLESS: WirePace.PACE_LOSSLESS}


@dataclass(frozen=True, slots=True)
class Feeds:
    """The simulator's two feeds."""

    world: Feed
    sensors: Feed


class Simulation:
    """One run, from the first tick to compute to its end."""

    def __init__(
        self,
        *,
        run: Run,
        world: World,
        snapshots: Schedule,
        navigation: Navigation,
        feeds: Feeds,
        pacer: Pacer,
        history: History,
        audit: AuditReporter,
    ) -> None:
        self.run = run
        self.world = world
        self._navigation = navigation
        self.sensor_ids = navigation.sensor_ids
        self._snapshots = snapshots
        self._feeds = feeds
        self.pacer = pacer
        self._history = history
        self.clock = SimulationClock.of(run)
        self._refold_to = min(history.settled_tick, run.last_tick or history.settled_tick)
        retained_ticks = feeds.world.settings.retention.time_ns // run.tick_ns
        self.tick = max(0, self._refold_to - retained_ticks)
        self._contacts = 0
        self._storage_failure = ""
        self._audit = audit
        self._readings = Flow(audit, SENSOR_IO_OK, READINGS_SUMMARY, run, first_sequence=navigation.all_read_sequence)

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.run.last_tick > 0 and self.tick >= self.run.last_tick

    @property
    def refolding(self) -> bool:
        """Whether the simulation is replaying ticks that were visible before a restart."""
        return self.tick < self._refold_to

    def begin(self) -> None:
        """Start the feeds of the run."""
        for feed in (self._feeds.world, self._feeds.sensors):
            feed.begin(self.run)

    @property
    def newest_tick(self) -> int:
        """The newest tick that was ever visible: ahead of `tick` during replay."""
        return max(self.tick, self._refold_to)

    async def advance(self, pulse: Loop) -> None:
        """Run to the end, and then keep the heartbeat going."""
        self._audit.report(RUN_RESUMED if self._refold_to else RUN_BEGUN, run_id=self.run.run_id, tick=self._refold_to)
        storage = Storage("ticks cannot be reserved", pulse, self._audit)
        while not self.ended:
            pulse.beat(self.describe())
            if not self.refolding:
                self.refolded()
                if self.pacer.stands_still:
                    await self.pacer.change.wait(SLICE_S)
                    continue
            await self._admit(self.tick + 1, pulse)
            await self._settle(self.tick + 1, storage)
            # No await between the permission and the tick: the state in a response to a pause or a step stays true.
            if not self.refolding and not await self.pacer.permit():
                continue
            self.compute(self.tick + 1)
            if self.pacer.paused:
                self._feeds.world.change.notify()  # callers that wait for steps wait on this, and also see a drain
            failpoints.reach("tick.visible")
            await asyncio.sleep(0)  # readers get their turn at any speed
        for feed in (self._feeds.world, self._feeds.sensors):
            feed.end()
        end = self.clock.timestamp(self.tick)
        self._audit.report(RUN_ENDED, simulation_time=end, run_id=self.run.run_id, key="RUN_ENDED", tick=self.tick)
        while True:
            pulse.beat(self.describe())
            await self.pacer.change.wait(SLICE_S)

    def refolded(self) -> None:
        """Mark the replay of both feeds as complete."""
        self._feeds.world.refolded()
        self._feeds.sensors.refolded()

    async def _admit(self, tick: int, pulse: Loop) -> None:
        """Wait while a required reader blocks a lossless run; a live run is never blocked."""
        for feed in (self._feeds.world, self._feeds.sensors):
            await admit(feed, self.clock.time_ns(tick), pulse)

    async def _settle(self, tick: int, storage: Storage) -> None:
        """Wait until the tick is reserved durably and may become visible, however long the disk fails."""
        for delay in Backoff(cap_s=1.0).delays():
            try:
                await self._history.settle(tick)
            except OSError as error:
                self._storage_failure = storage.failed(error).message
                await asyncio.sleep(delay)
            else:
                self._storage_failure = ""
                storage.works()
                return

    def compute(self, tick: int) -> None:
        """Advance to this tick, and publish the events due."""
        self.tick = tick
        time_ns = self.clock.time_ns(tick)
        state = None
        for slot in self._snapshots.due(tick):
            state = self.world.at(tick)
            self._contacts = len(state.contacts)
            snapshot = wire.to_snapshot(state, self.clock)
            self._feeds.world.append(snapshot, sequence=slot.sequence, time_ns=time_ns, tick=tick)
        for slot in self._navigation.schedule.due(tick):
            state = state or self.world.at(tick)
            reading = self._navigation.read(slot.source, state.own_ship, tick, self.clock)
            self._feeds.sensors.append(
                reading, sequence=slot.sequence, time_ns=time_ns, tick=tick, subject=reading.sensor_id.value
            )
            self._readings.take(slot.sequence, time_ns)
        for feed in (self._feeds.world, self._feeds.sensors):
            feed.advance(time_ns)

    @property
    def held_by(self) -> str:
        """The feed's required reader or the disk that blocks the run now; empty: not blocked."""
        if self._storage_failure:
            return f"storage: {self._storage_failure}"
        for feed in (self._feeds.world, self._feeds.sensors):
            if holder := feed.held_by:
                return f"{feed.name}: {holder}"
        return ""

    # -- reported state -----------------------------------------------------------------------------------------------

    def phase(self) -> SimulationPhase.ValueType:
        """Return the phase of the simulation."""
        if self.ended:
            return SimulationPhase.SIMULATION_PHASE_ENDED
        if self.refolding:
            return SimulationPhase.SIMULATION_PHASE_REFOLDING
        if self.held_by:
            return SimulationPhase.SIMULATION_PHASE_HELD
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
            pace=_WIRE_PACE[self._feeds.world.settings.pace],
            held_by=self.held_by,
            settled_tick=self._history.settled_tick,
        )

    def describe(self) -> str:
        """Return a short description of the simulation's activity."""
        if self.held_by:
            return f"held by {self.held_by}"
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
            "held_by": self.held_by,
            "contacts": self._contacts,
        }
