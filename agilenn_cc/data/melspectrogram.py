"""Log-mel spectrograms as uint8 images, by a fixed recipe that a device can repeat.

A clip at 16 kHz, full scale 1, becomes an image [frames, bands, 1]:

1. Frame t is the 512 samples (32 ms) from t * hop on, with hop = (samples - 512) // (frames - 1).
2. Each frame is multiplied by the periodic Hann window and zero-padded to a DFT of 1024 points;
   its power is |X[k]|^2 / (sum of the window)^2, so that a full-scale sine peaks at 1/4.
3. Band b adds up the power under a triangle of height 1 that rises from corner b to corner b + 1
   and falls to corner b + 2. The bands + 2 corners lie evenly from 20 Hz to 8 kHz on the mel scale
   m(f) = 2595 log10(1 + f / 700) (O'Shaughnessy 1987).
4. The energy e becomes the pixel floor(255 (10 log10(e) + 80) / 80 + 1/2), clipped to 0..255:
   -80 dB is 0, 0 dB is 255. No clip is scaled by its own loudness.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agilenn_cc.data.wav import RATE_HZ

FRAME = 512
"""Samples in a frame: 32 ms."""
MAX_BANDS = 128
"""More bands would be narrower than a step of the DFT, and some would be empty."""
_DFT = 1024
_LOW_HZ, _HIGH_HZ = 20.0, RATE_HZ / 2
_RANGE_DB = 80.0


def mel_filters(bands: int) -> npt.NDArray[np.float64]:
    """Return the triangles of step 3, [bands, 513]: column k stands for k * 15.625 Hz."""
    corners_mel = np.linspace(_mel(_LOW_HZ), _mel(_HIGH_HZ), bands + 2)
    corners = 700 * (10 ** (corners_mel / 2595) - 1)
    frequencies = np.arange(_DFT // 2 + 1) * (RATE_HZ / _DFT)
    low, peak, high = (corners[start : start + bands, None] for start in range(3))
    rising = (frequencies - low) / (peak - low)
    falling = (high - frequencies) / (high - peak)
    triangles: npt.NDArray[np.float64] = np.minimum(rising, falling).clip(min=0)
    return triangles


def log_mel(clip: npt.NDArray[np.float64], frames: int, bands: int) -> npt.NDArray[np.uint8]:
    """Return the image uint8 [frames, bands, 1] of a clip [n] at 16 kHz.

    The clip has at least 512 + frames - 1 samples, so that the hop is one or more.
    """
    hop = (len(clip) - FRAME) // max(1, frames - 1)
    window = np.hanning(FRAME + 1)[:-1]
    starts = hop * np.arange(frames)
    pieces = clip[starts[:, None] + np.arange(FRAME)] * window
    power = np.abs(np.fft.rfft(pieces, _DFT)) ** 2 / window.sum() ** 2
    energy = power @ mel_filters(bands).T
    level_db = 10 * np.log10(np.maximum(energy, 10 ** (-_RANGE_DB / 10)))
    pixels = np.floor(255 * (level_db + _RANGE_DB) / _RANGE_DB + 0.5).clip(0, 255)
    image: npt.NDArray[np.uint8] = pixels.astype(np.uint8)[..., np.newaxis]
    return image


def fit_clip(samples: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Return `count` samples: the middle of a longer clip, a shorter one between zeros."""
    surplus = len(samples) - count
    if surplus >= 0:
        return samples[surplus // 2 : surplus // 2 + count]
    before = -surplus // 2
    return np.pad(samples, (before, -surplus - before))


def _mel(frequency_hz: float) -> float:
    return float(2595 * np.log10(1 + frequency_hz / 700))
