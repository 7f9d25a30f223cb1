"""The servicer: validate, translate, call, translate."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc

from mesh.feeds.store import Entry
from mesh.feeds.watch import confirm, watch
from mesh.serving.errors import InvalidFieldError, RunEndedError, ServerDrainingError
from qiki.sim.v1 import sim_service_pb2 as pb
from svc_sim.commands.execution import Commands
from svc_sim.outputs import Feeds
from svc_sim.pacer import SLICE_S
from svc_sim.simulation import Simulation
from svc_sim.status_service import StatusServicer

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class SimServicer(StatusServicer):
    """The API of one simulation."""

    def __init__(self, simulation: Simulation, commands: Commands, feeds: Feeds, heartbeat_s: float) -> None:
        super().__init__(feeds, heartbeat_s)
        self.simulation = simulation
        self._commands = commands

    async def WatchWorld(
        self, request: pb.WatchWorldRequest, context: _Context
    ) -> AsyncIterator[pb.WatchWorldResponse]:
        """Stream snapshots."""
        every = request.filter.every_nth
        accept = (lambda entry: entry.sequence % every == 0) if every > 1 else None
        async for response in watch(self._feeds.world, request, pb.WatchWorldResponse, self._heartbeat_s, accept):
            yield response

    async def ConfirmWorld(self, request: pb.ConfirmWorldRequest, context: _Context) -> pb.ConfirmWorldResponse:
        """Accept a required reader's confirmation."""
        sequence = await confirm(self._feeds.world, request)
        return pb.ConfirmWorldResponse(confirmed_sequence=sequence)

    async def GetWorld(self, request: pb.GetWorldRequest, context: _Context) -> pb.GetWorldResponse:
        """Return the newest snapshot, or the world at tick 0."""
        feed, simulation = self._feeds.world, self.simulation
        entry = feed.newest()
        if entry is None:
            snapshot = simulation.outputs.first_snapshot()
            return pb.GetWorldResponse(resume_token=feed.place(0).encode(), snapshot=snapshot)
        response = pb.WatchWorldResponse.FromString(entry.response)
        return pb.GetWorldResponse(
            resume_token=response.resume_token, context=response.context, snapshot=response.snapshot
        )

    async def WatchSensors(
        self, request: pb.WatchSensorsRequest, context: _Context
    ) -> AsyncIterator[pb.WatchSensorsResponse]:
        """Stream readings."""
        wanted = self._check_sensors(request)
        accept = (lambda entry: entry.subject in wanted) if wanted else None
        async for response in watch(self._feeds.sensors, request, pb.WatchSensorsResponse, self._heartbeat_s, accept):
            yield response

    async def ConfirmSensors(self, request: pb.ConfirmSensorsRequest, context: _Context) -> pb.ConfirmSensorsResponse:
        """Accept a required reader's confirmation."""
        sequence = await confirm(self._feeds.sensors, request)
        return pb.ConfirmSensorsResponse(confirmed_sequence=sequence)

    async def ListSensors(self, request: pb.ListSensorsRequest, context: _Context) -> pb.ListSensorsResponse:
        """Return the newest reading of each sensor."""
        feed = self._feeds.sensors
        entries = [self._newest_of(sensor_id) for sensor_id in self.simulation.sensor_ids]
        return pb.ListSensorsResponse(
            resume_token=feed.place(feed.store.last_sequence).encode(),
            readings=[pb.WatchSensorsResponse.FromString(entry.response).reading for entry in entries if entry],
        )

    async def GetRun(self, request: pb.GetRunRequest, context: _Context) -> pb.GetRunResponse:
        """Return the run."""
        return pb.GetRunResponse(run=self.simulation.run)

    async def GetSimulation(self, request: pb.GetSimulationRequest, context: _Context) -> pb.GetSimulationResponse:
        """Return the state of the simulation."""
        return pb.GetSimulationResponse(state=self.simulation.state())

    async def PauseSimulation(
        self, request: pb.PauseSimulationRequest, context: _Context
    ) -> pb.PauseSimulationResponse:
        """Pause the simulation."""
        self._check_running()
        self.simulation.pacer.pause()
        self.simulation.time_controlled()
        return pb.PauseSimulationResponse(state=self.simulation.state())

    async def ResumeSimulation(
        self, request: pb.ResumeSimulationRequest, context: _Context
    ) -> pb.ResumeSimulationResponse:
        """Resume the simulation."""
        self._check_running()
        self.simulation.pacer.resume()
        self.simulation.time_controlled()
        return pb.ResumeSimulationResponse(state=self.simulation.state())

    async def SetSimulationSpeed(
        self, request: pb.SetSimulationSpeedRequest, context: _Context
    ) -> pb.SetSimulationSpeedResponse:
        """Set the speed."""
        self._check_running()
        if request.WhichOneof("speed") == "factor":
            self.simulation.pacer.set_speed(request.factor)
        elif request.as_fast_as_possible:
            self.simulation.pacer.run_free()
        else:
            raise InvalidFieldError("speed", "give a factor, or as_fast_as_possible as true")
        self.simulation.time_controlled()
        return pb.SetSimulationSpeedResponse(state=self.simulation.state())

    async def StepSimulation(self, request: pb.StepSimulationRequest, context: _Context) -> pb.StepSimulationResponse:
        """Advance by a number of ticks, and return when they are done."""
        self._check_running()
        simulation = self.simulation
        simulation.pacer.step(request.ticks)
        simulation.time_controlled()
        target = simulation.newest_tick + simulation.pacer.steps_left
        while simulation.tick < target and not simulation.ended:
            if self._feeds.world.draining:
                raise ServerDrainingError(f"the server is going away at tick {simulation.tick}, before {target}")
            await self._feeds.world.change.wait(SLICE_S)
        return pb.StepSimulationResponse(state=simulation.state())

    async def ExecuteCommand(self, request: pb.ExecuteCommandRequest, context: _Context) -> pb.ExecuteCommandResponse:
        """Execute a command once."""
        return await self._commands.execute(request.command)

    async def TakeTurn(self, request: pb.TakeTurnRequest, context: _Context) -> pb.TakeTurnResponse:
        """Complete an agent's turn, and return its next one when that has come."""
        simulation, turns = self.simulation, self.simulation.turns
        turns.check_agent(request.agent)
        tick = 0
        if request.HasField("completed_tick"):
            turns.complete(request.agent, request.completed_tick, simulation.newest_tick)
            tick = request.completed_tick + turns.step_ticks
        while not simulation.ended and not turns.has_turn(request.agent, tick, simulation.tick):
            turns.check_agent(request.agent)
            if self._feeds.world.draining:
                raise ServerDrainingError(f"the server is going away before the step at tick {tick}")
            await turns.change.wait(SLICE_S)
        return self._turn_at(tick)

    def _turn_at(self, tick: int) -> pb.TakeTurnResponse:
        simulation = self.simulation
        ended = 0 < simulation.run.last_tick <= tick
        tick = min(tick, simulation.run.last_tick) if ended else tick
        world, sensors = simulation.outputs.sequences_at(tick)
        time = simulation.clock.timestamp(tick)
        return pb.TakeTurnResponse(tick=tick, time=time, ended=ended, world_sequence=world, sensors_sequence=sensors)

    def _newest_of(self, sensor_id: str) -> Entry | None:
        return self._feeds.sensors.newest(lambda entry: entry.subject == sensor_id)

    def _check_running(self) -> None:
        if self.simulation.ended:
            raise RunEndedError(f"the run ended at tick {self.simulation.tick}")

    def _check_sensors(self, request: pb.WatchSensorsRequest) -> frozenset[str]:
        known = self.simulation.sensor_ids
        for index, sensor_id in enumerate(request.filter.sensor_ids):
            if sensor_id not in known:
                field = f"filter.sensor_ids[{index}]"
                raise InvalidFieldError(field, f"no sensor {sensor_id!r}; known: {', '.join(known)}")
        return frozenset(request.filter.sensor_ids)
