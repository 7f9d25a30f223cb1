"""Errors of a recording as a whole; errors of single rows are counted in the report."""

from evaluation.recordings.report import ImportReport


class RecordingError(Exception):
    """A recording that cannot be read, made or written; the text names it and the remedy."""


class NothingUsableError(RecordingError):
    """Every row was rejected or excluded; `report` gives the reasons."""

    def __init__(self, report: ImportReport) -> None:
        self.report = report
        super().__init__(f"nothing usable in {report.rows_in} rows")
