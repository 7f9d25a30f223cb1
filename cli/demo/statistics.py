"""Statistics of a run: pure functions of its record."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

import numpy as np

from cli.demo.record import RecordedScan, RunRecord, TrackPart, Truth
from cli.demo.score import Score, score_of
from evaluation.picture import Objects, Picture

WARM_UP_SCANS: Final = 10
MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class RadarStatistics:
    """One radar: its name, the number of its scans, and of their detections."""

    name: str
    scans: int
    detections: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Wall-clock seconds from the production of a frame to the storing of the last part of its tracks."""

    frames: int
    p50_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class DemoStatistics:
    """Statistics of one run.

    `contacts` counts all contacts of the run, by kind; `in_view` counts those in a radar's view at the end of one of
    the radar's scans. `confirmed` counts the tracks confirmed at any time, `live` those at the end. `score` and
    `latency` are None if there is no data for them. `wall_s` is from the first production to the last storing.
    """

    simulated_s: float
    wall_s: float
    contacts: Mapping[str, int]
    in_view: int
    radars: tuple[RadarStatistics, ...]
    confirmed: int
    live: int
    score: Score | None
    latency: Latency | None
    audit: Mapping[tuple[int, str], int]

    @property
    def speed(self) -> float:
        """Simulation seconds per wall-clock second, 0 if nothing ran."""
        return self.simulated_s / self.wall_s if self.wall_s > 0.0 else 0.0


def statistics_of(record: RunRecord) -> DemoStatistics:
    """Return the statistics of a run."""
    return DemoStatistics(
        simulated_s=(record.last_time_ns - record.first_time_ns) / 1e9,
        wall_s=max(0, record.ended_ns - record.begun_ns) / 1e9,
        contacts=dict(Counter(record.contacts.values()).most_common()),
        in_view=len(_in_view(record)),
        radars=radar_statistics(record),
        confirmed=len({number for part in record.track_parts for number in confirmed_ids(part)}),
        live=sum(len(confirmed_ids(part)) for part in last_set(record.track_parts)),
        score=score(record),
        latency=latency(record),
        audit=record.audit,
    )


def track_set_problems(frames: int, parts: Sequence[TrackPart]) -> list[str]:
    """Return as sentences which of the frames 1..`frames` lack a part of their set of tracks, or have one twice."""
    seen: dict[int, Counter[int]] = defaultdict(Counter)
    wanted: dict[int, int] = {}
    for part in parts:
        seen[part.frame_sequence][part.part] += 1
        wanted[part.frame_sequence] = max(part.parts, wanted.get(part.frame_sequence, 1))
    every = range(1, frames + 1)
    missing = [n for n in every if n not in seen]
    partial = [n for n in every if n in seen and not set(range(1, wanted[n] + 1)) <= seen[n].keys()]
    double = [n for n, counts in sorted(seen.items()) if max(counts.values()) > 1]
    unknown = [n for n in sorted(seen) if n not in every]
    sentences = (
        (missing, "have no set of tracks"),
        (partial, "lack a part of their set of tracks"),
        (double, "have a part of their set of tracks twice"),
        (unknown, "have a set of tracks and are not there themselves"),
    )
    return [f"{len(which)} of {frames} frames {what}: {_named(which)}." for which, what in sentences if which]


def radar_statistics(record: RunRecord) -> tuple[RadarStatistics, ...]:
    """Return the statistics of each radar, in the order of `record.radars`, including radars without a scan."""
    scans: Counter[str] = Counter()
    detections: Counter[str] = Counter()
    for scan in record.scans:
        scans[scan.sensor_id] += 1
        detections[scan.sensor_id] += len(scan.detection_m)
    return tuple(RadarStatistics(name, scans[own], detections[own]) for own, name in record.radars.items())


def score(record: RunRecord) -> Score | None:
    """Return the score of the confirmed tracks against the contacts covered by the radar with the longest range.

    They are compared at the end of each of its scans except the first `WARM_UP_SCANS`.
    """
    scans = farthest_scans(record)[WARM_UP_SCANS:]
    sets = sets_by_frame(record.track_parts)
    pictures = [
        _picture(scan, record.truth[scan.tick], sets[scan.sequence])
        for scan in scans
        if scan.tick in record.truth and scan.sequence in sets
    ]
    return score_of(record.radars.get(scans[0].sensor_id, scans[0].sensor_id), pictures) if scans else None


def latency(record: RunRecord) -> Latency | None:
    """Return the latency of the tracks, over the frames with complete sets."""
    stored: dict[str, dict[int, TrackPart]] = defaultdict(dict)
    for part in record.track_parts:
        stored[part.frame_id][part.part] = part
    taken_s = [
        (max(part.stored_ns for part in parts.values()) - scan.produced_ns) / 1e9
        for scan in record.scans
        if (parts := stored.get(scan.frame_id)) and len(parts) == next(iter(parts.values())).parts
    ]
    if not taken_s:
        return None
    p50_s, p99_s = np.quantile(taken_s, (0.5, 0.99))
    return Latency(len(taken_s), float(p50_s), float(p99_s))


def farthest_scans(record: RunRecord) -> list[RecordedScan]:
    """Return the scans of the radar with the longest range, in order; empty if there are no scans."""
    if not record.scans:
        return []
    farthest = max(record.scans, key=lambda scan: scan.coverage.max_range_m).sensor_id
    return [scan for scan in record.scans if scan.sensor_id == farthest]


def sets_by_frame(parts: Sequence[TrackPart]) -> dict[int, list[TrackPart]]:
    """Return the parts of each set of tracks, by the sequence of its frame; repeated parts once."""
    found: dict[int, dict[int, TrackPart]] = defaultdict(dict)
    for part in parts:
        found[part.frame_sequence][part.part] = part
    return {sequence: list(parts_of.values()) for sequence, parts_of in found.items()}


def last_set(parts: Sequence[TrackPart]) -> list[TrackPart]:
    """Return the newest set of tracks; empty if there is none."""
    sets = sets_by_frame(parts)
    return sets[max(sets)] if sets else []


def confirmed_ids(part: TrackPart) -> set[str]:
    """Return the ids of the part's tracks that are confirmed and not lost."""
    return {own for own, confirmed in zip(part.track_ids, part.confirmed.tolist(), strict=True) if confirmed}


def _picture(scan: RecordedScan, truth: Truth, parts: Sequence[TrackPart]) -> Picture:
    """Return the contacts and the confirmed tracks that lie in the scan's coverage."""
    track_ids = [own for part in parts for own in part.track_ids]
    confirmed = np.concatenate([part.confirmed for part in parts])
    track_m = np.concatenate([part.position_m for part in parts])
    seen_truth, seen_track = scan.coverage.holds(truth.position_m), scan.coverage.holds(track_m) & confirmed
    return Picture(
        truth=Objects(list(compress(truth.contact_ids, seen_truth)), truth.position_m[seen_truth]),
        tracks=Objects(list(compress(track_ids, seen_track)), track_m[seen_track]),
    )


def _in_view(record: RunRecord) -> set[str]:
    seen: set[str] = set()
    for scan in record.scans:
        truth = record.truth.get(scan.tick)
        if truth is not None:
            inside = scan.coverage.holds(truth.position_m).tolist()
            seen.update(own for own, is_inside in zip(truth.contact_ids, inside, strict=True) if is_inside)
    return seen


def _named(numbers: Sequence[int]) -> str:
    more = len(numbers) - MAX_NAMED
    return ", ".join(map(str, numbers[:MAX_NAMED])) + (f" and {more} more" if more > 0 else "")
