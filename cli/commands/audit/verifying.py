"""`qiki audit verify`: the verification with its progress, and its result in sentences."""

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.errors import CliError, UsageError
from svc_registrar.domain.notes import Checkpoint, NoteError, Verifier
from svc_registrar.log.identity import DIRECTORY, SEGMENTS
from svc_registrar.verify.finding import Report
from svc_registrar.verify.verify import Task, expected_records, own_key, verify


def run_verify(directory: Path, key: str | None, kept: list[Path]) -> int:
    """Verify the directory's log and print the result; return the exit status.

    Raises:
        UsageError: the directory, the key or a kept checkpoint cannot be used.
        CliError: a file cannot be read.
    """
    if not (directory / SEGMENTS).exists() and (directory / DIRECTORY / SEGMENTS).exists():
        directory = directory / DIRECTORY
    verifier = load_key(key, directory)
    checkpoints = [load_checkpoint(path, verifier) for path in kept]
    try:
        report = _with_progress(directory, verifier, checkpoints)
    except OSError as error:
        raise CliError(f"{error.filename or directory} cannot be read: {error.strerror or error}") from error
    if key is None:
        report.notes.append("the key was taken from the log's own directory: give yours with --key")
    _print(report)
    return int(report.finding.kind) if report.finding else 0


def load_key(key: str | None, directory: Path | None) -> Verifier:
    """Return the key that was given as a file or as text, or the one beside the log; raises UsageError."""
    try:
        if key is not None:
            path = Path(key)
            return Verifier.parse(path.read_text(encoding="ascii") if path.is_file() else key)
        if directory is not None:
            return own_key(directory)
    except NoteError as error:
        raise UsageError(f"--key: {error}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{directory or key} is no log's directory with a key: {error}") from error
    raise UsageError("--key is missing: give the log's public key, as a file or as text")


def load_checkpoint(path: Path, verifier: Verifier) -> Checkpoint:
    """Return the checkpoint of a file with a signed note; raises UsageError."""
    try:
        return verifier.open(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--checkpoint: {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--checkpoint: {path}: {error}") from error


def _with_progress(directory: Path, verifier: Verifier, kept: list[Checkpoint]) -> Report:
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        bar = progress.add_task("", total=expected_records(directory))
        task = Task(directory, verifier, kept, lambda records: progress.update(bar, completed=records))
        return verify(task)


def _print(report: Report) -> None:
    for note in report.notes:
        print(f"note: {note}")
    if report.finding is not None:
        kind = report.finding.kind.name.lower().replace("_", " ")
        where = f"record {report.finding.index}: " if report.finding.index else ""
        print(f"{kind}: {where}{report.finding.text}")
        print(f"the records up to {report.proved} are as they were signed")
        return
    print(f"verified: {report.proved} records by {report.checkpoints} checkpoints; after them {report.unproved} more")
    if report.unfinished_bytes:
        print(f"note: {report.unfinished_bytes} bytes of an unfinished write at the end, for which there is no receipt")
