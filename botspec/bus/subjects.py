"""NATS subjects and subject patterns: syntax, matching, overlap and containment."""

import re

MAX_CHARACTERS = 255
# The characters that NATS recommends (ADR-6) and that every client, tool and file system passes on unchanged.
_SUBJECT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\Z")
_PATTERN = re.compile(r"(?:[A-Za-z0-9_-]+|\$JS|\*)(?:\.(?:[A-Za-z0-9_-]+|\*))*(?:\.>)?\Z")


def check_subject(subject: str) -> str:
    """Return the subject unchanged; raises ValueError where NATS or its tools would not take it for publishing."""
    if not _SUBJECT.match(subject) or len(subject) > MAX_CHARACTERS:
        raise ValueError(
            f"{subject!r} is no NATS subject to publish on: names of A-Z, a-z, 0-9, `_` and `-`, "
            f"joined by single dots, at most {MAX_CHARACTERS} characters in all"
        )
    return subject


def check_pattern(pattern: str) -> str:
    """Return the pattern unchanged; raises ValueError where NATS or its tools would not take it for a stream."""
    if not _PATTERN.match(pattern) or len(pattern) > MAX_CHARACTERS:
        raise ValueError(
            f"{pattern!r} is no pattern of NATS subjects: names of A-Z, a-z, 0-9, `_` and `-`, or `*`, joined by "
            f"single dots, `>` only at the end, at most {MAX_CHARACTERS} characters in all"
        )
    return pattern


def subject_matches(pattern: str, subject: str) -> bool:
    """Return whether NATS would deliver `subject` to `pattern`: `*` is one token, a final `>` is one or more."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))


def subjects_overlap(first: str, second: str) -> bool:
    """Return whether one subject can match both patterns."""
    a, b = first.split("."), second.split(".")
    for x, y in zip(a, b, strict=False):
        if x == ">" or y == ">":
            return True
        if x != y and "*" not in (x, y):
            return False
    return len(a) == len(b)


def contains(outer: str, inner: str) -> bool:
    """Return whether every subject that matches the pattern `inner` also matches the pattern `outer`."""
    a, b = outer.split("."), inner.split(".")
    if a[-1] == ">":
        a.pop()
        if len(b) <= len(a):
            return False
        b = b[: len(a)]
    return len(a) == len(b) and all(y != ">" and (x in ("*", y)) for x, y in zip(a, b, strict=True))
