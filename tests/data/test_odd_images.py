"""A folder as cameras and desktops leave it: odd images, odd names, files that are no images."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agilenn_cc.data import Dataset, load_dataset
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.spec import Spec, load_spec

EXAMPLE = Path(__file__).parents[2] / "examples" / "images" / "spec.yaml"
UPSIDE_DOWN = 3  # EXIF orientation


def picture(width: int, height: int, bright_top: bool) -> Image.Image:
    """Draw a grey image with one bright half, top or bottom."""
    pixels = np.full((height, width), 30, np.uint8)
    half = slice(0, height // 2) if bright_top else slice(height // 2, height)
    pixels[half] = 220
    return Image.fromarray(pixels)


def png_of_16_bits(grey: Image.Image, colour: bool) -> bytes:
    """Write a PNG by its specification: 16 bits a sample, big-endian, filter 0 in each row."""
    wide = np.asarray(grey).astype(">u2") * 257
    samples = np.repeat(wide[:, :, None], 3 if colour else 1, axis=2)
    rows = b"".join(b"\x00" + row.tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", grey.width, grey.height, 16, 2 if colour else 0, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def fill(folder: Path, bright_top: bool) -> int:
    """Write one image of each odd kind, all of which show the same; return how many."""
    folder.mkdir(parents=True)
    grey = picture(120, 80, bright_top)
    grey.save(folder / "grey.png")
    grey.convert("RGB").save(folder / "IMG_0001.JPG", quality=95)
    picture(31, 200, bright_top).convert("RGB").save(folder / "narrow ünïcode (1).jpeg")
    picture(3, 2, bright_top).save(folder / "tiny.bmp")
    grey.convert("RGBA").save(folder / "opaque.png")
    grey.convert("LA").save(folder / "grey with alpha.png")
    grey.convert("P").save(folder / "palette.gif")
    grey.convert("1", dither=Image.Dither.NONE).save(folder / "bilevel.tif")
    grey.convert("CMYK").save(folder / "print.jpg", quality=95)
    grey.convert("RGB").save(folder / "web.webp", quality=95)
    exif = Image.Exif()
    exif[0x0112] = UPSIDE_DOWN
    grey.rotate(180).save(folder / "rotated.jpg", exif=exif, quality=95)
    (folder / "deep.png").write_bytes(png_of_16_bits(grey, colour=False))
    (folder / "deep colour.png").write_bytes(png_of_16_bits(grey, colour=True))
    count = len(list(folder.iterdir()))
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._IMG_0001.JPG", "notes.txt"):
        (folder / name).write_bytes(b"\x00no image")
    return count


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the example's spec, two lines changed, and odd photographs."""
    text = EXAMPLE.read_text(encoding="utf-8")
    text, names = re.subn(r"(?m)^name: .*$", "name: halves", text)
    text, sets = re.subn(r"(?m)^dataset: .*$", "dataset: {images: pics, image: 48x64x3}", text)
    assert (names, sets) == (1, 1)
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    fill(tmp_path / "pics" / "top", bright_top=True)
    fill(tmp_path / "pics" / "bottom", bright_top=False)
    (tmp_path / "pics" / ".DS_Store").write_bytes(b"\x00")
    (tmp_path / "pics" / ".thumbnails").mkdir()
    (tmp_path / "pics" / "__MACOSX").mkdir()
    return tmp_path


def load(spec: Spec) -> Dataset:
    return load_dataset(spec.dataset, spec.seed, spec.base_dir, where=spec.where)


def test_every_kind_of_image_shows_what_it_shows(place: Path) -> None:
    data = load(load_spec(place / "spec.yaml"))
    assert data.classes == ("bottom", "top")
    images = np.concatenate([part.images for part in (data.train, data.validation, data.test)])
    labels = np.concatenate([part.labels for part in (data.train, data.validation, data.test)])
    assert images.shape == (26, 48, 64, 3)
    top, bottom = images[:, :12].mean((1, 2, 3)), images[:, -12:].mean((1, 2, 3))
    bright, dark = np.where(labels == 1, (top, bottom), (bottom, top))
    assert bright.min() > 200
    assert dark.max() < 60
    assert np.ptp(images.astype(int), axis=3).max() < 12  # all of them are grey


def test_few_images_and_both_parts_of_each_class(place: Path) -> None:
    for folder in ("top", "bottom"):
        files = sorted((place / "pics" / folder).glob("*.png"))
        for file in set((place / "pics" / folder).iterdir()) - set(files[:3]):
            file.unlink()
    data = load(load_spec(place / "spec.yaml"))
    for part in (data.train, data.validation, data.test):
        assert sorted(part.labels) == [0, 1]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_truncated_image_is_named(place: Path, suffix: str) -> None:
    file = place / "pics" / "top" / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(AgilennError) as caught:
        load(load_spec(place / "spec.yaml"))
    (diagnostic,) = caught.value.diagnostics
    assert caught.value.exit_code is ExitCode.SPEC
    assert str(file) in diagnostic.message
    assert "replace or remove" in (diagnostic.hint or "")
    assert diagnostic.where is not None
    assert diagnostic.where.text == "dataset: {images: pics, image: 48x64x3}"


def test_photographs_that_cannot_be_read_are_not_left_out_in_silence(place: Path) -> None:
    for name in ("IMG_0002.HEIC", "IMG_0003.heic", "raw.CR2"):
        (place / "pics" / "top" / name).write_bytes(b"\x00")
    with pytest.raises(AgilennError) as caught:
        load(load_spec(place / "spec.yaml"))
    (diagnostic,) = caught.value.diagnostics
    assert "3 files" in diagnostic.message
    assert "IMG_0002.HEIC" in diagnostic.message
    assert "JPEG" in (diagnostic.hint or "")
