"""The bot's specification as a whole: the one file from which every service is configured."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, Self, TypeVar

from pydantic import model_validator

from botspec import yaml_source
from botspec.base import refuse
from botspec.bus.streams import durable_problems, stream_problems
from botspec.channels import channel_problems
from botspec.components.assembly import assembly_problems
from botspec.components.craft import craft_problems
from botspec.earlier import refuse_earlier
from botspec.policy import repeated_rules
from botspec.sections import Bot, Bus, Core, Simulation, Tracking, period_problems, reader_problems
from botspec.yaml_core import Loc

__all__ = ["Bot", "BotSpec", "Loaded", "LoadedBotSpec", "Simulation", "load_bot_spec"]


class BotSpec(Tracking, Bus):
    """The complete specification of one bot; every service is configured from it."""

    schema_version: Literal[2]

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        refuse("BotSpec", self._problems())
        return self

    def _problems(self) -> Iterator[tuple[Loc, str]]:
        yield from _at("components", assembly_problems(self.components))
        yield from _at("components", period_problems(self.simulation, self.components))
        yield from craft_problems(self.components, self.simulation.tick_s)
        yield from _at("guard_rules", repeated_rules(self.guard_rules))
        yield from _at("channels", channel_problems(self.channels, self.streams))
        yield from stream_problems(self.streams)
        yield from durable_problems(self.durables, self.streams)
        yield from _at("required_readers", reader_problems(self.required_readers, self.channels))


MAX_SPEC_BYTES = 512 * 1024
"""An example takes 15 kB; the largest bot that the limits of the sections permit, some 300 kB."""

S_co = TypeVar("S_co", bound=Core, covariant=True)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S_co]):
    """A BotSpec, or a service's part of one, with the SHA-256 of the BotSpec's file in hexadecimal and its path."""

    spec: S_co
    digest: str
    path: Path


LoadedBotSpec = Loaded[BotSpec]


def load_bot_spec(path: Path) -> LoadedBotSpec:
    """Read and validate a BotSpec; raises `yaml_source.SpecError` with one line per problem."""
    document = yaml_source.load(path, MAX_SPEC_BYTES)
    refuse_earlier(document)
    return Loaded(yaml_source.validate(BotSpec, document), document.digest, path)


def _at(section: str, problems: Iterator[tuple[Loc, str]]) -> Iterator[tuple[Loc, str]]:
    for loc, message in problems:
        yield (section, *loc), message
