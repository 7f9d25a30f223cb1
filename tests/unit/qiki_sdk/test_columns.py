"""Columns written from memory equal those that protobuf writes; detections are read alike in both layouts."""

from array import array
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiki.common.v1.contact_pb2 import TransponderMode
from qiki.radar.v1.radar_pb2 import DetectionColumns, RadarDetection, RadarFrame, RadarRangeBand
from qiki_sdk.columns import detection_columns, extend


@given(st.lists(st.floats(), max_size=300), st.lists(st.floats(), max_size=3))
def test_columns_written_from_memory_equal_those_written_by_extend(first: list[float], more: list[float]) -> None:
    ours, plain = DetectionColumns(), DetectionColumns()
    extend(ours, range_m=np.array(first), vr_sigma_mps=array("d", more))
    extend(ours, range_m=np.array(more))
    plain.range_m.extend([*first, *more])
    plain.vr_sigma_mps.extend(more)
    assert ours.SerializeToString() == plain.SerializeToString()


def test_an_array_of_any_memory_layout_is_written_in_index_order() -> None:
    matrix = np.arange(12.0).reshape(3, 4)
    columns = DetectionColumns()
    extend(columns, range_m=matrix.T, bearing_deg=matrix[::-1, ::2])
    assert list(columns.range_m) == matrix.T.ravel().tolist()
    assert list(columns.bearing_deg) == matrix[::-1, ::2].ravel().tolist()


@given(st.lists(st.integers(0, 127), max_size=300))
def test_small_integers_and_booleans_are_written_from_bytes(numbers: list[int]) -> None:
    ours, plain = DetectionColumns(), DetectionColumns()
    truths = [number > 60 for number in numbers]
    extend(ours, transponder_mode=bytes(numbers), transponder_on=np.array(truths, np.bool_))
    extend(ours, id_present=np.array(truths, np.uint8)[::-1])
    plain.transponder_mode.extend(numbers)  # type: ignore[arg-type]  # unknown numbers are kept as well
    plain.transponder_on.extend(truths)
    plain.id_present.extend(truths[::-1])
    assert ours.SerializeToString() == plain.SerializeToString()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"nothing": array("d")}, "nothing is no packed column"),
        ({"range_band": array("d")}, "range_band is no packed column"),
        ({"transponder_id": b""}, "transponder_id is no packed column"),
        ({"transponder_on": array("d")}, "transponder_on must be given as bytes below 128"),
        ({"transponder_mode": np.arange(3)}, "transponder_mode must be given as bytes below 128"),
        ({"transponder_mode": b"\x01\x80"}, "transponder_mode must be given as bytes below 128"),
        ({"range_m": array("f", [1.0])}, "range_m must be given as doubles"),
        ({"range_m": np.arange(3)}, "range_m must be given as doubles"),
        ({"range_m": [1.0]}, "bytes-like"),
    ],
)
def test_an_invalid_column_or_array_type_is_refused_and_nothing_is_written(values: dict[str, Any], why: str) -> None:
    columns = DetectionColumns()
    with pytest.raises(TypeError, match=why):
        extend(columns, bearing_deg=array("d", [1.0]), **values)
    assert columns == DetectionColumns()


def test_detections_received_as_messages_are_converted_to_columns() -> None:
    frame = RadarFrame(
        detections=[
            RadarDetection(range_m=10.0, bearing_deg=1.0, range_band=RadarRangeBand.RADAR_RANGE_BAND_SR),
            RadarDetection(
                range_m=20.0,
                vr_mps=-3.0,
                transponder_on=True,
                transponder_mode=TransponderMode.TRANSPONDER_MODE_ON,
                transponder_id="A",
                id_present=True,
                range_sigma_m=4.0,
            ),
        ]
    )
    columns = detection_columns(frame)
    assert columns == DetectionColumns(
        range_m=[10.0, 20.0],
        bearing_deg=[1.0, 0.0],
        elev_deg=[0.0, 0.0],
        vr_mps=[0.0, -3.0],
        snr_db=[0.0, 0.0],
        rcs_dbsm=[0.0, 0.0],
        transponder_on=[False, True],
        transponder_mode=[TransponderMode.TRANSPONDER_MODE_UNSPECIFIED, TransponderMode.TRANSPONDER_MODE_ON],
        transponder_id=["", "A"],
        id_present=[False, True],
        range_band=RadarRangeBand.RADAR_RANGE_BAND_SR,
        range_sigma_m=[0.0, 4.0],
    )


def test_detections_received_as_columns_are_returned_unchanged() -> None:
    frame = RadarFrame(detection_columns=DetectionColumns(range_m=[1.0]))
    assert detection_columns(frame) is frame.detection_columns


def test_a_frame_without_detections_has_empty_columns() -> None:
    assert detection_columns(RadarFrame()) == DetectionColumns()
