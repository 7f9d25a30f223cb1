"""Records of a log: any damage to what was durable is distinguished from an unfinished write."""

import os
from io import BytesIO

import pytest

from damage import flips
from mesh.storage.log_records import SEARCH_BYTES, RecordLayout, later_record, whole_records

# As the simulator's journal, each record durable before the next, and as the registrar's log, several a write.
ALONE = RecordLayout(b"\xf5\xffTA", "Q", durable_field=0, min_body_bytes=1, max_body_bytes=500, at_durable_end=True)
BATCHES = RecordLayout(b"\xf5\xffTB", "Qq", durable_field=0, min_body_bytes=0, max_body_bytes=500)
BODIES = [b"one", b"two" * 50, b"three", b"four" * 30]


def alone() -> list[bytes]:
    """Return records each of which was durable before the next."""
    found: list[bytes] = []
    for body in BODIES:
        found.append(ALONE.encode(body, sum(map(len, found))))
    return found


def batches() -> list[bytes]:
    """Return records, the last two of which were written together."""
    found: list[bytes] = []
    for number, body in enumerate(BODIES):
        found.append(BATCHES.encode(body, sum(map(len, found[:2] if number > 1 else found)), number))
    return found


def read(layout: RecordLayout, data: bytes) -> tuple[list[bytes], int]:
    """Return the bodies of the whole records, and where the last of them ends."""
    found = list(whole_records(BytesIO(data), layout))
    end = found[-1].offset + layout.header_bytes + len(found[-1].body) if found else 0
    return [record.body for record in found], end


@pytest.mark.parametrize(("layout", "records"), [(ALONE, alone()), (BATCHES, batches())])
def test_a_log_cut_anywhere_yields_its_whole_records_and_the_rest_is_an_unfinished_write(
    layout: RecordLayout, records: list[bytes]
) -> None:
    data = b"".join(records)
    ends = [len(b"".join(records[:count])) for count in range(len(records) + 1)]
    for length in range(len(data) + 1):
        whole = sum(end <= length for end in ends) - 1
        assert read(layout, data[:length]) == (BODIES[:whole], ends[whole])
        assert later_record(BytesIO(data[:length]), layout, ends[whole], length) is None


@pytest.mark.parametrize(("layout", "records", "durable"), [(ALONE, alone(), 3), (BATCHES, batches(), 2)])
def test_a_changed_bit_ends_the_reading_and_a_later_write_proves_that_it_is_damage(
    layout: RecordLayout, records: list[bytes], durable: int
) -> None:
    """The first `durable` records were durable before another was written; in the last write nothing is proved."""
    data = b"".join(records)
    starts = [len(b"".join(records[:count])) for count in range(len(records))]
    for place, damaged in flips(data, bits=1):
        hit = max(number for number, start in enumerate(starts) if start <= place)
        bodies, end = read(layout, damaged)
        assert (bodies, end) == (BODIES[:hit], starts[hit])
        assert (later_record(BytesIO(damaged), layout, end, len(data)) is not None) == (hit < durable)


def test_a_record_that_was_durable_alone_counts_at_its_own_offset_only() -> None:
    data = b"".join(alone())
    moved = ALONE.encode(b"of another place", len(alone()[0]))
    for tail in (moved, b"\x00" + moved):
        assert read(ALONE, data + tail) == (BODIES, len(data))
        assert later_record(BytesIO(data + tail), ALONE, len(data), len(data + tail)) is None


@pytest.mark.parametrize("skipped", [1, SEARCH_BYTES - 30, SEARCH_BYTES, 3 * SEARCH_BYTES + 7])
@pytest.mark.parametrize("layout", [ALONE, BATCHES])
def test_the_proof_is_found_however_far_away_it_is(layout: RecordLayout, skipped: int) -> None:
    noise = os.urandom(skipped)
    fields = (skipped,) if layout is ALONE else (skipped, 7)
    data = noise + layout.encode(b"later", *fields)
    found = later_record(BytesIO(data), layout, 0, len(data))
    assert found is not None
    assert (found.offset, found.body) == (skipped, b"later")


def test_a_body_beyond_the_bounds_is_neither_written_nor_read() -> None:
    for layout, body in ((ALONE, b""), (ALONE, bytes(501)), (BATCHES, bytes(501))):
        with pytest.raises(ValueError, match=f"a record of {len(body)} bytes, . to 500 are possible"):
            layout.encode(body, *([0] if layout is ALONE else [0, 0]))
    wider = RecordLayout(b"\xf5\xffTB", "Qq", durable_field=0, min_body_bytes=0, max_body_bytes=501)
    assert read(BATCHES, wider.encode(bytes(501), 0, 0)) == ([], 0)
