"""Baselines that send the image itself: JPEG, PNG, and raw pixels under LZW, in bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

_SCAN, _END = 0xDA, 0xD9
_STANDALONE = frozenset((0x01, 0xD8, *range(0xD0, 0xD8)))  # TEM, SOI, RST0-7: no length follows
LZW_BITS, LZW_CODES = 12, 4096


@dataclass(frozen=True)
class Transmitted:
    """Images as the other side gets them, uint8 [N, H, W, C], and what each weighed in bytes.

    `scans` counts the entropy-coded data alone, as if both sides shared quantisation and Huffman
    tables and the picture's size; `files` whole files.
    """

    images: npt.NDArray[np.uint8]
    scans: npt.NDArray[np.int64]
    files: npt.NDArray[np.int64]


def _picture(image: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def encode(picture: Image.Image, quality: int) -> bytes:
    """Return a baseline JPEG with the standard's example Huffman tables; colour is 4:2:0."""
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality, subsampling="4:2:0", optimize=False)
    return data.getvalue()


def scan_bytes(file: bytes) -> int:
    """Return the length of a JPEG's entropy-coded data: what follows the scan header, up to EOI.

    Raises `ValueError` for what is no JPEG file of one scan (ITU-T T.81, annex B).
    """
    if file[:2] != b"\xff\xd8" or file[-2:] != bytes((0xFF, _END)):
        raise ValueError("not a whole JPEG file")
    at = 2
    while at + 4 <= len(file) and file[at] == 0xFF:
        marker = file[at + 1]
        if marker in _STANDALONE:
            at += 2
            continue
        length = int.from_bytes(file[at + 2 : at + 4], "big")
        at += 2 + length
        if marker == _SCAN:
            return len(file) - 2 - at
    raise ValueError("a JPEG file without a scan")


def transmit(images: npt.NDArray[np.uint8], quality: int, half: bool = False) -> Transmitted:
    """Send uint8 images [N, H, W, C] as JPEG of one quality; see `transmit_each`."""
    return transmit_each(images, np.full(len(images), quality), half)


def transmit_each(
    images: npt.NDArray[np.uint8], qualities: npt.NDArray[np.int64], half: bool = False
) -> Transmitted:
    """Send image n as JPEG of `qualities[n]`; at `half` size it is scaled down before (area mean)

    and up again behind the decoder (bilinear). Quality 0 stands for an image sent as it is, with
    its raw size.
    """
    received = np.empty_like(images)
    sizes = np.zeros((2, len(images)), np.int64)
    for index, (image, quality) in enumerate(zip(images, qualities, strict=True)):
        picture = _picture(image)
        if half:
            small = (max(1, picture.width // 2), max(1, picture.height // 2))
            picture = picture.resize(small, Image.Resampling.BOX)
        if quality:
            file = encode(picture, int(quality))
            sizes[:, index] = scan_bytes(file), len(file)
            picture = Image.open(io.BytesIO(file))
        else:
            sizes[:, index] = picture.width * picture.height * image.shape[-1]
        if half:
            picture = picture.resize(image.shape[1::-1], Image.Resampling.BILINEAR)
        received[index] = np.asarray(picture).reshape(image.shape)
    return Transmitted(received, sizes[0], sizes[1])


def png_bytes(image: npt.NDArray[np.uint8]) -> int:
    """Return the size of the image uint8 [H, W, C] as an optimised PNG file."""
    data = io.BytesIO()
    _picture(image).save(data, "PNG", optimize=True)
    return len(data.getvalue())


def lzw_bytes(data: bytes) -> int:
    """Return the length of `data` under LZW with 12-bit codes over bytes (Nelson 1989)."""
    known = {bytes((value,)) for value in range(256)}
    codes, prefix = 0, b""
    for value in data:
        longer = prefix + bytes((value,))
        if longer in known:
            prefix = longer
            continue
        codes += 1
        if len(known) < LZW_CODES:
            known.add(longer)
        prefix = bytes((value,))
    codes += bool(prefix)
    return (codes * LZW_BITS + 7) // 8
