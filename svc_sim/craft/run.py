"""The craft of one run at the tick reached: stepped from tick to tick, restored from a checkpoint after a restart."""

import logging
from dataclasses import dataclass

from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import CHECKPOINT_DAMAGED
from svc_sim.domain.body.motion import kinematics_of
from svc_sim.domain.craft.limits import CraftLimits
from svc_sim.domain.craft.orders import GivenOrder
from svc_sim.domain.craft.parameters import CraftParameters
from svc_sim.domain.craft.sensing import Surroundings
from svc_sim.domain.craft.state import CraftState, initial_craft
from svc_sim.domain.craft.step import Stepped, step_craft
from svc_sim.domain.kinematics import Kinematics, Vector
from svc_sim.domain.world import World
from svc_sim.durability.checkpoints import Checkpoint, CheckpointDamagedError, CheckpointStore
from svc_sim.durability.timeline import CommandDigest, Timeline
from svc_sim.wire.orders import to_order

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CraftSetup:
    """A bot with a rigid body: its parameters, the limits of its orders, and the magnetic field around it (ENU)."""

    parameters: CraftParameters
    limits: CraftLimits
    magnetic_field_t: Vector


class CraftRun:
    """The craft's state, a function of run and journal: `advance` steps it through every tick, in order."""

    def __init__(self, setup: CraftSetup, world: World, run: Run, timeline: Timeline) -> None:
        self.setup = setup
        self.parameters = setup.parameters
        self.tick = 0
        self._world = world
        self._run = run
        self._timeline = timeline
        self._digest = CommandDigest()
        self.initial: CraftState = initial_craft(setup.parameters, world.at(0).own_ship)
        self.state = self.initial

    def advance(self, tick: int) -> Stepped:
        """Step to the next tick, with the commands that act from it on."""
        assert tick == self.tick + 1, f"the craft is at tick {self.tick}, not just before {tick}"
        orders = []
        for acting in self._timeline.at(tick):
            self._digest.take(tick, acting)
            order = to_order(acting.command, self.setup.limits, self._run.tick_ns)
            orders.append(GivenOrder(acting.command.command_id, order))
        around = Surroundings(
            lambda: self._world.faults_at(tick), lambda: self._world.contacts_m(tick), self.setup.magnetic_field_t
        )
        stepped = step_craft(self.parameters, self.state, orders, around, tick)
        self.tick, self.state = tick, stepped.state
        return stepped

    @property
    def own_ship(self) -> Kinematics:
        """The body's motion at the tick reached."""
        return kinematics_of(self.parameters.airframe, self.state.body, self.state.thrust_n)

    def checkpoint(self, journal_bytes: int) -> Checkpoint:
        """Return a checkpoint of the tick reached."""
        return Checkpoint(self.tick, self._digest.hexdigest(), journal_bytes, self.state)

    def restore(self, store: CheckpointStore, at_most: int, journal_bytes: int, audit: AuditReporter) -> None:
        """Continue from the newest usable checkpoint of a tick up to this one; without any, stay at the start.

        A checkpoint is usable if it is as it was written, and its commands are those of the journal.
        """
        try:
            ticks = store.ticks()
        except OSError as error:
            _report(audit, f"checkpoints cannot be read: {error.strerror or error}")
            return
        for tick in sorted((tick for tick in ticks if tick <= at_most), reverse=True):
            try:
                self._resume(store.read(tick), journal_bytes)
            except CheckpointDamagedError as error:
                _report(audit, f"the checkpoint of tick {tick} {error}")
            else:
                return

    def _resume(self, checkpoint: Checkpoint, journal_bytes: int) -> None:
        digest = CommandDigest()
        for tick, acting in self._timeline.through(checkpoint.tick):
            digest.take(tick, acting)
        if checkpoint.journal_bytes > journal_bytes or checkpoint.commands_digest != digest.hexdigest():
            raise CheckpointDamagedError("has other commands than the journal")
        self.tick, self.state, self._digest = checkpoint.tick, checkpoint.state, digest


def _report(audit: AuditReporter, why: str) -> None:
    _LOG.warning("a checkpoint cannot be used", extra={"why": why})
    audit.report(CHECKPOINT_DAMAGED, why)
