"""Logs: one event a line; JSON with the trace id for machines, readable text on a person's terminal."""

import json
import logging
import sys
import time
from typing import TextIO

from opentelemetry import trace

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields that the caller passed in `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, trace id if there is one, and the event's fields."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        whole, fraction = divmod(record.created, 1)
        line: dict[str, object] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int(fraction * 1e6):06d}Z",
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "event": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line |= {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}
        fields = fields_of(record)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return _to_json(line | fields | line)  # an event's field never replaces a standard one


def _to_json(line: dict[str, object]) -> str:
    try:
        return json.dumps(line, default=str, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError):  # a value that JSON cannot represent, such as NaN, is logged as text
        return json.dumps({key: str(value) for key, value in line.items()}, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A line for a person: time of day, level, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, followed by the exception if there is one."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields = " ".join(f"{key}={value}" for key, value in fields_of(record).items())
        line = f"{clock} {record.levelname.lower():7} {record.getMessage()}" + (f"  {fields}" if fields else "")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def setup_logs(service: str, log_format: str, level: str, stream: TextIO = sys.stderr) -> None:
    """Send this process's logs to the stream; `auto` is text on a terminal and JSON otherwise."""
    text = log_format == "text" or (log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if text else JsonFormatter(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
