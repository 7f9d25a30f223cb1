"""A scenario without processes: world, radar and tracker as pure functions, one tick after the other."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from botspec.channels import Channel
from botspec.model import BotSpec
from cli.demo.checks.event_check import CheckedEvent
from cli.runs.replay.track_replay import TrackReplay
from cli.runs.scenario.digest import RunDigest
from cli.runs.scenario.goals.judge import RunJudge
from cli.runs.scenario.goals.verdict import Verdict
from mesh.clock import SimulationClock
from mesh.feeds import identity
from mesh.rng import generator
from mesh.schedule import Schedule
from qiki.common.v1.stream_pb2 import EventContext, Run
from qiki_sdk.stream import Event
from svc_radar.config import to_model
from svc_radar.domain import observe
from svc_radar.wire import world as radar_world
from svc_radar.wire.frames import FrameEncoder
from svc_sim.domain.helm import Helm
from svc_sim.domain.scenario.scenario import LoadedScenario
from svc_sim.domain.world import World, last_tick_of
from svc_sim.navigation import Navigation
from svc_sim.wire import snapshots
from svc_tracker.config import to_rules

RUN_ID = "11111111-2222-4333-8444-555555555555"
START_NS = 1_767_225_600_000_000_000
Pilot = Callable[[int, list[Event[Any]], list[Event[Any]]], Helm | None]
"""Returns the helm at a turn from its time, and the readings and the sets of tracks since the last one."""


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsed run: the verdicts on its goals, and the digest of its feeds."""

    verdicts: list[Verdict]
    digest: str


def rehearse(loaded: LoadedScenario, spec: BotSpec, pilot: Pilot | None = None) -> Rehearsed:
    """Return the result of a whole run; the pilot has a turn at every step of the scenario's lock step."""
    judge, digest = RunJudge(loaded.scenario.goals, RUN_ID, START_NS), RunDigest(RUN_ID)
    by_type = {channel.type: channel for channel in spec.channels}
    counts: dict[str, int] = {}
    for payload, time_ns in _events(loaded, spec, pilot):
        channel = by_type[payload.DESCRIPTOR.full_name]
        event = _checked(channel, payload, time_ns, counts)
        judge(channel, event)
        digest(channel, event)
    return Rehearsed(judge.verdicts(), digest.hexdigest())


def _checked(channel: Channel, payload: Message, time_ns: int, counts: dict[str, int]) -> CheckedEvent:
    counts[channel.name] = counts.get(channel.name, 0) + 1
    context = _context(time_ns, counts[channel.name])
    return CheckedEvent(context, payload, payload.SerializeToString(deterministic=True), True)


def _context(time_ns: int, sequence: int) -> EventContext:
    context = EventContext(run_id=RUN_ID, sequence=sequence)
    context.time.FromNanoseconds(time_ns)
    return context


def _events(loaded: LoadedScenario, spec: BotSpec, pilot: Pilot | None) -> Iterator[tuple[Message, int]]:
    tick_ns, seed = spec.simulation.tick_ns, loaded.scenario.seed or spec.simulation.seed
    world = World(loaded, RUN_ID, tick_ns, seed)
    run = Run(run_id=RUN_ID, seed=seed, tick_ns=tick_ns)
    run.start_time.FromNanoseconds(START_NS)
    clock, navigation = SimulationClock.of(run), Navigation.of(spec, seed, loaded.faults)
    radar, tracker = _Radar(spec, run), TrackReplay(RUN_ID, to_rules(spec))
    snapshot_slots = Schedule((spec.simulation.world_period_ticks,))
    step_ticks = spec.simulation.ticks(loaded.scenario.lock_step.step_s) if loaded.scenario.lock_step else 0
    readings: list[Event[Any]] = []
    sets: list[Event[Any]] = []
    for tick in range(last_tick_of(loaded, tick_ns) + 1):
        time_ns, state = clock.time_ns(tick), world.at(tick)
        for _slot in snapshot_slots.due(tick):
            snapshot = snapshots.to_snapshot(state, clock)
            yield snapshot, time_ns
            for sequence, frame in radar.frames(snapshot, tick):
                yield frame, time_ns
                made = tracker.step(frame, _context(time_ns, sequence))
                for each in (*made.track_sets, *made.guard_events):
                    yield each, time_ns
                sets += [Event(each, _context(time_ns, sequence), "") for each in made.track_sets]
        for slot in navigation.schedule.due(tick):
            reading = navigation.read(slot.source, state.own_ship, tick, clock)
            yield reading, time_ns
            readings.append(Event(reading, _context(time_ns, slot.sequence), ""))
        if pilot is not None and step_ticks and tick % step_ticks == 0 and tick < world.last_tick:
            # As for an agent: readings up to the turn, sets of tracks from before it.
            earlier = [each for each in sets if each.context.time.ToNanoseconds() < time_ns]
            helm = pilot(time_ns, readings, earlier)
            readings, sets = [], sets[len(earlier) :]
            if helm is not None:
                world.set_helms([(tick + 1, helm)])


class _Radar:
    """The radars of a bot, as the service has them."""

    def __init__(self, spec: BotSpec, run: Run) -> None:
        self._models = [to_model(radar) for radar in spec.radars]
        self._encoders = [FrameEncoder(model) for model in self._models]
        self._schedule = Schedule(spec.scan_period_ticks)
        self._run = run
        self._clock = SimulationClock.of(run)

    def frames(self, snapshot: Any, tick: int) -> Iterator[tuple[int, Any]]:
        for slot in self._schedule.due(tick):
            model = self._models[slot.source]
            rng = generator(self._run.seed, f"radar/{model.sensor_id}", slot.number)
            faults = radar_world.to_faults(snapshot, model.sensor_id)
            platform, targets = radar_world.to_platform(snapshot), radar_world.to_targets(snapshot)
            encoded = self._encoders[slot.source].encode(
                observe(model, platform, targets, rng, faults),
                snapshot,
                frame_id=identity.event_id(RUN_ID, "frames", slot.sequence),
                scan_number=slot.number,
                scan_start=self._clock.timestamp(tick - self._schedule.periods[slot.source]),
            )
            yield slot.sequence, encoded.messages


def load_module(path: Path) -> Any:
    """Return a program as a module, without running it."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module
