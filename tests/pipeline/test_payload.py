"""Payload figures against cases worked by hand."""

from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.pipeline.payload import mean_bytes, measure_payload, packed_bytes, symbols_of
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


def test_codecs_are_compared_on_the_same_indices() -> None:
    # A constant image of 8 x 8 x 1: LZW's k-th code stands for k symbols, so 64 symbols take the
    # codes of 1 to 10 symbols (55) and one of 9: 11 codes of 12 bits. Packed, 1 bit a symbol.
    indices = np.zeros((3, 8, 8, 1), np.uint8)
    sizes = mean_bytes(indices, 2, 1400, {"lzw": b"", "raw": b""})
    assert sizes == {"lzw": 17.0, "raw": 8.0}
