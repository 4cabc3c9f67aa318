"""Pixels from arrays, image files and JPEG blobs, brought to the wanted size and channels."""

from __future__ import annotations

import io
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from agilenn_cc.data.source import Pixels, Request, Shape
from agilenn_cc.errors import AgilennError, ExitCode

_REPORT_EVERY = 500
_MAX_REPORTED = 20
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, BadZipFile, zlib.error)


def fit_image(image: Image.Image, shape: Shape) -> npt.NDArray[np.uint8]:
    """Return an image as uint8 `shape`: upright, opaque, resized bilinearly.

    EXIF rotation is applied; transparent pixels become white; 16-bit grey keeps its high byte;
    colour turns grey by ITU-R 601 luma.
    """
    height, width, channels = shape
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        image = Image.fromarray(
            (values / (256 if values.max() > 255 else 1)).clip(0, 255).astype(np.uint8)
        )
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8).reshape(shape)


@dataclass(frozen=True, eq=False)
class ArrayPixels:
    """Images that lie in memory, uint8 [N,h,w,c]."""

    images: npt.NDArray[np.uint8]

    def load(self, indices: npt.NDArray[np.int64], request: Request) -> npt.NDArray[np.uint8]:
        """Return the chosen images at the wanted size."""
        shape = request.shape
        own: Shape = self.images.shape[1:]
        if own == shape:
            return self.images[indices]
        if own[2] != shape[2] and not {own[2], shape[2]} <= {1, 3}:
            raise request.error(
                "image",
                f"images of {own[2]} channels cannot become images of {shape[2]}",
                f"end `image` with x{own[2]}",
            )
        fitted = np.empty((len(indices), *shape), np.uint8)
        for place, index in enumerate(indices):
            fitted[place] = _fit_array(self.images[index], shape)
            _report(request, "resizing images", place + 1, len(indices))
        return fitted


def _fit_array(pixels: npt.NDArray[np.uint8], shape: Shape) -> npt.NDArray[np.uint8]:
    if pixels.shape[2] == 3:
        return fit_image(Image.fromarray(pixels), shape)
    if pixels.shape[2] == 1:
        return fit_image(Image.fromarray(pixels[:, :, 0]), shape)
    planes = [
        fit_image(Image.fromarray(plane), (*shape[:2], 1)) for plane in np.moveaxis(pixels, 2, 0)
    ]
    return np.concatenate(planes, axis=2)


@dataclass(frozen=True, eq=False)
class FilePixels:
    """Images in files that Pillow reads."""

    files: tuple[Path, ...]
    key: str
    """The key of the `dataset` section that named the folder."""

    def load(self, indices: npt.NDArray[np.int64], request: Request) -> npt.NDArray[np.uint8]:
        """Return the chosen images at the wanted size; reports all unreadable files at once."""
        images = np.empty((len(indices), *request.shape), np.uint8)
        broken: list[tuple[Path, str]] = []
        for place, index in enumerate(indices):
            file = self.files[index]
            try:
                images[place] = _decode(file, request.shape)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                broken.append((file, _reason(error)))
            _report(request, "reading images", place + 1, len(indices))
        if broken:
            diagnostics = [
                request.diagnostic(
                    self.key,
                    f"the image {file} cannot be read: {reason}",
                    "replace or remove the file",
                    "data.corrupt-image",
                )
                for file, reason in broken[:_MAX_REPORTED]
            ]
            if len(broken) > _MAX_REPORTED:
                rest = len(broken) - _MAX_REPORTED
                diagnostics.append(
                    request.diagnostic(
                        self.key, f"and {rest} more images cannot be read", "replace them too"
                    )
                )
            raise AgilennError(ExitCode.SPEC, diagnostics)
        return images


@dataclass(frozen=True, eq=False)
class BlobPixels:
    """Image files in one array: image i is `blob[offsets[i]:offsets[i + 1]]`."""

    blob: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    file: Path
    key: str

    def load(self, indices: npt.NDArray[np.int64], request: Request) -> npt.NDArray[np.uint8]:
        """Return the chosen images at the wanted size."""
        images = np.empty((len(indices), *request.shape), np.uint8)
        for place, index in enumerate(indices):
            encoded = self.blob[self.offsets[index] : self.offsets[index + 1]].tobytes()
            try:
                images[place] = _decode(io.BytesIO(encoded), request.shape)
            except (OSError, ValueError, SyntaxError) as error:
                raise request.error(
                    self.key,
                    f"image {index} of {self.file} cannot be read: {_reason(error)}",
                    "get the file anew",
                    "data.corrupt-image",
                ) from None
            _report(request, f"decoding {self.file.name}", place + 1, len(indices))
        return images


@dataclass(frozen=True, eq=False)
class ZipPixels:
    """Image files in a ZIP archive, read without unpacking it."""

    file: Path
    members: tuple[str, ...]
    key: str

    def load(self, indices: npt.NDArray[np.int64], request: Request) -> npt.NDArray[np.uint8]:
        """Return the chosen images at the wanted size."""
        images = np.empty((len(indices), *request.shape), np.uint8)
        with ZipFile(self.file) as archive:
            for place, index in enumerate(indices):
                name = self.members[index]
                try:
                    images[place] = _decode(io.BytesIO(archive.read(name)), request.shape)
                except (
                    OSError,
                    ValueError,
                    SyntaxError,
                    EOFError,
                    BadZipFile,
                    zlib.error,
                ) as error:
                    raise request.error(
                        self.key,
                        f"{name} in {self.file} cannot be read: {_reason(error)}",
                        "get the archive anew",
                        "data.corrupt-image",
                    ) from None
                _report(request, f"decoding {self.file.name}", place + 1, len(indices))
        return images


@dataclass(frozen=True, eq=False)
class Reordered:
    """The images of other pixels in another order: image i is the image `order[i]` of `pixels`."""

    pixels: Pixels
    order: npt.NDArray[np.int64]

    def load(self, indices: npt.NDArray[np.int64], request: Request) -> npt.NDArray[np.uint8]:
        """Return the chosen images at the wanted size."""
        return self.pixels.load(self.order[indices], request)


def _decode(source: Path | io.BytesIO, shape: Shape) -> npt.NDArray[np.uint8]:
    with warnings.catch_warnings():
        # Pillow only warns of a decompression bomb and of damaged EXIF; the first is fatal here.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(source) as image:
            return fit_image(image, shape)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is not an image, or damaged at its beginning"
    return str(error) or type(error).__name__


def _report(request: Request, what: str, done: int, total: int) -> None:
    if done % _REPORT_EVERY == 0 or done == total:
        request.progress(what, done, total)
