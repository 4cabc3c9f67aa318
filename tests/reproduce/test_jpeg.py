"""Bytes of JPEG scans against another parser, images against Pillow, LZW against its encoder."""

from __future__ import annotations

import io
import re

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from agilenn_cc.codec import get_codec
from agilenn_cc.reproduce.jpeg import (
    encode,
    lzw_bytes,
    png_bytes,
    scan_bytes,
    transmit,
    transmit_each,
)


def pictures(count: int, side: int, channels: int) -> npt.NDArray[np.uint8]:
    random = np.random.default_rng(5)
    rows = np.linspace(0, 200, side)[None, :, None, None]
    noise = random.integers(0, 40, (count, side, side, channels))
    return (rows + noise).astype(np.uint8)


def scan_by_search(file: bytes) -> bytes:
    """Find the scan without walking the segments: entropy-coded data holds no marker but 0xFF00."""
    found = re.search(rb"\xff\xda..(?P<scan>(?:[^\xff]|\xff\x00)*)\xff\xd9\Z", file, re.DOTALL)
    assert found is not None
    scan = found["scan"]
    parameters = 1 + 2 * scan[0] + 3  # Ns, a selector pair a component, Ss, Se, Ah/Al
    return scan[parameters:]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [5, 30, 90])
def test_the_scan_is_what_a_search_for_markers_finds(channels: int, quality: int) -> None:
    for image in pictures(6, 32, channels):
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        file = encode(picture, quality)
        assert scan_bytes(file) == len(scan_by_search(file))


def test_headers_of_colour_files_are_as_long_as_the_standard_tables_make_them() -> None:
    file = encode(Image.fromarray(pictures(1, 32, 3)[0]), 50)
    # T.81 annex K: 2 quantisation tables of 64 + 1 and 4 Huffman tables of 28, 178, 28, 178 + 1.
    tables = 2 * (64 + 1) + (28 + 178) * 2 + 4
    assert 0 < len(file) - scan_bytes(file) - tables < 80


@pytest.mark.parametrize("damage", [b"", b"\xff\xd8\xff\xd9", b"GIF89a\xff\xd9"])
def test_what_is_no_jpeg_is_refused(damage: bytes) -> None:
    with pytest.raises(ValueError, match="JPEG"):
        scan_bytes(damage)


def test_images_arrive_as_pillow_decodes_them() -> None:
    images = pictures(3, 16, 3)
    sent = transmit(images, 40)
    for image, received, size in zip(images, sent.images, sent.files, strict=True):
        data = io.BytesIO()
        Image.fromarray(image).save(data, "JPEG", quality=40, subsampling=2)
        assert len(data.getvalue()) == size
        assert np.array_equal(np.asarray(Image.open(data)), received)


def test_quality_zero_sends_the_image_itself() -> None:
    images = pictures(4, 8, 1)
    sent = transmit_each(images, np.array([0, 0, 50, 0]))
    assert np.array_equal(sent.images[[0, 1, 3]], images[[0, 1, 3]])
    assert list(sent.scans[[0, 1, 3]]) == [64, 64, 64]
    assert not np.array_equal(sent.images[2], images[2])


def test_half_size_sends_block_means() -> None:
    flat = np.repeat(np.repeat(np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1) * 8, 2, 1), 2, 2)
    sent = transmit(flat, 0, half=True)
    assert sent.images.shape == flat.shape
    assert list(sent.scans) == [16]
    assert abs(sent.images.astype(int) - flat).mean() < 8  # bilinear between the block's values


def test_png_is_a_whole_file() -> None:
    image = pictures(1, 16, 3)[0]
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG", optimize=True)
    assert png_bytes(image) == len(data.getvalue())


def test_lzw_of_the_well_known_sequence() -> None:
    # T. Welch's example as usually printed: 24 letters become 16 codes of 12 bits.
    assert lzw_bytes(b"TOBEORNOTTOBEORTOBEORNOT") == 16 * 12 // 8
    assert lzw_bytes(b"") == 0


@given(st.binary(min_size=1, max_size=600).map(lambda data: bytes(value % 255 for value in data)))
def test_lzw_is_as_long_as_the_devices_encoder_makes_it(data: bytes) -> None:
    symbols = np.frombuffer(data, np.uint8)
    fragments = get_codec("lzw").encode(symbols, 255, 1400)
    assert lzw_bytes(data) == sum(len(part.payload) for part in fragments)
