"""Times, durations and untrusted text in readable form."""

import re
from datetime import UTC, datetime
from typing import Final

from cli.errors import UsageError

MAX_LAST_S: Final = 30 * 86_400.0
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION_UNITS: Final = ((1e3, "us"), (1e6, "ms"), (1e9, "s"), (60e9, "min"), (3_600e9, "h"), (86_400e9, "d"))
_LAST_UNIT: Final = "d"
_LAST: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")


def duration_text(duration_ns: int) -> str:
    """Return a duration with three digits and its unit, such as `12.4 ms`: nine characters at most, with a sign."""
    if duration_ns < 0:
        return f"-{duration_text(-duration_ns)}"
    if duration_ns < 1_000:
        return f"{duration_ns} ns" if duration_ns else "0"
    number, unit = next(
        (duration_ns / unit_ns, unit)
        for unit_ns, unit in _DURATION_UNITS
        if duration_ns / unit_ns < 999.5 or unit == _LAST_UNIT
    )
    return f"{number:.{2 if number < 9.995 else 1 if number < 99.95 else 0}f} {unit}"


def offset_text(offset_ns: int) -> str:
    """Return a time relative to the root with its sign; the root's own is `0`."""
    return f"+{duration_text(offset_ns)}" if offset_ns > 0 else duration_text(offset_ns)


def time_text(time_ns: int) -> str:
    """Return a time in UTC to the millisecond, such as `2026-01-01T00:00:00.123Z`."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000_000:03d}Z"


def printable(text: str) -> str:
    """Return the text on one line, with control characters replaced: a span's text never controls the terminal."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def parse_last(text: str) -> int:
    """Parse a duration such as `30s`, `1m` or `2h` into nanoseconds. Raises UsageError."""
    match = _LAST.fullmatch(text.strip())
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not 0.0 < seconds <= MAX_LAST_S:
        raise UsageError(f"--last {text}: a number and ms, s, m, h or d, such as 30s or 1m; at most 30d.")
    return int(seconds * 1e9)
