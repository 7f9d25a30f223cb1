"""Report of a run as text lines."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from cli.demo.score import GOSPA_ALPHA, GOSPA_C_M, GOSPA_P, Score
from cli.demo.statistics import WARM_UP_SCANS, DemoStatistics, Latency, RadarStatistics

LABEL_WIDTH = 14
LINE_WIDTH = 100
SAME_IN_PLURAL = ("aircraft", "debris", "unknown")
NO_SCORE = f"not known: it takes more than {WARM_UP_SCANS} scans"


def report_lines(name: str, found: DemoStatistics) -> list[str]:
    """Return the report of the run of the scenario of this name, one or more lines per fact."""
    facts: tuple[tuple[str, Iterable[str]], ...] = (
        ("simulated", [f"{found.simulated_s:.0f} s of {name} in {found.wall_s:.1f} s: {speed_text(found)}"]),
        ("in the world", [f"{contacts_text(found.contacts)}; {found.in_view} of them in view of a radar"]),
        ("scans", [", ".join(f"{radar.scans} of {radar.name}" for radar in found.radars) or "none"]),
        ("detections", [_detections_text(found.radars)]),
        ("tracks", [f"{found.confirmed} confirmed, {found.live} of them at the end"]),
        ("GOSPA", _score_lines(found.score)),
        ("SIAP", _siap_lines(found.score)),
        ("track ids", _identity_lines(found.score)),
        ("latency", _latency_lines(found.latency)),
        ("audit events", _wrapped([f"{code} {name} x {count}" for (code, name), count in found.audit.items()])),
    )
    return list(chain.from_iterable(_labelled(label, lines) for label, lines in facts))


def checked_lines(checked: Mapping[str, int]) -> list[str]:
    """Return the number of messages checked, and of events recomputed."""
    messages = _counted(checked["message"], "message")
    again = [_counted(count, what) for what, count in checked.items() if what != "message"]
    lines = [f"{messages}: headers, ids, order, and each payload by the digest in its resume token"]
    if again:
        lines.append(f"{' and '.join(again)} computed again from the stored frames, and compared")
    return list(_labelled("checked", lines))


def speed_text(found: DemoStatistics) -> str:
    """Return the speed of the run."""
    return f"{found.speed:.1f} times real time" if found.speed > 0.0 else "nothing ran"


def contacts_text(contacts: Mapping[str, int]) -> str:
    """Return the number of contacts of each kind, in the given order."""
    return ", ".join(_counted(count, kind) for kind, count in contacts.items()) or "none"


def title_text(name: str, found: DemoStatistics) -> str:
    """Return the run's name and size."""
    kinds = found.contacts if len(found.contacts) == 1 else {"contact": sum(found.contacts.values())}
    return f"{name}: {contacts_text(kinds)}, {found.simulated_s:.0f} s"


def score_text(score: Score) -> str:
    """Return the GOSPA with its parameters."""
    return f"{score.total_m:.0f} m (c = {GOSPA_C_M:g} m, p = {GOSPA_P:g}, alpha = {GOSPA_ALPHA:g})"


def _counted(count: int, kind: str, plural: str | None = None) -> str:
    return f"{count} {kind}" if count == 1 or kind in SAME_IN_PLURAL else f"{count} {plural or f'{kind}s'}"


def _detections_text(radars: Sequence[RadarStatistics]) -> str:
    each = ", ".join(
        f"{radar.detections} of {radar.name} ({radar.detections / radar.scans:.1f} a scan)"
        for radar in radars
        if radar.scans
    )
    return f"{sum(radar.detections for radar in radars)}: {each}" if each else "none"


def _score_lines(score: Score | None) -> Iterator[str]:
    if score is None:
        yield NO_SCORE
        return
    yield score_text(score)
    yield (
        f"parts: localisation {score.localisation_m:.0f} m, missed {score.missed_m:.0f} m, "
        f"false {score.false_m:.0f} m (their squares add up)"
    )
    yield f"a scan: {score.followed:.1f} followed, {score.missed:.2f} missed, {score.false:.2f} false"
    yield (
        f"root mean square over {score.scans} scans of {score.radar}, the first {WARM_UP_SCANS} left out; "
        "confirmed tracks"
    )
    yield "against the world's contacts at the end of the scan, both where that radar sees"


def _siap_lines(score: Score | None) -> Iterator[str]:
    if score is None:
        yield NO_SCORE
        return
    yield (
        f"completeness {_share(score.completeness)}, ambiguity {_share(score.ambiguity)}, "
        f"spuriousness {_share(score.spuriousness)} (best: 1, 1, 0)"
    )
    yield "the share of contacts with a track, tracks for each of these, the share of tracks without a contact;"
    yield f"over the same scans, each track being that of the nearest contact within {GOSPA_C_M:g} m"


def _identity_lines(score: Score | None) -> Iterator[str]:
    if score is None:
        yield NO_SCORE
        return
    yield (
        f"{_counted(score.switches, 'switch', 'switches')} of a contact's track, "
        f"{_counted(score.breaks, 'break')} after which one was followed again; over the same scans"
    )


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _latency_lines(latency: Latency | None) -> Iterator[str]:
    if latency is None:
        yield "not known: no frame has tracks"
        return
    yield f"p50 {latency.p50_s * 1e3:.0f} ms, p99 {latency.p99_s * 1e3:.0f} ms over {latency.frames} frames"
    yield "wall clock from a frame's production, at the end of its scan (ce-recordedtime), to JetStream's storing"
    yield "the last part of its tracks; waiting in queues counts: the faster the run, the more (try --speed 20)"


def _wrapped(words: Sequence[str]) -> Iterator[str]:
    """Yield the words, separated by commas, in lines within the width."""
    line = ""
    for word in words:
        longer = f"{line}, {word}" if line else word
        if line and len(longer) > LINE_WIDTH:
            yield f"{line},"
            longer = word
        line = longer
    yield line or "none"


def _labelled(label: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"{'' if number else label:{LABEL_WIDTH}}{line}"
