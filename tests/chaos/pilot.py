"""A pilot who steers the ship over the bus during all faults, by nats-py alone; a check of the commands' results."""

import asyncio
import uuid
from dataclasses import dataclass, field
from random import Random

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from chain import read_subject
from chaos.arena import BOT_ID, Arena
from chaos.watcher import NotRecovered
from mesh.tasks import raise_if_cancelled
from qiki.common.v1.geometry_pb2 import Vector3d
from qiki.sim.v1.commands_pb2 import Command, CommandOutcome, CommandResult, FireThruster, SetVelocity, SwitchPower

COMMANDS, RESPONSES = f"qiki.commands.v1.{BOT_ID}", f"qiki.responses.v1.{BOT_ID}"
DEAD_LETTERS = "qiki.dlq.v1.sim_commands"
PERIOD_S = 0.5
ACK_TIMEOUT_S = 2.0
ANSWERED_TIMEOUT_S = 120.0
REPEATED = 0.2  # the share of commands that are sent once more on purpose
THRUSTER = "thruster-x-plus-1"
MAX_SPEED_MPS = 3.0  # the ship stays where its radars detect targets


@dataclass(slots=True)
class Pilot:
    """Sends one command after another; sends the same again until the broker has acknowledged it."""

    arena: Arena
    random: Random
    sent: list[str] = field(default_factory=list)
    refused: int = 0

    async def run(self) -> None:
        """Send until cancelled."""
        client = await nats.connect(
            f"nats://127.0.0.1:{self.arena.mesh.ports['nats']}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            error_cb=_ignore,
        )
        try:
            while True:
                raise_if_cancelled()
                command = self._draw()
                for _ in range(1 + (self.random.random() < REPEATED)):
                    await self._send(client, command)
                self.sent.append(command.command_id)
                await asyncio.sleep(PERIOD_S)
        finally:
            await client.close()

    async def difference(self) -> str:
        """Return the first way in which commands and answers do not agree, once all are answered; empty where none.

        On a slow machine the run may end before the last fault: commands may be refused after its end only.
        """
        port = self.arena.mesh.ports["nats"]
        found: dict[str, set[bytes]] = {}
        for answer in await read_subject(port, RESPONSES, "QIKI_RESPONSES_V1"):
            found.setdefault(CommandResult.FromString(answer.data).command_id, set()).add(answer.data)
        for command_id in self.sent:
            answers = found.get(command_id, set())
            if len(answers) != 1:
                return f"command {command_id} has {len(answers)} different answers"
            result = CommandResult.FromString(next(iter(answers)))
            applied = result.outcome == CommandOutcome.COMMAND_OUTCOME_APPLIED
            # None of these commands names a tick: its only possible error is that there is no further one.
            if not applied and result.field != "tick":
                return f"command {command_id} was refused: {result.message}"
            if applied and self.refused:
                return f"command {command_id} was applied after one that came when the run was over"
            self.refused += not applied
        dead_letters = await read_subject(port, DEAD_LETTERS, "QIKI_DLQ_V1")
        return f"{len(dead_letters)} commands were dead-lettered" if dead_letters else ""

    async def answered(self) -> None:
        """Return once every command that was sent has been answered. Raises NotRecovered."""
        port = self.arena.mesh.ports["nats"]
        wanted = set(self.sent)
        try:
            async with asyncio.timeout(ANSWERED_TIMEOUT_S):
                while wanted:
                    answers = await read_subject(port, RESPONSES, "QIKI_RESPONSES_V1")
                    wanted -= {CommandResult.FromString(answer.data).command_id for answer in answers}
                    await asyncio.sleep(PERIOD_S)
        except TimeoutError:
            raise NotRecovered(f"{len(wanted)} commands are not answered within {ANSWERED_TIMEOUT_S} s") from None

    def _draw(self) -> Command:
        command = Command(command_id=str(uuid.UUID(int=self.random.getrandbits(128), version=4)))
        kind = self.random.randrange(3)
        if kind == 0:
            east, north = (round(self.random.uniform(-MAX_SPEED_MPS, MAX_SPEED_MPS), 1) for _ in range(2))
            command.set_velocity.CopyFrom(SetVelocity(velocity=Vector3d(x=east, y=north), timeout_s=5.0))
        elif kind == 1:
            thrust_n = round(self.random.uniform(1.0, 20.0), 1)
            command.fire_thruster.CopyFrom(FireThruster(thruster=THRUSTER, thrust_n=thrust_n, duration_s=0.5))
        else:
            command.switch_power.CopyFrom(SwitchPower(component="camera", on=self.random.random() < 0.5))
        return command

    async def _send(self, client: Client, command: Command) -> None:
        """Publish until acknowledged; there is no message id, so after a lost acknowledgement it is stored twice."""
        headers = {
            "ce-specversion": "1.0",
            "ce-id": command.command_id,
            "ce-source": "/chaos/pilot",
            "ce-type": "qiki.sim.v1.Command",
            "ce-datacontenttype": "application/protobuf",
        }
        while True:  # until it is cancelled: the broker is away for any time
            raise_if_cancelled()
            try:
                await client.jetstream().publish(
                    COMMANDS, command.SerializeToString(), timeout=ACK_TIMEOUT_S, headers=headers
                )
            except (nats.errors.Error, nats.js.errors.Error):
                await asyncio.sleep(PERIOD_S)
            else:
                return


async def _ignore(_error: Exception) -> None:
    """Ignore errors of the connection: the campaign causes them on purpose."""
