"""Import of a file of state vectors: trajectories, and a report of the outcome of every row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from evaluation.recordings.errors import NothingUsableError, RecordingError
from evaluation.recordings.geodesy import middle_deg
from evaluation.recordings.reading.cleaning import Kept, Rules, keep
from evaluation.recordings.reading.columns import Columns, choose_columns
from evaluation.recordings.reading.state_vectors import StateVectors, parse_state_vectors
from evaluation.recordings.reading.table import Table, read_table
from evaluation.recordings.report import ImportReport, Tally
from evaluation.recordings.trajectories import Piece, Progress, make_trajectories
from svc_sim.domain.contacts.trajectory import MAX_AIRCRAFT, MAX_ROWS


@dataclass(frozen=True, slots=True)
class Recording:
    """An imported recording: its pieces by aircraft and time, and the outcomes of its rows."""

    pieces: tuple[Piece, ...]
    report: ImportReport


def import_recording(path: Path, rules: Rules, columns: Sequence[str], progress: Progress) -> Recording:
    """Read state vectors and make trajectories of them; `columns` are as in `choose_columns`.

    Raises `RecordingError`, and its subclass `NothingUsableError` if no row is left.
    """
    progress(f"reading {path.name}", 0, 0)
    table = read_table(path)
    chosen = choose_columns(list(table.columns), columns)
    tally = Tally(table.numbers, {field: column.name for field, column in chosen.by_field.items()})
    for unread in table.unread:
        tally.reject_unread(unread.number, unread.value)
    progress(f"checking {len(table.numbers)} rows", 0, 0)
    vectors, kept = keep(parse_state_vectors(table, chosen, tally), rules, tally)
    if not len(kept.rows):
        raise NothingUsableError(_report_rows(table, chosen, tally))
    _check_size(vectors, kept)
    origin = rules.origin or (*middle_deg(vectors.latitude_deg[kept.rows], vectors.longitude_deg[kept.rows]), 0.0)
    pieces, gated = make_trajectories(vectors, kept, origin, rules.turn_velocities, progress)
    rows_out = sum(len(piece.states) for piece in pieces)
    report = replace(
        _report_rows(table, chosen, tally),
        aircraft=len({piece.icao24 for piece in pieces}),
        start_s=kept.start_s,
        duration_s=max(piece.start_s + len(piece.states) - 1.0 for piece in pieces),
        rows_out=rows_out,
        frozen=int(np.count_nonzero(~kept.fresh)),
        gated=gated,
        bridged_s=rows_out - len(kept.rows),
        origin_deg_m=origin,
    )
    return Recording(pieces, report)


def _check_size(vectors: StateVectors, kept: Kept) -> None:
    """Raise `RecordingError` if the result would exceed what a simulation reads, before it is computed."""
    second = np.floor(vectors.time_s[kept.rows])
    rows = sum(int(second[end - 1] - second[begin]) + 1 for begin, end in pairwise(kept.bounds.tolist()))
    aircraft = len({vectors.id[row] for row in kept.rows[kept.bounds[:-1]].tolist()})
    for count, limit, what in ((rows, MAX_ROWS, "rows"), (aircraft, MAX_AIRCRAFT, "aircraft")):
        if count > limit:
            raise RecordingError(
                f"{count} {what} would come out, more than {limit}: take a shorter window (--duration)"
            )


def _report_rows(table: Table, chosen: Columns, tally: Tally) -> ImportReport:
    return ImportReport(
        counted_in=table.counted_in,
        columns={field: str(column) for field, column in chosen.by_field.items()},
        ignored_columns=chosen.ignored,
        rows_in=len(table.numbers) + len(table.unread),
        rows_used=int(np.count_nonzero(tally.usable)),
        rejections=tally.rejections(),
    )
