"""Image files of every kind become uint8 arrays of the wanted shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agilenn_cc.data.pixels import ArrayPixels, fit_image
from agilenn_cc.data.source import Request
from agilenn_cc.errors import AgilennError
from agilenn_cc.spec import DatasetSpec


def request_for(image: str) -> Request:
    return Request(DatasetSpec.model_validate({"name": "x", "image": image}), 0, Path())


def test_grey_and_colour() -> None:
    grey = Image.new("L", (4, 3), 77)
    assert (fit_image(grey, (3, 4, 3)) == 77).all()
    colour = Image.new("RGB", (4, 3), (100, 150, 200))
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B.
    assert abs(int(fit_image(colour, (3, 4, 1))[0, 0, 0]) - 140.75) <= 1


def test_transparent_pixels_become_white() -> None:
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    assert fit_image(image, (1, 2, 3)).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_a_palette_with_transparency() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([1, 2, 3, 4, 5, 6])
    image.putpixel((1, 0), 1)
    assert fit_image(image, (1, 2, 3)).tolist() == [[[1, 2, 3], [4, 5, 6]]]
    image.info["transparency"] = 1
    assert fit_image(image, (1, 2, 3)).tolist() == [[[1, 2, 3], [255, 255, 255]]]


def test_16_bit_grey_keeps_its_high_byte(tmp_path: Path) -> None:
    values = np.array([[0, 0x1234, 0xFFFF]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    with Image.open(tmp_path / "deep.png") as image:
        assert fit_image(image, (1, 3, 1)).ravel().tolist() == [0, 0x12, 0xFF]


def test_exif_rotation_is_obeyed(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 8), "black")
    image.paste("white", (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the picture needs 90 degrees clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as turned:
        pixels = fit_image(turned, (16, 8, 1))
    # The left half, white, becomes the upper half.
    assert (pixels[:8] == 255).all()
    assert (pixels[8:] == 0).all()


def test_bilinear_enlarging() -> None:
    image = Image.fromarray(np.array([[0, 100]], np.uint8))
    # Pixel centres at 0.25 steps of the source: weights 0, 1/4, 3/4, 1.
    assert fit_image(image, (1, 4, 1)).ravel().tolist() == [0, 25, 75, 100]


def test_arrays_are_copied_as_they_are_where_the_size_fits() -> None:
    images = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    loaded = ArrayPixels(images).load(np.array([1, 0]), request_for("3x4x3"))
    assert (loaded == images[::-1]).all()
    assert not np.shares_memory(loaded, images)


def test_arrays_of_many_channels() -> None:
    images = np.zeros((1, 2, 2, 5), np.uint8)
    images[..., 3] = 9
    loaded = ArrayPixels(images).load(np.array([0]), request_for("4x4x5"))
    assert loaded.shape == (1, 4, 4, 5)
    assert (loaded[..., 3] == 9).all()
    assert loaded.sum() == 9 * 16
    with pytest.raises(AgilennError, match="5 channels cannot become images of 3"):
        ArrayPixels(images).load(np.array([0]), request_for("2x2x3"))
