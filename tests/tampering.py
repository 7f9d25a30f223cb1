"""Tampering with a log's files: random changes, each of which a verification must notice, and its first wrong record.

`python -m tampering` is `make tamper`. Every change lies before the last kept checkpoint. What is no tampering (an
unfinished write, events after the checkpoint, nothing at all) must raise no alarm.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from log_cases import SMALL, append, content, opened
from svc_registrar.domain.lines import encode, parse, time_text
from svc_registrar.domain.merkle import leaf_hash
from svc_registrar.domain.notes import Checkpoint, Verifier
from svc_registrar.log.identity import DIRECTORY
from svc_registrar.log.tree_file import TreeFile
from svc_registrar.verify.finding import Finding, Kind
from svc_registrar.verify.verify import Task, verify

RECORDS = 300
ANY = frozenset({Kind.CHANGED, Kind.REMOVED, Kind.REORDERED, Kind.INSERTED})


@dataclass(frozen=True, slots=True)
class Expected:
    """The kinds of finding that a change may give, and the first wrong record, 0 where no one record is known."""

    kinds: frozenset[Kind]
    index: int = 0


class Victim:
    """A signed log, restored before each change, and the checkpoint that somebody kept elsewhere."""

    def __init__(self, directory: Path, rng: random.Random) -> None:
        self.rng = rng
        self.original, self.copy, self.early = directory / "original", directory / "copy", directory / "early"
        with opened(self.original, rotation=SMALL) as log:
            self.key: Verifier = log.verifier
            for number in range(RECORDS):
                append(log, [f"event {number} {'x' * rng.randrange(60)}"])
                if number % 17 == 3 or number == RECORDS - 1:
                    log.checkpoint()
                if number == 120:
                    log.checkpoint()
                    shutil.copytree(self.original, self.early)
            assert log.checkpoints.newest is not None
            self.kept: Checkpoint = log.checkpoints.newest.checkpoint
        self.log = self.copy / DIRECTORY
        names = sorted((self.original / DIRECTORY / "segments").iterdir())
        self.names = [path.name for path in names]
        self.segments = [path.read_bytes().splitlines(keepends=True) for path in names]
        self.lines = [line for segment in self.segments for line in segment]

    def restore(self, origin: Path | None = None) -> None:
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(origin or self.original, self.copy)

    def path(self, segment: int) -> Path:
        return self.log / "segments" / self.names[segment]

    def write(self, segments: list[list[bytes]]) -> Expected:
        """Write these lines and return the first record that is not where it was."""
        for number, lines in enumerate(segments):
            self.path(number).write_bytes(b"".join(lines))
        found = b"".join(line for lines in segments for line in lines)
        lines = found.split(b"\n")
        pairs = zip(self.lines, [line + b"\n" for line in lines], strict=False)
        same = next((place for place, (old, new) in enumerate(pairs) if old != new), min(len(self.lines), len(lines)))
        return Expected(ANY, same + 1)

    def verify(self, *kept: Checkpoint) -> Finding | None:
        return verify(Task(self.log, self.key, kept)).finding

    def edited(self) -> list[list[bytes]]:
        return [list(lines) for lines in self.segments]

    def place(self) -> tuple[int, int]:
        segment = self.rng.randrange(len(self.segments))
        return segment, self.rng.randrange(len(self.segments[segment]))


def flip_a_byte(victim: Victim) -> Expected:
    segments, (number, place) = victim.edited(), victim.place()
    line = bytearray(segments[number][place])
    line[victim.rng.randrange(len(line))] ^= victim.rng.randrange(1, 256)
    segments[number][place] = bytes(line)
    return Expected(ANY, victim.write(segments).index)


def drop_lines(victim: Victim) -> Expected:
    segments, (number, place) = victim.edited(), victim.place()
    del segments[number][place : place + victim.rng.randrange(1, 5)]
    return Expected(frozenset({Kind.REMOVED}), victim.write(segments).index)


def swap_lines(victim: Victim) -> Expected:
    segments, one = victim.edited(), victim.place()
    other = one
    while other == one:
        other = victim.place()
    a, b = segments[one[0]][one[1]], segments[other[0]][other[1]]
    segments[one[0]][one[1]], segments[other[0]][other[1]] = b, a
    return Expected(frozenset({Kind.REORDERED}), victim.write(segments).index)


def duplicate_a_line(victim: Victim) -> Expected:
    segments, (number, place), source = victim.edited(), victim.place(), victim.place()
    segments[number].insert(place, segments[source[0]][source[1]])
    return Expected(frozenset({Kind.INSERTED, Kind.REORDERED}), victim.write(segments).index)


def insert_a_forged_line(victim: Victim) -> Expected:
    segments, (number, place) = victim.edited(), victim.place()
    before = parse(segments[number][place])
    assert before is not None
    forged = encode(content("never recorded"), before.index, before.synced, time_text(before.recorded_ns))
    segments[number].insert(place, forged)
    return Expected(frozenset({Kind.INSERTED}), victim.write(segments).index)


def change_a_line_and_its_checksum(victim: Victim) -> Expected:
    segments, (number, place) = victim.edited(), victim.place()
    old = parse(segments[number][place])
    assert old is not None
    segments[number][place] = encode(content("rewritten"), old.index, old.synced, time_text(old.recorded_ns))
    return Expected(frozenset({Kind.CHANGED}), victim.write(segments).index)


def truncate(victim: Victim) -> Expected:
    path = victim.path(victim.rng.randrange(len(victim.names)))
    data = path.read_bytes()
    path.write_bytes(data[: victim.rng.randrange(len(data))])
    return Expected(ANY)


def remove_a_segment(victim: Victim) -> Expected:
    victim.path(victim.rng.randrange(len(victim.names))).unlink()
    return Expected(frozenset({Kind.REMOVED}))


def swap_segments(victim: Victim) -> Expected:
    one, other = victim.rng.sample(range(len(victim.names)), 2)
    segments = victim.edited()
    segments[one], segments[other] = segments[other], segments[one]
    return Expected(frozenset({Kind.REORDERED, Kind.REMOVED}), victim.write(segments).index)


def replace_a_segment_and_its_tree(victim: Victim) -> Expected:
    """Rewrite a segment consistently, with checksums, and the whole tree and index with it."""
    segments, (number, place) = victim.edited(), victim.place()
    for at in range(place, len(segments[number])):
        old = parse(segments[number][at])
        assert old is not None
        segments[number][at] = encode(content("rewritten"), old.index, old.synced, time_text(old.recorded_ns))
    victim.write(segments)
    shutil.rmtree(victim.log / "tree")
    shutil.rmtree(victim.log / "index")
    tree = TreeFile(victim.log / "tree")
    tree.write(0, [leaf_hash(line) for lines in segments for line in lines])
    tree.close()
    return Expected(frozenset({Kind.CHANGED}))


def flip_in_the_checkpoints(victim: Victim) -> Expected:
    _flip_in(victim, victim.log / "checkpoints.jsonl")
    return Expected(frozenset({Kind.NOT_VERIFIABLE, Kind.ROLLED_BACK}))


def flip_in_the_tree(victim: Victim) -> Expected:
    _flip_in(victim, victim.log / "tree" / victim.rng.choice(("level-00", "level-08")))
    return Expected(frozenset({Kind.TREE_DAMAGED}))


def put_back_an_old_copy(victim: Victim) -> Expected:
    victim.restore(victim.early)
    if victim.rng.random() < 0.5:  # and let the log go on from there
        with opened(victim.copy, rotation=SMALL) as log:
            append(log, [f"another history {number}" for number in range(victim.rng.randrange(1, 400))])
            log.checkpoint()
    return Expected(frozenset({Kind.ROLLED_BACK}))


def _flip_in(victim: Victim, path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[victim.rng.randrange(len(data))] ^= victim.rng.randrange(1, 256)
    path.write_bytes(data)


def nothing(victim: Victim) -> None:
    """Leave the log as it is."""


def unfinished_write(victim: Victim) -> None:
    whole = encode(content("torn"), RECORDS + 1, RECORDS, time_text(1))
    with victim.path(len(victim.names) - 1).open("ab") as file:
        file.write(whole[: victim.rng.randrange(1, len(whole))])


def later_events(victim: Victim) -> None:
    with opened(victim.copy, rotation=SMALL) as log:
        append(log, [f"later {number}" for number in range(victim.rng.randrange(1, 50))])


CHANGES: tuple[Callable[[Victim], Expected], ...] = (
    flip_a_byte,
    drop_lines,
    swap_lines,
    duplicate_a_line,
    insert_a_forged_line,
    change_a_line_and_its_checksum,
    truncate,
    remove_a_segment,
    swap_segments,
    replace_a_segment_and_its_tree,
    flip_in_the_checkpoints,
    flip_in_the_tree,
    put_back_an_old_copy,
)
HARMLESS: tuple[Callable[[Victim], None], ...] = (nothing, unfinished_write, later_events)


def attempt(victim: Victim) -> tuple[str, str]:
    """Make one random change; return its name, and what was wrong with the verification, empty if nothing."""
    victim.restore()
    kept = (victim.kept,) if victim.rng.random() < 0.5 else ()
    if victim.rng.random() < 0.1:
        harmless = victim.rng.choice(HARMLESS)
        harmless(victim)
        found = victim.verify(*kept)
        return harmless.__name__, f"a false alarm: {found}" if found is not None else ""
    change = victim.rng.choice(CHANGES)
    expected = change(victim)
    found = victim.verify(victim.kept) if change is put_back_an_old_copy else victim.verify(*kept)
    if found is None:
        return change.__name__, "missed"
    if found.kind not in expected.kinds:
        return change.__name__, f"expected {sorted(expected.kinds)}, found {found}"
    wrong_place = expected.index and found.index != expected.index
    return change.__name__, f"expected record {expected.index}, found {found}" if wrong_place else ""


def campaign(count: int, seed: int, report: Callable[[int], object] = lambda _done: None) -> tuple[Counter[str], str]:
    """Make so many changes; return how often each was made, and the first failure, empty if there was none."""
    made: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="qiki-tampering-") as directory:
        victim = Victim(Path(directory), random.Random(seed))
        for number in range(count):
            name, failure = attempt(victim)
            made[name] += 1
            if failure:
                return made, f"attempt {number} of seed {seed}, {name}: {failure}"
            report(number + 1)
    return made, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    made, failure = campaign(options.count, options.seed, _progress)
    for name, count in sorted(made.items()):
        print(f"{count:6} {name}")
    if failure:
        sys.exit(failure)
    print(f"{sum(made.values())} attempts, none missed, no false alarm")


def _progress(done: int) -> None:
    if done % 500 == 0:
        print(f"{done} ...", file=sys.stderr)


if __name__ == "__main__":
    main()
