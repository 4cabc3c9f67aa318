"""The firmware project: generated parts, static C++, board support, build descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.kernels.library import Library
from agilenn_cc.passes.placement import FastMemory
from agilenn_cc.targets import Target

from .board import board_files, static_files
from .codec_tables import emit_codec_tables
from .meta import ENCODERS, DeploymentMeta
from .registry import emitters
from .render import render

# Sample frames may take this much flash; there is always at least one.
_SAMPLE_BYTES: Final = 8 * 1024
# A larger image is stored at a part of its size, and the example camera magnifies it.
_IMAGE_BYTES: Final = 4 * 1024
_VALUES_PER_LINE: Final = 20


class EmittedProgram(Protocol):
    """What emission needs of a compiled program: its files, by path inside the project."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """`Generated/network.hpp`, `Generated/network.cpp`, ..."""


def project_name(meta: DeploymentMeta, target: Target) -> str:
    """Return the IDE's name of the project: unique per model and board in one workspace."""
    return f"{meta.name}-{target.name}"


def emit_project(
    program: EmittedProgram,
    meta: DeploymentMeta,
    target: Target,
    fast_memory: FastMemory | None = None,
    library: Library | None = None,
) -> dict[str, bytes]:
    """Return every file of the firmware project by its relative path.

    `fast_memory` names what lies in the core's own memories; without it all code and constants are
    in flash. `library` is what the program's kernels call; it becomes part of the project.

    Equal arguments give equal bytes: no date, no machine path. Raises AgilennError (unsupported)
    if no board support exists for the target's family.
    """
    name = project_name(meta, target)
    files = {
        **static_files(target, offloads=meta.codec is not None),
        **program.files,
        **_deployment(meta),
        **_samples(meta),
        **board_files(meta, target, fast_memory or FastMemory()),
        **({} if library is None else library.files),
        **_descriptions(name, target, library),
        "README.md": render(
            _readme(meta, target),
            name=name,
            meta=meta,
            target=target,
            code=target.region_for("code"),
            library=library,
        ),
    }
    return dict(sorted(files.items()))


def _descriptions(name: str, target: Target, library: Library | None) -> dict[str, bytes]:
    files = (emitter(name, target, library).items() for emitter in emitters())
    return {path: content for described in files for path, content in described}


def _readme(meta: DeploymentMeta, target: Target) -> str:
    if meta.codec is None:
        return "README.on_device.md.j2"
    return "README.md.j2" if target.link_wires else "README.simulated.md.j2"


def _deployment(meta: DeploymentMeta) -> dict[str, bytes]:
    values = {"meta": meta, "deadline_us": round(meta.deadline_ms * 1000)}
    files = {"Generated/deployment.hpp": render("deployment.hpp.j2", **values)}
    if meta.codec is None:
        return files
    codec = ENCODERS[meta.codec]
    files["Generated/payload.hpp"] = render("payload.hpp.j2", codec=codec, **values)
    if meta.codec_tables:
        files["Generated/codec_tables.hpp"] = emit_codec_tables(meta.codec_tables)
    return files


def _samples(meta: DeploymentMeta) -> dict[str, bytes]:
    images = meta.sample_images
    if len(images) == 0:
        raise AgilennError.of(
            ExitCode.INTERNAL, "emit.samples", "the example camera needs a sample image"
        )
    scale = _sample_scale(*images.shape[1:])
    images = images[:, ::scale, ::scale]
    image_bytes = int(np.prod(images.shape[1:]))
    chosen = images[: max(1, _SAMPLE_BYTES // image_bytes)]
    values = {
        "count": len(chosen),
        "rows": images.shape[1],
        "columns": images.shape[2],
        "scale": scale,
        "bytes": image_bytes,
        "images": [_byte_rows(image) for image in chosen],
    }
    return {
        "App/sample_images.cpp": render("sample_images.cpp.j2", **values),
        "App/sample_images.hpp": render("sample_images.hpp.j2", **values),
    }


def _sample_scale(height: int, width: int, channels: int) -> int:
    """Return the least divisor of both sides that makes an image small; else the greatest."""
    divisors = [d for d in range(1, min(height, width) + 1) if height % d == width % d == 0]
    small = (d for d in divisors if height * width * channels // d**2 <= _IMAGE_BYTES)
    return next(small, divisors[-1])


def _byte_rows(image: NDArray[np.uint8]) -> list[str]:
    values = image.reshape(-1).tolist()
    return [
        ", ".join(map(str, values[start : start + _VALUES_PER_LINE])) + ","
        for start in range(0, len(values), _VALUES_PER_LINE)
    ]
