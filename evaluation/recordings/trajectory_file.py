"""Trajectories as the table that the simulator reads: CSV, compressed if the name ends in .gz."""

import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from evaluation.recordings.errors import RecordingError
from evaluation.recordings.trajectories import Piece
from svc_sim.domain.contacts.trajectory import COLUMNS

SUFFIXES = (".csv", ".csv.gz")
PACKING = 6


def write_trajectories(path: Path, pieces: Sequence[Piece]) -> None:
    """Write the table, equal bytes for equal pieces, whole or not at all; raises `RecordingError`."""
    raw = trajectory_text(pieces).encode("ascii")
    if path.name.endswith(".gz"):
        packed = io.BytesIO()
        # The header contains neither name nor time: the same rows make the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=PACKING, mtime=0) as file:
            file.write(raw)
        raw = packed.getvalue()
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(raw)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise RecordingError(f"{path}: cannot be written: {error.strerror or error}") from None


def check_output(path: Path) -> None:
    """Raise `RecordingError` for a file name that the simulator would refuse."""
    if not path.name.endswith(SUFFIXES):
        raise RecordingError(f"{path}: the name should end in {' or '.join(SUFFIXES)}")


def trajectory_text(pieces: Sequence[Piece]) -> str:
    """Return the table in the order of time, then of icao24: centimetres and millimetres per second."""
    lines = sorted(_lines(pieces), key=lambda line: line[:2])
    return "\n".join([",".join(COLUMNS), *(line[2] for line in lines)]) + "\n"


def _lines(pieces: Sequence[Piece]) -> Iterator[tuple[int, str, str]]:
    for piece in pieces:
        rows = zip(piece.callsigns, piece.squawks, piece.states.tolist(), strict=True)
        for t_s, (callsign, squawk, state) in enumerate(rows, start=piece.start_s):
            texts = (_quoted(text) for text in (piece.icao24, callsign, squawk))
            yield t_s, piece.icao24, "%d,%s,%s,%s,%.2f,%.2f,%.2f,%.3f,%.3f,%.3f" % (t_s, *texts, *state)  # noqa: UP031


def _quoted(text: str) -> str:
    """Return a CSV field (RFC 4180): in quotes if it contains a comma or a quote."""
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if "," in text or '"' in text else text
