"""The guard: raises and clears the alarms of its rules, as a fold over track tables."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final, Self

import numpy as np

from svc_tracker.domain.guard.rules import GuardInput, GuardRule, is_met
from svc_tracker.domain.state.tracks import TrackStatus
from svc_tracker.domain.state.types import Booleans, Integers

VERSION: Final = 1
MAX_RULES: Final = 32
NS_PER_S: Final = 1_000_000_000
# No time: before every time that a frame may have.
_NEVER: Final = -(2**63)


class GuardPhase(IntEnum):
    """The phase of an alarm; the numbers are those on the wire."""

    RAISED = 1
    CLEARED = 2


class GuardStateError(ValueError):
    """Bytes that are not a guard's state, or one of other rules."""


@dataclass(frozen=True, slots=True)
class GuardEvent:
    """An alarm raised or cleared: its rule, the track's number and row in the table, and since when the rule is met.

    The alarm was raised at `raised_ns`: rule, track number and that time identify it for good.
    """

    rule: GuardRule
    phase: GuardPhase
    number: int
    row: int
    since_ns: int
    raised_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class _AlarmTimes:
    """The alarm times of tracks (n,) under rules: each array (r, n), _NEVER where there is none.

    The rule has been met since `since_ns`, the current alarm was raised at `raised_ns`, the last one cleared at
    `cleared_ns`.
    """

    number: Integers
    since_ns: Integers
    raised_ns: Integers
    cleared_ns: Integers

    @property
    def times(self) -> tuple[Integers, Integers, Integers]:
        return self.since_ns, self.raised_ns, self.cleared_ns


class Guard:
    """The guard of one run, over frames in the order of their times; its state is at most rules x live tracks."""

    def __init__(self, rules: Sequence[GuardRule]) -> None:
        self.rules = tuple(rules)
        names = [rule.name for rule in self.rules]
        if len(self.rules) > MAX_RULES or len(set(names)) < len(names):
            raise ValueError(f"guard_rules must be at most {MAX_RULES}, each with its own name: {', '.join(names)}")
        self._alarms = _no_alarms(len(self.rules), np.empty(0, dtype=np.int64))
        self._min_duration_ns = _column(rule.min_duration_s for rule in self.rules)
        self._cooldown_ns = _column(rule.cooldown_s for rule in self.rules)

    def step(self, guard_input: GuardInput) -> list[GuardEvent]:
        """Process the tracks after a frame; return the alarms raised and cleared, by rule and then by track.

        A lost track is in the table once, with that status, which clears its alarms.
        """
        records, now_ns = guard_input.table.records, guard_input.table.time_ns
        before = _aligned(self._alarms, records.number)
        since_ns, raised_ns, cleared_ns = before.times
        standing = raised_ns != _NEVER
        met = self._is_met(guard_input, with_hysteresis=False)
        stays = standing & self._is_met(guard_input, with_hysteresis=True)

        since_ns = np.where(standing | met, np.where(since_ns == _NEVER, now_ns, since_ns), _NEVER)
        raised = met & ~standing & self._is_due(since_ns, cleared_ns, now_ns)
        cleared = standing & ~stays
        alarm_ns = np.where(raised, now_ns, raised_ns)
        after = _AlarmTimes(
            records.number,
            np.where(cleared, _NEVER, since_ns),
            np.where(cleared, _NEVER, alarm_ns),
            np.where(cleared, now_ns, cleared_ns),
        )
        self._alarms = _select(after, records.status != TrackStatus.LOST)
        return [
            GuardEvent(
                rule=self.rules[rule],
                phase=GuardPhase.RAISED if raised[rule, row] else GuardPhase.CLEARED,
                number=int(records.number[row]),
                row=row,
                since_ns=int(since_ns[rule, row]),
                raised_ns=int(alarm_ns[rule, row]),
            )
            for rule, row in np.argwhere(raised | cleared).tolist()
        ]

    @property
    def state(self) -> object:
        """The whole state. A step replaces it and never changes it in place, so a kept state can be restored."""
        return self._alarms

    @state.setter
    def state(self, state: object) -> None:
        assert isinstance(state, _AlarmTimes), "must be a value of `state`"
        self._alarms = state

    def snapshot(self) -> bytes:
        """Return the whole state, from which `restore` continues to the same events."""
        return self.snapshot_of(self._alarms)

    def snapshot_of(self, state: object) -> bytes:
        """Encode a state of this guard, present or past; safe in a thread beside further steps."""
        assert isinstance(state, _AlarmTimes), "must be a value of `state`"
        times = np.stack(state.times) if self.rules else np.empty((3, 0, 0), dtype=np.int64)
        encoded = {
            "version": VERSION,
            "rules": _digest(self.rules),
            "numbers": state.number.tolist(),
            "watched": [
                [rule, row, *times[:, rule, row].tolist()]
                for rule, row in np.argwhere((times != _NEVER).any(axis=0)).tolist()
            ],
        }
        return json.dumps(encoded, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def restore(cls, rules: Sequence[GuardRule], data: bytes) -> Self:
        """Return the guard of a `snapshot`; raises GuardStateError if the bytes are none, or of other rules."""
        guard = cls(rules)
        try:
            state: dict[str, Any] = json.loads(data)
            version, digest = state["version"], state["rules"]
            guard._alarms = _no_alarms(len(guard.rules), np.array(state["numbers"], dtype=np.int64))
            for rule, row, *times in state["watched"]:
                for column, time_ns in zip(guard._alarms.times, times, strict=True):
                    column[rule, row] = time_ns
        except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
            raise GuardStateError(f"these bytes are not a guard's state: {error}") from error
        if version != VERSION:
            raise GuardStateError(f"the guard's state is of version {version}, not {VERSION}")
        if digest != _digest(guard.rules):
            raise GuardStateError("the guard's state was made with other rules")
        return guard

    def _is_met(self, guard_input: GuardInput, *, with_hysteresis: bool) -> Booleans:
        count = len(guard_input.table)
        rows = [is_met(rule, guard_input, rule.hysteresis if with_hysteresis else 0.0) for rule in self.rules]
        return np.array(rows, dtype=np.bool_).reshape(len(self.rules), count)

    def _is_due(self, since_ns: Integers, cleared_ns: Integers, now_ns: int) -> Booleans:
        """Return which alarms are due: the rule met for `min_duration_s`, the last alarm cleared `cooldown_s` ago."""
        lasted_ns = now_ns - np.where(since_ns == _NEVER, now_ns, since_ns)
        pause_ns = now_ns - np.where(cleared_ns == _NEVER, now_ns, cleared_ns)
        # The time identifies an alarm: no other can be raised at the very time the last one was cleared.
        paused = (cleared_ns == _NEVER) | ((pause_ns >= self._cooldown_ns) & (pause_ns > 0))
        due: Booleans = (lasted_ns >= self._min_duration_ns) & paused
        return due


def _no_alarms(rules: int, number: Integers) -> _AlarmTimes:
    return _AlarmTimes(number, *(np.full((rules, len(number)), _NEVER, dtype=np.int64) for _ in range(3)))


def _select(alarms: _AlarmTimes, rows: Booleans) -> _AlarmTimes:
    return _AlarmTimes(alarms.number[rows], *(times[:, rows] for times in alarms.times))


def _aligned(alarms: _AlarmTimes, number: Integers) -> _AlarmTimes:
    """Return the alarm times of the tracks of these numbers, which ascend; none for new tracks."""
    assert np.isin(alarms.number, number).all(), "a track is reported as lost before it disappears"
    position = np.searchsorted(number, alarms.number)
    aligned = _no_alarms(len(alarms.since_ns), number)
    for old, new in zip(alarms.times, aligned.times, strict=True):
        new[:, position] = old
    return aligned


def _column(seconds: Any) -> Integers:
    return np.array([round(value * NS_PER_S) for value in seconds], dtype=np.int64)[:, None]


def _digest(rules: Sequence[GuardRule]) -> str:
    return hashlib.sha256(json.dumps([asdict(rule) for rule in rules], sort_keys=True).encode()).hexdigest()
