import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from mesh.telemetry.logs import setup_logs

LOG = logging.getLogger("mesh.test_logs")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def logs(log_format: str = "json", level: str = "info", *, stream: io.StringIO | None = None) -> io.StringIO:
    stream = stream or io.StringIO()
    setup_logs("svc_test", log_format, level, stream)
    return stream


def only_line(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().removesuffix("\n").split("\n")
    found: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    return found


def fail(message: str) -> None:
    raise ValueError(message)


def test_an_event_is_one_json_object_with_its_fields() -> None:
    stream = logs()
    LOG.warning("held", extra={"feed": "world", "sequence": 7})
    line = only_line(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("time"))
    assert line == {
        "level": "warning",
        "service": "svc_test",
        "logger": "mesh.test_logs",
        "event": "held",
        "feed": "world",
        "sequence": 7,
    }


def test_newlines_do_not_break_a_line() -> None:
    stream = logs()
    LOG.info("one\ntwo\r\nthree", extra={"why": "four\nfive"})
    assert only_line(stream)["event"] == "one\ntwo\r\nthree"


def test_an_exception_is_a_field_of_the_same_line() -> None:
    stream = logs()
    try:
        fail("no\nsuch file")
    except ValueError:
        LOG.exception("failed")
    line = only_line(stream)
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no\nsuch file")


def test_a_line_within_a_span_carries_the_traces_id() -> None:
    stream = logs()
    with TracerProvider().get_tracer("test").start_as_current_span("work") as span:
        LOG.info("inside")
    line = only_line(stream)
    assert line["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert line["span_id"] == f"{span.get_span_context().span_id:016x}"


def test_outside_of_a_span_there_is_no_trace_id() -> None:
    stream = logs()
    LOG.info("outside")
    assert "trace_id" not in only_line(stream)


def circular() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize(
    "value", [float("nan"), [float("inf")], object(), b"\xff", {1, 2}, {(1, 2): 3}, circular(), "ж \u2028"]
)
def test_a_line_with_any_field_value_is_json(value: object) -> None:
    stream = logs()
    LOG.info("odd", extra={"value": value, "other": "plain"})
    line = only_line(stream)
    assert (line["event"], line["other"]) == ("odd", "plain")


def test_a_field_never_replaces_a_standard_field() -> None:
    stream = logs()
    LOG.info("mine", extra={"event": "theirs", "service": "theirs", "time": 0, "level": "theirs"})
    line = only_line(stream)
    assert (line["event"], line["service"], line["level"]) == ("mine", "svc_test", "info")


def test_output_to_a_terminal_is_readable_lines() -> None:
    stream = logs("auto", stream=Terminal())
    LOG.info("listening", extra={"grpc": "127.0.0.1:50051"})
    assert re.fullmatch(r"\d\d:\d\d:\d\d info    listening  grpc=127\.0\.0\.1:50051\n", stream.getvalue())


def test_output_to_anything_but_a_terminal_is_json() -> None:
    stream = logs("auto")
    LOG.info("listening")
    assert only_line(stream)["event"] == "listening"


def test_a_configured_format_wins_over_the_terminal() -> None:
    stream = logs("json", stream=Terminal())
    LOG.info("listening")
    assert only_line(stream)["event"] == "listening"


def test_readable_lines_show_an_exception_below() -> None:
    stream = logs("text")
    try:
        fail("no such file")
    except ValueError:
        LOG.exception("failed")
    assert stream.getvalue().splitlines()[-1] == "ValueError: no such file"


def test_lines_below_the_level_are_left_out() -> None:
    stream = logs(level="warning")
    LOG.info("quiet")
    assert stream.getvalue() == ""
