"""Assembly of the bridge's parts."""

from adapters.jetstream.bridge import Bridge
from adapters.jetstream.codec.message_spans import MessageSpans
from adapters.jetstream.config import BridgeSettings
from adapters.jetstream.inbound.advisories import AdvisoryReader
from adapters.jetstream.inbound.commands import CommandForwarder
from adapters.jetstream.inbound.intake import Intake
from adapters.jetstream.metrics import BridgeMetrics, CommandMetrics, IntakeMetrics
from adapters.jetstream.outbound.channel import ChannelPublisher
from adapters.jetstream.outbound.source import READER, Source
from adapters.jetstream.topology.drift import StreamConfig
from adapters.jetstream.topology.lag import LagWatch
from adapters.jetstream.topology.streams import wanted_streams
from adapters.jetstream.verify.audit_log import AuditRecords
from botspec.bus.streams import DEAD_LETTERS, DLQ_ADVISORIES, REGISTRAR_INTAKE
from botspec.channels import Channel
from botspec.derived.runtime import load_part
from botspec.sections import Bus
from mesh.serving.runtime import ServiceContext, ServiceParts, run_service
from qiki_sdk.channel import connect

# Bytes that a channel reads ahead of its writes: some hundred events of the usual size.
LOOKAHEAD_BYTES = 1024 * 1024


def main() -> None:
    """Run the bridge."""
    run_service(BridgeSettings, build)


def build(settings: BridgeSettings, service: ServiceContext) -> ServiceParts:
    """Build the bridge's parts.

    Raises:
        SpecError: the BotSpec cannot be used.
    """
    spec = load_part(Bus, "bridge", settings).spec
    metrics = BridgeMetrics(service.telemetry.registry)
    spans = MessageSpans(service.telemetry.tracer, settings.nats_url)
    records = AuditRecords(settings.registrar_target)
    publishers = [
        _publisher(channel, spec, settings, service, metrics=metrics, spans=spans, records=records)
        for channel in spec.channels
    ]
    registry = service.telemetry.registry
    dead_letters = spec.stream_of(DEAD_LETTERS)
    intake = Intake(
        spec.durable(REGISTRAR_INTAKE),
        dead_letters,
        settings.registrar_target,
        metrics=IntakeMetrics(registry),
        audit=service.audit,
        heartbeat=service.health.loop("intake"),
        spans=spans,
        records=records,
    )
    command_metrics = CommandMetrics(registry)
    bridge = Bridge(
        nats_url=settings.nats_url,
        wanted=_wanted(spec),
        publishers=publishers,
        intake=intake,
        commands=CommandForwarder(spec, settings.sim_target, command_metrics, service, spans=spans),
        advisories=AdvisoryReader(spec.durable(DLQ_ADVISORIES), dead_letters, command_metrics, service),
        lags=LagWatch(registry, spec),
        service=service,
    )
    service.health.facts_from(bridge.facts)
    metrics.watch_connection(lambda: bridge.is_connected)
    watches = [watch for publisher in publishers for watch in (publisher.status.watch, publisher.watch_backlog)]
    return ServiceParts(loops=[bridge.run, *watches])


def _wanted(spec: Bus) -> dict[str, StreamConfig]:
    """Return the streams that the bridge publishes to, for which it waits."""
    return {name: config for name, config in wanted_streams(spec).items() if name in spec.bridged_streams}


def _publisher(
    channel: Channel,
    spec: Bus,
    settings: BridgeSettings,
    service: ServiceContext,
    *,
    metrics: BridgeMetrics,
    spans: MessageSpans,
    records: AuditRecords,
) -> ChannelPublisher:
    return ChannelPublisher(
        channel,
        _source(channel, spec, settings),
        metrics,
        service,
        spans=spans,
        accepted_log=settings.accept_lost_log,
        records=records if channel.policy == "recorded" else None,
    )


def _source(channel: Channel, spec: Bus, settings: BridgeSettings) -> Source:
    """Return the feed that a channel publishes."""
    api_service = channel.rpc.partition("/")[0]
    return Source(
        channel,
        connect(settings.target_of(api_service), lookahead_bytes=LOOKAHEAD_BYTES),
        required=READER in spec.readers(channel.name),
    )
