"""What can be wrong with a recording as a whole; what is wrong with single rows is counted in the report."""

from evaluation.recordings.report import ImportReport


class RecordingError(Exception):
    """A recording that cannot be read, made or written; the text says which and what to do."""


class NothingUsableError(RecordingError):
    """Every row was refused or left out; `report` says why."""

    def __init__(self, report: ImportReport) -> None:
        self.report = report
        super().__init__(f"nothing usable in {report.rows_in} rows")
