"""Varies batches of training images at random, before they are normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agilenn_cc.spec.augmentation import (
    Augmentation,
    Brightness,
    Contrast,
    Cutout,
    Flip,
    Shift,
)

_Images = npt.NDArray[np.uint8]
_GREY = 128


def augment(
    images: _Images, augmentations: Sequence[Augmentation], generator: np.random.Generator
) -> _Images:
    """Return a batch uint8 [N,H,W,C] with each augmentation applied in turn; `images` is kept.

    Each image draws its own numbers from `generator`, so the same state gives the same bytes.
    """
    for each in augmentations:
        if isinstance(each, Flip):
            images = flip(images, generator.random(len(images)) < 0.5)
        elif isinstance(each, Shift):
            draws = generator.integers(-each.pixels, each.pixels + 1, (2, len(images)))
            images = shift(images, draws[0], draws[1], each.pixels)
        elif isinstance(each, Brightness):
            images = brighten(images, generator.uniform(-each.amount, each.amount, len(images)))
        elif isinstance(each, Contrast):
            factors = generator.uniform(1 - each.amount, 1 + each.amount, len(images))
            images = change_contrast(images, factors)
        elif isinstance(each, Cutout):
            rows = generator.integers(0, images.shape[1], len(images))
            columns = generator.integers(0, images.shape[2], len(images))
            images = cut_out(images, rows, columns, each.pixels)
    return images


def flip(images: _Images, chosen: npt.NDArray[np.bool_]) -> _Images:
    """Mirror the chosen images, left to right."""
    return np.where(chosen[:, None, None, None], images[:, :, ::-1], images)


def shift(
    images: _Images, down: npt.NDArray[np.int64], right: npt.NDArray[np.int64], most: int
) -> _Images:
    """Move image n by `down[n]` and `right[n]` pixels, -`most` to `most`; the edge is mirrored.

    What comes in from outside is the image's own reflection, which does not repeat the edge pixel.
    """
    count, height, width, channels = images.shape
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), "reflect")
    # Windows over whole rows of bytes, so that a row is copied at once.
    rows = padded.reshape(count, height + 2 * most, -1)
    windows = np.lib.stride_tricks.sliding_window_view(rows, (height, width * channels), (1, 2))
    moved: _Images = windows[np.arange(count), most - down, (most - right) * channels]
    return moved.reshape(images.shape)


def brighten(images: _Images, amounts: npt.NDArray[np.float64]) -> _Images:
    """Add `amounts[n]` of the full scale (255) to image n; values stay within 0 to 255."""
    steps = np.rint(amounts * 255).astype(np.int16)[:, None, None, None]
    brighter: _Images = np.clip(images + steps, 0, 255).astype(np.uint8)
    return brighter


def change_contrast(images: _Images, factors: npt.NDArray[np.float64]) -> _Images:
    """Multiply the distance of each pixel from the mean of image n by `factors[n]`."""
    means = images.mean((1, 2, 3), dtype=np.float64)
    offsets = (means * (1 - factors)).astype(np.float32)[:, None, None, None]
    scaled = images * factors.astype(np.float32)[:, None, None, None] + offsets
    changed: _Images = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return changed


def cut_out(
    images: _Images, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], size: int
) -> _Images:
    """Paint a square of `size` pixels grey around (`rows[n]`, `columns[n]`), cut at the border."""
    down = np.arange(images.shape[1]) - (rows - size // 2)[:, None]
    right = np.arange(images.shape[2]) - (columns - size // 2)[:, None]
    inside = ((down >= 0) & (down < size))[:, :, None] & ((right >= 0) & (right < size))[:, None]
    return np.where(inside[..., None], np.uint8(_GREY), images)
