"""The span of a tick and the commands that act in it."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import svc_sim.wiring
from mesh.serving.health import Health
from mesh.serving.runtime import ServiceContext
from mesh.tasks import task_group
from mesh.telemetry.spans import PlannedIds, WorkSpans
from mesh.telemetry.telemetry import Telemetry
from qiki.sim.v1 import sim_service_pb2 as pb
from qiki.sim.v1.commands_pb2 import Command, SetHelm
from qiki_sdk.audit import AuditReporter
from svc_sim.config import SimSettings

NO_CONTEXT: Any = None  # the servicer does not use the call's context
STEPS = 7


@pytest.mark.asyncio
async def test_the_span_of_a_tick_is_linked_to_the_callers_of_the_commands_that_act_from_it_on(tmp_path: Path) -> None:
    exporter, ids = InMemorySpanExporter(), PlannedIds()
    provider = TracerProvider(id_generator=ids)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer, telemetry = provider.get_tracer("test"), Telemetry("svc_sim")
    telemetry.spans = WorkSpans(1.0, tracer, ids)
    base = ServiceContext(Health("svc_sim", stall_s=60.0), telemetry, AuditReporter("", "svc_sim"))
    with base.resources:
        parts = svc_sim.wiring.build(SimSettings(state_dir=tmp_path, paused=True), base)
        servicer: Any = parts.mounts[0].servicer
        async with task_group() as group:
            tasks = [group.create_task(_run(loop)) for loop in parts.loops]
            for tick in (3, 4):
                with tracer.start_as_current_span(f"caller {tick}"):
                    command = Command(command_id=str(uuid.uuid4()), tick=tick, set_helm=SetHelm(speed_mps=float(tick)))
                    await servicer.ExecuteCommand(pb.ExecuteCommandRequest(command=command), NO_CONTEXT)
            await servicer.StepSimulation(pb.StepSimulationRequest(ticks=STEPS), NO_CONTEXT)
            for task in tasks:
                task.cancel()
    spans = {span.name: span for span in exporter.get_finished_spans() if span.name != "tick"}
    linked = {
        _tick(span): [link.context.span_id for link in span.links]
        for span in exporter.get_finished_spans()
        if _tick(span)
    }
    assert linked[3] == [_span_id(spans["caller 3"])]
    assert linked[4] == [_span_id(spans["caller 4"])]
    assert linked[6] == []
    assert 5 not in linked, "nothing is due and nothing acts in it"


def _tick(span: ReadableSpan) -> int:
    attributes: Any = span.attributes or {}
    return int(attributes["qiki.tick"]) if span.name == "tick" else 0


def _span_id(span: ReadableSpan) -> int:
    context: Any = span.get_span_context()
    return int(context.span_id)


async def _run(loop: Any) -> None:
    await loop()
