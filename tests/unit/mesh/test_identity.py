import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.feeds import identity
from mesh.feeds.identity import event_id, source, traceparent

RUN_ID = "0b6e1c1e-0000-4000-8000-0000000000aa"
FEEDS = st.sampled_from(("world", "sensors", "frames", "tracks"))
PLACES = st.tuples(st.uuids(), FEEDS, st.integers(1, 2**40))


# Readers recognise a repetition by these values, also one that another version of the mesh computes: they never change.
@pytest.mark.parametrize(
    ("feed", "sequence", "expected"),
    [
        ("world", 1, "3c9860d2-2c51-5007-8592-b8a0637b15e4"),
        ("world", 2, "751ad294-49a5-5a47-83a0-0abeeeea7162"),
        ("frames", 1, "c69556a2-5379-5191-b41e-3a808a8162f8"),
        ("sensors", 18_446_744_073_709_551_615, "6a964242-3983-580e-a86e-6c4e35b55905"),
    ],
)
def test_the_id_of_an_event_never_changes(feed: str, sequence: int, expected: str) -> None:
    assert event_id(RUN_ID, feed, sequence) == expected


@pytest.mark.parametrize(
    ("tick", "feed", "sequence", "expected"),
    [
        (20, "world", 10, "00-2ac18122559770edd951c80e1b70d1ae-fccd9e3671097e75-01"),
        (20, "frames", 2, "00-2ac18122559770edd951c80e1b70d1ae-3db0d74c59405245-01"),
        (0, "world", 1, "00-a0d6b58e89e43e85aaa21ed2273c9965-d6210c9b61d0aa64-01"),
    ],
)
def test_the_trace_of_an_event_never_changes(tick: int, feed: str, sequence: int, expected: str) -> None:
    assert traceparent(RUN_ID, tick, feed, sequence) == expected


def test_the_source_names_bot_run_and_feed() -> None:
    assert source("qiki-01", RUN_ID, "frames") == f"/qiki/qiki-01/{RUN_ID}/frames"


def test_an_id_is_a_uuid_of_version_5_in_the_runs_namespace() -> None:
    digest = hashlib.sha1(uuid.UUID(RUN_ID).bytes + b"world/7").digest()  # RFC 9562, section 5.5
    assert event_id(RUN_ID, "world", 7) == str(uuid.UUID(bytes=digest[:16], version=5))


def test_events_of_one_tick_share_a_trace_and_have_different_spans() -> None:
    version, trace, span, flags = traceparent(RUN_ID, 20, "world", 10).split("-")
    _, other_trace, other_span, _ = traceparent(RUN_ID, 20, "frames", 2).split("-")
    assert (version, trace, flags) == ("00", other_trace, "01")
    assert span != other_span
    assert (len(trace), len(span)) == (32, 16)


@given(PLACES, PLACES)
def test_events_at_different_positions_have_different_ids(
    one: tuple[uuid.UUID, str, int], other: tuple[uuid.UUID, str, int]
) -> None:
    ids = {event_id(str(run_id), feed, sequence) for run_id, feed, sequence in (one, other)}
    assert (len(ids) == 1) == (one == other)


def test_a_run_whose_id_is_no_uuid_has_no_event_ids() -> None:
    with pytest.raises(ValueError, match="badly formed"):
        event_id("run-1", "world", 1)


def test_a_caused_event_is_a_span_of_its_own_in_the_trace_of_its_cause() -> None:
    cause = identity.traceparent(RUN_ID, 7, "frames", 3, "00")
    caused = identity.caused_traceparent(cause, "log/audit", 5)
    assert caused.split("-")[1] == cause.split("-")[1]
    assert caused.split("-")[2] != cause.split("-")[2]
    assert caused.endswith("-00"), "not sampled, as its cause"
    assert (
        caused
        == identity.caused_traceparent(cause, "log/audit", 5)
        != identity.caused_traceparent(cause, "log/audit", 6)
    )


def test_the_tick_is_the_root_of_the_trace_of_its_events() -> None:
    tick, event = identity.tick_traceparent(RUN_ID, 7), identity.traceparent(RUN_ID, 7, "world", 3)
    assert tick.split("-")[1] == event.split("-")[1] == identity.trace_id(RUN_ID, 7)
    assert tick.split("-")[2] != event.split("-")[2]
