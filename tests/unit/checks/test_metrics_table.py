import pytest

from checks.marked_table import BEGIN, END, with_table
from checks.metrics_table import MetricFact, table

COMMON = MetricFact("qiki_audit_waiting_events", "gauge", (), "Events that wait.")
TICKS = MetricFact("qiki_sim_tick_duration_seconds", "histogram", (), "Time of a tick.")
FEED = MetricFact("qiki_feed_ring_bytes", "gauge", ("feed",), "Bytes kept.")


def test_the_table_lists_what_all_export_first_and_names_the_services_of_the_rest() -> None:
    rows = table({"simulator": [TICKS, FEED, COMMON], "radar": [FEED, COMMON], "bridge": [COMMON]}).splitlines()[2:]
    assert rows == [
        "| `qiki_audit_waiting_events` | gauge |  | events | Events that wait. | all |",
        "| `qiki_feed_ring_bytes` | gauge | `feed` | bytes | Bytes kept. | simulator, radar |",
        "| `qiki_sim_tick_duration_seconds` | histogram |  | seconds | Time of a tick. | simulator |",
    ]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("qiki_feed_newest_event_timestamp_seconds", "seconds since 1970"),
        ("qiki_bridge_published_messages_total", "messages"),
        ("qiki_feed_ring_occupancy_ratio", "ratio"),
        ("qiki_sim_phase", ""),
    ],
)
def test_the_unit_is_what_the_name_ends_with(name: str, unit: str) -> None:
    assert MetricFact(name, "gauge", (), "").unit == unit


def test_only_the_lines_between_the_marks_are_replaced() -> None:
    document = f"# Metrics\n{BEGIN}old\n{END}the end\n"
    assert with_table(document, "new\n") == f"# Metrics\n{BEGIN}new\n{END}the end\n"
    with pytest.raises(ValueError, match="marks"):
        with_table("# Metrics\n", "new\n")
