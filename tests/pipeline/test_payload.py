"""Payload figures against cases worked by hand."""

from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.pipeline.payload import measure_payload, packed_bytes, symbols_of
from agilenn_cc.spec import load_spec

SPEC = """\
name: tiny
dataset: {name: digits}
network:
  extractor: conv 4 3x3 relu6
  remote: |
    gap
    dense classes
split: {top: 2}
payload: {levels: 4, codec: raw}
"""


def test_symbols_leave_row_by_row_and_planar_within_a_row() -> None:
    # Two rows, three columns, two channels; value = 100 y + 10 channel + x.
    y, x, channel = np.ogrid[:2, :3, :2]
    indices = (100 * y + 10 * channel + x).astype(np.uint8)[None]
    assert symbols_of(indices).tolist() == [[0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112]]


@pytest.mark.parametrize(
    ("symbols", "levels", "expected"), [(8, 2, 1), (9, 2, 2), (1216, 8, 456), (3, 5, 2)]
)
def test_packed_bytes(symbols: int, levels: int, expected: int) -> None:
    assert packed_bytes(symbols, levels) == expected


def test_raw_codec_measures_the_packed_size(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    indices = np.random.default_rng(0).integers(0, 4, (5, 8, 8, 2), dtype=np.uint8)
    payload = measure_payload(load_spec(path), indices)
    assert payload.symbols == 128
    assert payload.bytes_mean == payload.bytes_p95 == payload.bytes_raw == 32
    assert payload.fragments_mean == 1
