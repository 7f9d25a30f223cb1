"""The bridge: one NATS connection, over which each channel of the BotSpec is published independently."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from nats.aio.client import Client

from adapters.jetstream.client.connection import ConnectionEvent, ConnectionState, connect
from adapters.jetstream.client.errors import ConnectError, ConnectionGone, JetStreamError
from adapters.jetstream.inbound.advisories import AdvisoryReader
from adapters.jetstream.inbound.commands import CommandForwarder
from adapters.jetstream.inbound.intake import Intake
from adapters.jetstream.outbound.channel import ChannelPublisher
from adapters.jetstream.topology import streams
from adapters.jetstream.topology.drift import StreamConfig
from adapters.jetstream.topology.lag import LagWatch
from mesh.serving.runtime import ServiceContext
from mesh.tasks import cleanup, raise_if_cancelled, task_group
from qiki_sdk.backoff import Backoff
from qiki_sdk.codes import NATS_CONNECTED, NATS_LOST, TOPOLOGY_DRIFT

TOPOLOGY_PERIOD_S = 1.0
CODES = {ConnectionState.RECONNECTED: NATS_CONNECTED, ConnectionState.DISCONNECTED: NATS_LOST}
# Stream sizes are the operator's choice: they may differ from the declaration, and the bridge still works.
SIZES = frozenset({"max_bytes", "max_msgs_per_subject", "num_replicas", "duplicate_window"})
_LOG = logging.getLogger(__name__)


class Bridge:
    """Connect, wait for the topology, and publish the channels; open a new connection when one is closed."""

    def __init__(
        self,
        *,
        nats_url: str,
        wanted: Mapping[str, StreamConfig],
        publishers: Sequence[ChannelPublisher],
        intake: Intake,
        commands: CommandForwarder,
        advisories: AdvisoryReader,
        lags: LagWatch,
        service: ServiceContext,
    ) -> None:
        self._nats_url = nats_url
        self._wanted = wanted
        self._publishers = tuple(publishers)
        self._intake = intake
        self._commands = commands
        self._advisories = advisories
        self._lags = lags
        self._audit = service.audit
        self._heartbeat = service.health.loop("nats")
        self._client: Client | None = None
        self._drift = ""
        self.state = "starting"

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            raise_if_cancelled()
            self._client = client = await self._connect()
            try:
                await self._await_topology(client)
                async with task_group(ConnectionGone) as group:
                    group.create_task(self._beat())
                    group.create_task(self._intake.run(client))
                    group.create_task(self._commands.run(client))
                    group.create_task(self._advisories.run(client))
                    group.create_task(self._lags.run(client))
                    for publisher in self._publishers:
                        group.create_task(publisher.publish(client))
            except ConnectionGone:
                _LOG.warning("the NATS connection is closed; a new one is made")
            finally:
                await cleanup(client.close())

    def facts(self) -> Mapping[str, object]:
        """Return the fields of the status line."""
        channels = {publisher.channel.name: dict(publisher.facts()) for publisher in self._publishers}
        intake, commands = dict(self._intake.facts()), dict(self._commands.facts())
        return {
            "nats": self.state,
            "channels": channels,
            "intake": intake,
            "commands": commands,
            "lag": dict(self._lags.facts()),
        }

    @property
    def is_connected(self) -> bool:
        """Whether the connection to NATS is up."""
        return self._client is not None and self._client.is_connected

    async def _connect(self) -> Client:
        for delay in Backoff(cap_s=2.0).delays():  # without limit: the broker may start at any time
            raise_if_cancelled()
            try:
                client = await connect(self._nats_url, "qiki-bridge", self._on_event, timeout_s=5.0)
            except ConnectError as error:
                self._say(f"waiting for NATS: {error}")
                await asyncio.sleep(delay)
            else:
                self._say("connected")
                self._audit.report(NATS_CONNECTED)
                return client
        raise AssertionError("the waits have no end")

    async def _await_topology(self, client: Client) -> None:
        """Wait until the streams exist: the bridge creates none, it checks them and reports which command to run."""
        while True:
            raise_if_cancelled()
            try:
                found = await streams.check(client, self._wanted)
                differences = [item for item in found if item.field not in SIZES]
            except JetStreamError as error:
                self._say(f"waiting for JetStream: {error}")
            else:
                if not differences:
                    self._drift = ""
                    self._say("connected")
                    return
                self._drifted(str(differences[0]))
            if client.is_closed:
                raise ConnectionGone("closed")
            await asyncio.sleep(TOPOLOGY_PERIOD_S)

    def _drifted(self, difference: str) -> None:
        """Report once that the streams are not as declared, while the difference stays the same."""
        self._say(f"waiting for the streams: {difference}; run `qiki nats init`")
        if difference != self._drift:
            self._drift = difference
            self._audit.report(TOPOLOGY_DRIFT, f"{difference}; run `qiki nats init`")

    async def _beat(self) -> None:
        while True:
            self._heartbeat.beat()
            await asyncio.sleep(TOPOLOGY_PERIOD_S)

    def _on_event(self, event: ConnectionEvent) -> None:
        if event.state in CODES:
            self._audit.report(CODES[event.state], event.detail)
        self._say(event.state.value if not event.detail else f"{event.state.value}: {event.detail}")

    def _say(self, state: str) -> None:
        if state != self.state:
            _LOG.info("bridge", extra={"state": state})
        self.state = state
        self._heartbeat.beat(state)
