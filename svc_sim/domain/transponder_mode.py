"""Modes of a transponder."""

from enum import StrEnum


class TransponderMode(StrEnum):
    """A transponder's response to an interrogation."""

    OFF = "off"
    ON = "on"
    SILENT = "silent"
    SPOOF = "spoof"
