"""Reads WAV files: PCM of 8 to 32 bits and IEEE float, mixed to mono, at 16 kHz."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_BITS = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}
_RATES_HZ = (1_000, 384_000)
_LARGEST = 2.0**31
"""Of float samples, which may exceed 1; some programs write them at the scale of integers."""


class WavError(ValueError):
    """The file is not a WAV file that can be read; the text says why."""


def read_wav(file: Path) -> npt.NDArray[np.float64]:
    """Return the samples [n] at 16 kHz, full scale 1, the mean of all channels.

    Other rates are converted by a polyphase filter (`scipy.signal.resample_poly`).

    Raises:
        WavError: the file is no WAV file, is cut off, compressed or empty, or holds NaN.
        OSError: it cannot be read.
    """
    chunks = _chunks(file.read_bytes())
    if "fmt " not in chunks or len(chunks["fmt "]) < 16:
        raise WavError("its format chunk is missing")
    if "data" not in chunks:
        raise WavError("its data chunk is missing")
    kind, channels, rate_hz, _, block, bits = struct.unpack_from("<HHIIHH", chunks["fmt "])
    if kind == _EXTENSIBLE and len(chunks["fmt "]) >= 26:
        (kind,) = struct.unpack_from("<H", chunks["fmt "], 24)
    _check_kind(kind, bits)
    if channels == 0 or block != channels * bits // 8:
        raise WavError("its format chunk contradicts itself")
    if not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
        raise WavError(f"its sampling rate is {rate_hz} Hz, not {_RATES_HZ[0]} to {_RATES_HZ[1]}")
    data = chunks["data"]
    samples = _samples(data[: len(data) // block * block], kind, bits)
    if not samples.size:
        raise WavError("it holds no sample")
    if not (np.abs(samples) <= _LARGEST).all():
        raise WavError("it holds samples that are not finite, or far beyond full scale")
    return _resample(samples.reshape(-1, channels).mean(axis=1), rate_hz)


def _chunks(data: bytes) -> dict[str, bytes]:
    """Return the RIFF chunks by name, the first of each."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise WavError("it is not a WAV (RIFF) file")
    found: dict[str, bytes] = {}
    place = 12
    while place + 8 <= len(data) and "data" not in found:
        name = data[place : place + 4].decode("latin-1")
        (size,) = struct.unpack_from("<I", data, place + 4)
        body = data[place + 8 : place + 8 + size]
        if len(body) < size:
            raise WavError(f"it is cut off: {len(body)} of {size} bytes are there")
        found.setdefault(name, body)
        place += 8 + size + size % 2
    return found


def _check_kind(kind: int, bits: int) -> None:
    if kind not in _BITS:
        raise WavError(f"its samples are compressed (format {kind:#x})")
    if bits not in _BITS[kind]:
        raise WavError(f"its samples are {'PCM' if kind == _PCM else 'float'} of {bits} bits")


def _samples(data: bytes, kind: int, bits: int) -> npt.NDArray[np.float64]:
    """Return all samples, full scale 1; 8-bit PCM is unsigned, all other PCM is signed."""
    if kind == _FLOAT:
        return np.frombuffer(data, f"<f{bits // 8}").astype(np.float64)
    if bits == 8:
        return (np.frombuffer(data, np.uint8) - 128.0) / 128
    if bits == 24:
        # Three bytes become the upper ones of four.
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.view("<i4").ravel() / 2.0**31
    return np.frombuffer(data, f"<i{bits // 8}") / 2.0 ** (bits - 1)


def _resample(samples: npt.NDArray[np.float64], rate_hz: int) -> npt.NDArray[np.float64]:
    if rate_hz == RATE_HZ:
        return samples
    from scipy.signal import resample_poly

    common = math.gcd(RATE_HZ, rate_hz)
    converted: npt.NDArray[np.float64] = resample_poly(
        samples, RATE_HZ // common, rate_hz // common
    )
    return converted
