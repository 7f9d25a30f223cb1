"""Check of a run in JetStream: every message by itself, and the tracker's output recomputed."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import Message

from adapters.jetstream.client.messages import StoredMessage
from botspec.channels import Channel
from botspec.model import BotSpec
from cli.demo.checks.event_check import CheckedEvent, EventCheck
from cli.demo.checks.findings import Findings
from cli.runs.replay.track_replay import LeftOutError, TrackReplay
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.tracker.v1.guard_pb2 import GuardEvent
from svc_tracker.config import Rules, to_rules

FRAMES: Final = RadarFrame.DESCRIPTOR.full_name
TRACKS: Final = TrackSet.DESCRIPTOR.full_name
GUARD: Final = GuardEvent.DESCRIPTOR.full_name
REPLAYED: Final = {TRACKS: "track set", GUARD: "guard event"}


@dataclass(slots=True)
class _Replayed:
    """Replayed output on one channel: the digest of each event's bytes, by sequence - 1."""

    channel: Channel
    digests: list[bytes] = field(default_factory=list)
    compared: set[int] = field(default_factory=set)


class RunCheck:
    """Checks the messages of one run, channel after channel: the frames first, then the channels derived from them.

    In addition to the checks of `EventCheck`:
        replay: each tracker event has the bytes computed from the stored frames, and the number of events is the same.
    """

    def __init__(self, run_id: str, bot_id: str, channels: Sequence[Channel], rules: Rules) -> None:
        self._run_id = run_id
        self._bot_id = bot_id
        self._findings = Findings()
        self._checks: dict[str, EventCheck] = {}
        self._replay = TrackReplay(run_id, rules)
        by_type = {channel.type: channel for channel in channels}
        self._replayed = {name: _Replayed(by_type[name]) for name in REPLAYED if name in by_type and FRAMES in by_type}
        self._next_frame = 1
        self._broken = ""

    @classmethod
    def of(cls, spec: BotSpec, run_id: str) -> "RunCheck":
        """Return the check of a run made with this BotSpec."""
        return cls(run_id, spec.bot.bot_id, spec.channels, to_rules(spec))

    def open(self, channel: Channel) -> Callable[[StoredMessage], Awaitable[CheckedEvent | None]]:
        """Return a function that takes the channel's messages in order and returns each one if it can be read."""
        check = self._checks[channel.name] = EventCheck(channel, self._bot_id, self._run_id, self._findings)

        async def take(message: StoredMessage) -> CheckedEvent | None:
            event = check.check(message)
            if event is None or event.context.run_id != self._run_id:
                return event
            if channel.type == FRAMES:
                await self._take_frame(event)
            elif channel.type in self._replayed:
                self._compare(self._replayed[channel.type], event)
            return event

        return take

    def problems(self) -> list[str]:
        """Return all problems found as sentences, each with its subject, sequence and check."""
        findings = self._findings.sentences()
        for replayed in self._replayed.values():
            missing = [n for n in range(1, len(replayed.digests) + 1) if n not in replayed.compared]
            if missing:
                rest = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                what = f"the stored frames make {len(replayed.digests)}, and this is not there"
                findings.append(f"{replayed.channel.subject}, event {missing[0]}{rest}: replay: {what}.")
        if self._broken and self._replayed:
            findings.append(
                f"Tracks and guard events could be computed again only as far as the frames are: {self._broken}."
            )
        return findings

    @property
    def messages(self) -> int:
        """Number of messages taken."""
        return sum(check.messages for check in self._checks.values())

    def summary(self) -> Mapping[str, int]:
        """Return the number of messages checked, and of events recomputed and compared, by kind."""
        compared = {REPLAYED[name]: len(replayed.compared) for name, replayed in self._replayed.items()}
        return {"message": self.messages, **compared}

    async def _take_frame(self, event: CheckedEvent) -> None:
        """Fold the run's next frame in a thread; skip every frame after one that is missing or altered."""
        if self._broken or event.context.sequence < self._next_frame:
            return
        if not event.intact or event.context.sequence > self._next_frame:
            self._broken = f"frame {self._next_frame} is missing, or not as it was written"
            return
        self._next_frame += 1
        assert isinstance(event.payload, RadarFrame), "a channel's payloads are of its type"
        for name, digests in (await asyncio.to_thread(self._fold, event.payload, event)).items():
            if name in self._replayed:
                self._replayed[name].digests += digests

    def _fold(self, frame: RadarFrame, event: CheckedEvent) -> Mapping[str, list[bytes]]:
        try:
            made = self._replay.step(frame, event.context)
        except LeftOutError:  # as in the run, where the frame produced no output either
            return {}
        return {TRACKS: list(map(_digest_of, made.track_sets)), GUARD: list(map(_digest_of, made.guard_events))}

    def _compare(self, replayed: _Replayed, event: CheckedEvent) -> None:
        sequence, made = event.context.sequence, len(replayed.digests)
        if sequence in replayed.compared or (sequence > made and self._broken):
            return
        subject, place = replayed.channel.subject, f"event {sequence}"
        if sequence > made:
            self._findings.add(subject, place, "replay", f"the stored frames make no more than {made}")
            return
        replayed.compared.add(sequence)
        if hashlib.sha256(event.data).digest() != replayed.digests[sequence - 1]:
            self._findings.add(subject, place, "replay", "has other bytes than what the stored frames make")


def _digest_of(message: Message) -> bytes:
    return hashlib.sha256(message.SerializeToString(deterministic=True)).digest()
