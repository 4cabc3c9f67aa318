"""The firmware project: generated parts, static C++, board support, build descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.resources import templates_dir
from agilenn_cc.targets import Target

from .cmake import emit_cmake
from .cubeide import emit_cubeide
from .meta import ENCODERS, DeploymentMeta
from .render import render

# Sample frames may take this much flash; there is always at least one.
_SAMPLE_BYTES: Final = 32 * 1024
_VALUES_PER_LINE: Final = 20


class EmittedProgram(Protocol):
    """What emission needs of a compiled program: its files, by path inside the project."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """`Generated/network.hpp`, `Generated/network.cpp`, ..."""


def project_name(meta: DeploymentMeta, target: Target) -> str:
    """Return the IDE's name of the project: unique per model and board in one workspace."""
    return f"{meta.name}-{target.name}"


def emit_project(program: EmittedProgram, meta: DeploymentMeta, target: Target) -> dict[str, bytes]:
    """Return every file of the firmware project by its relative path.

    Equal arguments give equal bytes: no date, no machine path. Raises AgilennError (unsupported)
    if no board support exists for the target's family.
    """
    name = project_name(meta, target)
    files = {
        **_static_files(target),
        **program.files,
        **_deployment(meta),
        **_samples(meta),
        **_board(meta, target),
        **emit_cubeide(name, target),
        **emit_cmake(name, target),
        "README.md": render(
            "README.md.j2", name=name, meta=meta, target=target, code=target.region_for("code")
        ),
    }
    return dict(sorted(files.items()))


def _tree(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".cpp", ".hpp", ".inc"}:
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _static_files(target: Target) -> dict[str, bytes]:
    firmware = templates_dir() / "firmware"
    family = firmware / "Board" / target.mcu.family
    if not family.is_dir():
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "emit.family",
            f"{target.name}: there is no board support for the family {target.mcu.family}",
            hint=f"add templates/firmware/Board/{target.mcu.family}",
        )
    files = {f"App/{path}": data for path, data in _tree(firmware / "App")}
    files |= {f"Runtime/{path}": data for path, data in _tree(firmware / "Runtime")}
    files |= {f"Board/{path}": data for path, data in _tree(firmware / "Board" / "cortex_m")}
    files |= {f"Board/{path}": data for path, data in _tree(family)}
    return files


def _deployment(meta: DeploymentMeta) -> dict[str, bytes]:
    values = {
        "meta": meta,
        "codec": ENCODERS[meta.codec],
        "deadline_us": round(meta.deadline_ms * 1000),
        "alpha_q15": round(meta.alpha * 32768),
    }
    return {
        "Generated/deployment.hpp": render("deployment.hpp.j2", **values),
        "Generated/payload.hpp": render("payload.hpp.j2", **values),
    }


def _samples(meta: DeploymentMeta) -> dict[str, bytes]:
    images = meta.sample_images
    if len(images) == 0:
        raise AgilennError.of(
            ExitCode.INTERNAL, "emit.samples", "the example camera needs a sample image"
        )
    image_bytes = int(np.prod(images.shape[1:]))
    chosen = images[: max(1, _SAMPLE_BYTES // image_bytes)]
    values = {
        "count": len(chosen),
        "bytes": image_bytes,
        "images": [_byte_rows(image) for image in chosen],
    }
    return {
        "App/sample_images.cpp": render("sample_images.cpp.j2", **values),
        "App/sample_images.hpp": render("sample_images.hpp.j2", **values),
    }


def _byte_rows(image: NDArray[np.uint8]) -> list[str]:
    values = image.reshape(-1).tolist()
    return [
        ", ".join(map(str, values[start : start + _VALUES_PER_LINE])) + ","
        for start in range(0, len(values), _VALUES_PER_LINE)
    ]


def _board(meta: DeploymentMeta, target: Target) -> dict[str, bytes]:
    link = target.mcu.uarts[target.link_uart.instance]
    assert link.dma is not None, "Target checks that the link UART has DMA"
    uarts = [
        {
            "name": name,
            "comment": comment,
            "wired": wired,
            "fixed": target.mcu.uarts[wired.instance],
        }
        for name, comment, wired in (
            ("LinkUart", "To the WiFi module", target.link_uart),
            ("Console", "To the debug probe", target.console),
        )
    ]
    has_fast_code = any("fast-code" in region.uses for region in target.regions)
    return {
        "Board/board_config.hpp": render(
            "board_config.hpp.j2",
            target=target,
            uarts=uarts,
            dma=link.dma,
            dma_controller=target.mcu.dma_controllers[link.dma.controller],
        ),
        target.cubeide.linker_script: render(
            "linker_script.ld.j2",
            target=target,
            stack_bytes=meta.stack_bytes,
            code=target.region_for("code"),
            fast_code=target.region_for("fast-code") if has_fast_code else None,
            stack=target.region_for("stack"),
            data=target.region_for("data"),
            dma=target.region_for("dma"),
            bulk=target.region_for("bulk"),
        ),
    }
