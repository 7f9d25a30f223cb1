"""Limits and value types that the parts of a scenario share."""

from typing import Annotated

from pydantic import Field

from botspec.base import MAX_DURATION_S
from svc_sim.domain.contacts.trajectory import MAX_DISTANCE_M, MAX_SPEED_MPS

MAX_LEGS = 1000
MAX_TURN_RATE_DPS = 360.0

Instant = Annotated[float, Field(ge=0, le=MAX_DURATION_S)]
Coordinate = Annotated[float, Field(ge=-MAX_DISTANCE_M, le=MAX_DISTANCE_M)]
Position = tuple[Coordinate, Coordinate, Coordinate]
Course = Annotated[float, Field(ge=-360, le=360)]
Speed = Annotated[float, Field(ge=0, le=MAX_SPEED_MPS)]
Climb = Annotated[float, Field(ge=-MAX_SPEED_MPS, le=MAX_SPEED_MPS)]
TurnRate = Annotated[float, Field(ge=-MAX_TURN_RATE_DPS, le=MAX_TURN_RATE_DPS)]
RecordingFile = Annotated[str, Field(min_length=1, max_length=4096)]
"""A recording's path, relative to the scenario's file."""
