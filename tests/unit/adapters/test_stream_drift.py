"""Differences between streams and their declaration, and the differences that an update may remove."""

import math

import pytest

from adapters.jetstream.topology.drift import Difference, diff, missing, overlaps, refusal, subjects_overlap
from declared import BUS, wanted_streams


def test_a_stream_as_declared_has_no_differences() -> None:
    wanted = wanted_streams()
    assert diff(wanted, wanted) == []
    assert missing(wanted, wanted) == []


def test_a_field_that_the_server_leaves_out_has_its_default() -> None:
    wanted = wanted_streams()
    actual = {
        name: {field: value for field, value in config.items() if value not in (False, None, 0)}
        for name, config in wanted.items()
    }
    assert diff(wanted, actual) == []


def test_the_order_of_subjects_does_not_matter() -> None:
    assert diff({"S": {"subjects": ["a", "b"]}}, {"S": {"subjects": ["b", "a"]}}) == []


def test_no_limit_has_two_spellings() -> None:
    assert diff({"S": {"max_msgs": -1, "max_age": 0}}, {"S": {"max_msgs": 0, "max_age": -1}}) == []


def test_a_difference_names_stream_field_and_both_values() -> None:
    assert diff({"S": {"max_bytes": 2}}, {"S": {"max_bytes": 1}}) == [Difference("S", "max_bytes", 2, 1)]


def test_missing_streams_are_named_in_order() -> None:
    assert missing({"B": {}, "A": {}, "C": {}}, {"A": {}}) == ["B", "C"]


@pytest.mark.parametrize(
    ("field", "wanted", "actual"),
    [
        ("max_msgs_per_subject", 10, 11),
        ("max_msgs_per_subject", 10, -1),
        ("max_bytes", 10, 11),
        ("max_bytes", 10, -1),
        ("max_age", 10, 0),
        ("max_age", 10, 11),
        ("subjects", ["a"], ["a", "b"]),
        ("num_replicas", 1, 3),
        ("storage", "file", "memory"),
        ("retention", "limits", "workqueue"),
        ("compression", "none", "s2"),
        ("sealed", False, True),
        ("mirror", None, {"name": "x"}),
        ("anything_unknown", 1, 2),
    ],
)
def test_a_change_that_may_lose_something_is_refused(field: str, wanted: object, actual: object) -> None:
    assert refusal(Difference("S", field, wanted, actual))


@pytest.mark.parametrize(
    ("field", "wanted", "actual"),
    [
        ("max_msgs_per_subject", 11, 10),
        ("max_bytes", -1, 10),
        ("max_age", 0, 10),
        ("subjects", ["a", "b"], ["a"]),
        ("num_replicas", 3, 1),
        ("discard", "new", "old"),
        ("duplicate_window", 1, 2),
        ("allow_atomic", True, False),
        ("allow_direct", True, False),
    ],
)
def test_a_change_that_loses_nothing_is_made(field: str, wanted: object, actual: object) -> None:
    assert refusal(Difference("S", field, wanted, actual)) is None


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "*.b", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.>", "a.*", True),
        (">", "a", True),
        ("*.b", "a.>", True),
        ("b.>", "a.>", False),
    ],
)
def test_two_patterns_overlap_where_one_subject_matches_both(first: str, second: str, answer: bool) -> None:
    assert subjects_overlap(first, second) is answer
    assert subjects_overlap(second, first) is answer


def test_no_two_declared_streams_share_a_subject() -> None:
    wanted = wanted_streams()
    assert overlaps(wanted, wanted) == []


def test_the_streams_are_those_of_the_bot_spec_with_its_limits() -> None:
    wanted = wanted_streams()
    assert list(wanted) == [stream.name for stream in BUS.streams]
    for stream in BUS.streams:
        config = wanted[stream.name]
        assert config["subjects"] == list(stream.subjects)
        assert config["max_bytes"] == stream.max_bytes
        assert config["max_msgs_per_subject"] == (stream.max_msgs_per_subject or -1)
        assert config["max_age"] == (stream.max_age_s or 0) * 10**9
        assert config["duplicate_window"] == stream.duplicate_window_s * 10**9


def test_a_stream_with_a_channel_takes_atomic_batches_and_is_never_trimmed_by_age() -> None:
    assert BUS.bridged_streams == {"QIKI_SIM_V1", "QIKI_RADAR_V1", "QIKI_EVENTS_V1"}
    for name, config in wanted_streams().items():
        assert config["allow_atomic"] is (name in BUS.bridged_streams)
        if name in BUS.bridged_streams:
            assert (config["max_age"], config["max_msgs"], config["discard"]) == (0, -1, "new")
            assert isinstance(config["max_msgs_per_subject"], int)
            assert config["max_msgs_per_subject"] > 0


def test_a_small_disk_keeps_at_least_one_message() -> None:
    assert wanted_streams(1e-12)["QIKI_SIM_V1"]["max_msgs_per_subject"] == 1


@pytest.mark.parametrize("size_factor", [0.0, -1.0, math.nan, math.inf, 1001.0])
def test_an_invalid_size_factor_is_refused(size_factor: float) -> None:
    with pytest.raises(ValueError, match="size_factor"):
        wanted_streams(size_factor)


@pytest.mark.parametrize("num_replicas", [0, 2, 4, -1])
def test_a_number_of_replicas_without_a_majority_is_refused(num_replicas: int) -> None:
    with pytest.raises(ValueError, match="num_replicas"):
        wanted_streams(num_replicas=num_replicas)
