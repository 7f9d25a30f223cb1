"""An agent that flies to a way point and keeps clear of other traffic, with the SDK alone.

    qiki scenario run avoid --agent examples/agent/avoid.py --picture avoid.png

It sees what a craft sees: its own satellite fixes, and the tracker's tracks. At each turn it takes the course
nearest to that of the way point whose closest point of approach to every track is far enough away.
"""

import asyncio
import json
import math
import os
from dataclasses import dataclass
from typing import Final

from qiki.radar.v1.track_pb2 import RadarTrackStatus, TrackSet
from qiki.sim.v1.commands_pb2 import Command, SetHelm
from qiki.sim.v1.sensors_pb2 import SensorReading
from qiki.sim.v1.sim_service_pb2 import WatchSensorsRequest
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki.tracker.v1.tracker_service_pb2 import WatchTracksRequest
from qiki.tracker.v1.tracker_service_pb2_grpc import TrackerServiceStub
from qiki_sdk.agent import NS_PER_S, Agent, TurnReader
from qiki_sdk.channel import connect
from qiki_sdk.stream import Event, Stream

CRUISE_MPS: Final = 40.0
# Courses to choose from, as angles from the course to the way point, the smallest first.
TURNS_DEG: Final = tuple(sorted((float(step) for step in range(-170, 190, 10)), key=abs))
# A course must stay clear by this many times the distance that is wanted, for so long.
MARGIN: Final = 1.5
HORIZON_S: Final = 60.0
CONFIRMED: Final = (RadarTrackStatus.RADAR_TRACK_STATUS_TRACKED, RadarTrackStatus.RADAR_TRACK_STATUS_COASTING)
SLOWNESS: Final = float(os.environ.get("QIKI_AGENT_SLEEP_S", "0"))  # to see that a slow agent makes the same run

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Task:
    """The position to reach within a radius, and the distance to keep from others, in metres."""

    goal_m: Vector
    radius_m: float
    clear_m: float


@dataclass(frozen=True)
class Body:
    """A position in metres and a velocity in metres per second at a simulation time, ENU."""

    time_ns: int
    position_m: Vector
    velocity_mps: Vector

    def at(self, time_ns: int) -> Vector:
        """Return the position at another time, at constant velocity."""
        passed_s = (time_ns - self.time_ns) / NS_PER_S
        east, north, up = (p + v * passed_s for p, v in zip(self.position_m, self.velocity_mps, strict=True))
        return east, north, up


class Picture:
    """The craft's own state and that of the tracks around it, from the events so far."""

    def __init__(self) -> None:
        self.own: Body | None = None
        self.tracks: dict[str, Body] = {}

    def take_reading(self, event: Event[SensorReading]) -> None:
        """Take a reading; one without a value, of a sensor that has failed, leaves the last fix to be carried on."""
        if event.payload.HasField("gnss"):
            fix = event.payload.gnss
            time_ns = event.payload.time.ToNanoseconds()
            self.own = Body(time_ns, _vector(fix.position), _vector(fix.velocity))

    def take_tracks(self, event: Event[TrackSet]) -> None:
        """Take a set of tracks, or a part of one."""
        time_ns = event.payload.time.ToNanoseconds()
        for track in event.payload.tracks:
            if track.status in CONFIRMED:
                self.tracks[track.track_id.value] = Body(time_ns, _vector(track.position), _vector(track.velocity))
            else:
                self.tracks.pop(track.track_id.value, None)


def choose_velocity(picture: Picture, task: Task, time_ns: int) -> tuple[float, float]:
    """Return the course in degrees and the speed in metres per second to fly from now on."""
    if picture.own is None:
        return 0.0, 0.0
    own_m = picture.own.at(time_ns)
    way = task.goal_m[0] - own_m[0], task.goal_m[1] - own_m[1]
    if math.hypot(*way) < 0.5 * task.radius_m:
        return 0.0, 0.0
    straight_deg = math.degrees(math.atan2(*way))
    best = straight_deg, -1.0
    for turn_deg in TURNS_DEG:
        course_deg = (straight_deg + turn_deg) % 360.0
        clear_m = min((closest_m(own_m, course_deg, track, time_ns) for track in picture.tracks.values()), default=1e9)
        if clear_m >= MARGIN * task.clear_m:
            return course_deg, CRUISE_MPS
        best = max(best, (course_deg, clear_m), key=lambda each: each[1])
    return best[0] % 360.0, CRUISE_MPS


def closest_m(own_m: Vector, course_deg: float, track: Body, time_ns: int) -> float:
    """Return the distance at the closest point of approach to a track within the horizon.

    With the relative position r and velocity v it is at t = -(r v) / (v v).
    """
    course = math.radians(course_deg)
    own_mps = CRUISE_MPS * math.sin(course), CRUISE_MPS * math.cos(course), 0.0
    relative_m = [a - b for a, b in zip(track.at(time_ns), own_m, strict=True)]
    relative_mps = [a - b for a, b in zip(track.velocity_mps, own_mps, strict=True)]
    speed2 = sum(v * v for v in relative_mps)
    closing = -sum(r * v for r, v in zip(relative_m, relative_mps, strict=True))
    time_s = min(max(closing / speed2, 0.0), HORIZON_S) if speed2 else 0.0
    return math.hypot(*(r + v * time_s for r, v in zip(relative_m, relative_mps, strict=True)))


def read_task(text: str) -> Task:
    """Return the task from the scenario's goals: `reach` and, where there is one, `keep_clear`."""
    goals = {goal["kind"]: goal for goal in json.loads(text)["goals"]}
    east, north, up = goals["reach"]["position_m"]
    clear_m = goals.get("keep_clear", {"distance_m": 300.0})["distance_m"]
    return Task((east, north, up), goals["reach"]["radius_m"], clear_m)


async def main() -> None:
    """Fly until the run is over."""
    task, picture = read_task(os.environ["QIKI_AGENT_TASK"]), Picture()
    async with connect(os.environ["QIKI_SIM_TARGET"]) as sim, connect(os.environ["QIKI_TRACKER_TARGET"]) as tracker:
        stub = SimServiceStub(sim)
        sensors = Stream[SensorReading](stub.WatchSensors, WatchSensorsRequest(from_oldest=True))
        tracks = Stream[TrackSet](TrackerServiceStub(tracker).WatchTracks, WatchTracksRequest(from_oldest=True))
        async with TurnReader(sensors) as readings, TurnReader(tracks) as sets:
            agent = await Agent.join(os.environ["QIKI_AGENT_NAME"], stub)
            flown = (0.0, 0.0)
            async for turn in agent.turns():
                for reading in await readings.through(turn.sensors_sequence):
                    picture.take_reading(reading)
                for track_set in await sets.before(turn):
                    picture.take_tracks(track_set)
                await asyncio.sleep(SLOWNESS)
                course_deg, speed_mps = choose_velocity(picture, task, turn.time_ns)
                if (course_deg, speed_mps) != flown:
                    helm = SetHelm(course_deg=course_deg, speed_mps=speed_mps, turn_rate_dps=0.0)
                    await agent.execute(turn, Command(set_helm=helm))
                    flown = course_deg, speed_mps


def _vector(wire: object) -> Vector:
    return wire.x, wire.y, wire.z  # type: ignore[attr-defined] # both precisions of the API


if __name__ == "__main__":
    asyncio.run(main())
