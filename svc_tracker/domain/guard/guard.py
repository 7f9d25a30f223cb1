"""The guard: raises and clears the alarms of its rules, as a fold over tables of tracks."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final, Self

import numpy as np

from svc_tracker.domain.guard.rules import GuardRule, Situation, holds
from svc_tracker.domain.state.tracks import TrackStatus
from svc_tracker.domain.state.types import Booleans, Integers

VERSION: Final = 1
MAX_RULES: Final = 32
NS_PER_S: Final = 1_000_000_000
# Before every time that a frame may have.
_NEVER: Final = -(2**63)


class GuardPhase(IntEnum):
    """What happened to an alarm; the numbers are those on the wire."""

    RAISED = 1
    CLEARED = 2


class GuardStateError(ValueError):
    """Bytes that are no state of a guard, or that of one with other rules."""


@dataclass(frozen=True, slots=True)
class GuardEvent:
    """An alarm raised or cleared: its rule, the track's number and row in the table, and since when the rule holds.

    `raised_ns` is when it was raised: rule, track and that time name the alarm, for good.
    """

    rule: GuardRule
    phase: GuardPhase
    number: int
    row: int
    since_ns: int
    raised_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class _Watch:
    """What is remembered of tracks (n) under rules (r): times (r, n), _NEVER where there is none.

    Since when a rule holds, when the alarm was raised that stands, and when the last one was cleared.
    """

    number: Integers
    since_ns: Integers
    raised_ns: Integers
    cleared_ns: Integers

    @property
    def times(self) -> tuple[Integers, Integers, Integers]:
        return self.since_ns, self.raised_ns, self.cleared_ns


class Guard:
    """Watches the tracks of one run, in the order of the frames' times; remembers at most rules x live tracks."""

    def __init__(self, rules: Sequence[GuardRule]) -> None:
        self.rules = tuple(rules)
        names = [rule.name for rule in self.rules]
        if len(self.rules) > MAX_RULES or len(set(names)) < len(names):
            raise ValueError(f"guard_rules must be at most {MAX_RULES}, of different names: {', '.join(names)}")
        self._watch = _nothing(len(self.rules), np.empty(0, dtype=np.int64))
        self._lasting_ns = _column(rule.min_duration_s for rule in self.rules)
        self._pause_ns = _column(rule.cooldown_s for rule in self.rules)

    def step(self, situation: Situation) -> list[GuardEvent]:
        """Take up the tracks after a frame; return what happened, in the order of the rules and then of the tracks.

        A track that is lost is in the table once more, as such: that clears its alarms.
        """
        table, now_ns = situation.table, situation.table.time_ns
        before = _aligned(self._watch, table.number)
        since_ns, raised_ns, cleared_ns = before.times
        standing = raised_ns != _NEVER
        held = self._held(situation, eased=False)
        stays = standing & self._held(situation, eased=True)

        since_ns = np.where(standing | held, np.where(since_ns == _NEVER, now_ns, since_ns), _NEVER)
        raised = held & ~standing & self._ripe(since_ns, cleared_ns, now_ns)
        cleared = standing & ~stays
        told_ns = np.where(raised, now_ns, raised_ns)
        after = _Watch(
            table.number,
            np.where(cleared, _NEVER, since_ns),
            np.where(cleared, _NEVER, told_ns),
            np.where(cleared, now_ns, cleared_ns),
        )
        self._watch = _chosen(after, table.status != TrackStatus.LOST)
        return [
            GuardEvent(
                rule=self.rules[rule],
                phase=GuardPhase.RAISED if raised[rule, row] else GuardPhase.CLEARED,
                number=int(table.number[row]),
                row=row,
                since_ns=int(since_ns[rule, row]),
                raised_ns=int(told_ns[rule, row]),
            )
            for rule, row in np.argwhere(raised | cleared).tolist()
        ]

    @property
    def state(self) -> object:
        """The whole state. A step replaces it and never changes it in place: who keeps it can go back to it."""
        return self._watch

    @state.setter
    def state(self, state: object) -> None:
        assert isinstance(state, _Watch), "must be what `state` was"
        self._watch = state

    def snapshot(self) -> bytes:
        """Return the whole state: what is restored from it goes on to the same events."""
        times = np.stack(self._watch.times) if self.rules else np.empty((3, 0, 0), dtype=np.int64)
        state = {
            "version": VERSION,
            "rules": _digest(self.rules),
            "numbers": self._watch.number.tolist(),
            "watched": [
                [rule, row, *times[:, rule, row].tolist()]
                for rule, row in np.argwhere((times != _NEVER).any(axis=0)).tolist()
            ],
        }
        return json.dumps(state, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def restore(cls, rules: Sequence[GuardRule], data: bytes) -> Self:
        """Return the guard whose `snapshot` these bytes are; raises GuardStateError for others, or of other rules."""
        guard = cls(rules)
        try:
            state: dict[str, Any] = json.loads(data)
            version, digest = state["version"], state["rules"]
            guard._watch = _nothing(len(guard.rules), np.array(state["numbers"], dtype=np.int64))
            for rule, row, *times in state["watched"]:
                for column, time_ns in zip(guard._watch.times, times, strict=True):
                    column[rule, row] = time_ns
        except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
            raise GuardStateError(f"these bytes are no state of a guard: {error}") from error
        if version != VERSION:
            raise GuardStateError(f"the guard's state is of version {version}, not {VERSION}")
        if digest != _digest(guard.rules):
            raise GuardStateError("the guard's state was made with other rules")
        return guard

    def _held(self, situation: Situation, *, eased: bool) -> Booleans:
        count = len(situation.table)
        rows = [holds(rule, situation, rule.hysteresis if eased else 0.0) for rule in self.rules]
        return np.array(rows, dtype=np.bool_).reshape(len(self.rules), count)

    def _ripe(self, since_ns: Integers, cleared_ns: Integers, now_ns: int) -> Booleans:
        """Return which alarms may be raised: the rule has held long enough, and the last one is long enough ago."""
        held_ns = now_ns - np.where(since_ns == _NEVER, now_ns, since_ns)
        rest_ns = now_ns - np.where(cleared_ns == _NEVER, now_ns, cleared_ns)
        # An alarm is named by its time: where the last one was cleared at this very time, no other can begin.
        rested = (cleared_ns == _NEVER) | ((rest_ns >= self._pause_ns) & (rest_ns > 0))
        ripe: Booleans = (held_ns >= self._lasting_ns) & rested
        return ripe


def _nothing(rules: int, number: Integers) -> _Watch:
    return _Watch(number, *(np.full((rules, len(number)), _NEVER, dtype=np.int64) for _ in range(3)))


def _chosen(watch: _Watch, which: Booleans) -> _Watch:
    return _Watch(watch.number[which], *(times[:, which] for times in watch.times))


def _aligned(watch: _Watch, number: Integers) -> _Watch:
    """Return what is remembered of these tracks, whose numbers ascend; nothing of those that are new."""
    assert np.isin(watch.number, number).all(), "a track is announced as lost before it is gone"
    place = np.searchsorted(number, watch.number)
    aligned = _nothing(len(watch.since_ns), number)
    for old, new in zip(watch.times, aligned.times, strict=True):
        new[:, place] = old
    return aligned


def _column(seconds: Any) -> Integers:
    return np.array([round(value * NS_PER_S) for value in seconds], dtype=np.int64)[:, None]


def _digest(rules: Sequence[GuardRule]) -> str:
    return hashlib.sha256(json.dumps([asdict(rule) for rule in rules], sort_keys=True).encode()).hexdigest()
