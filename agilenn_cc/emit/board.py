"""Board support of a project: the C++ parts that a target is made of, its values, linker script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.passes.placement import FastMemory
from agilenn_cc.resources import templates_dir
from agilenn_cc.targets import Target
from agilenn_cc.targets.model import CONSOLE_PRIORITY, LINK_PRIORITY

from .layout import linker_script
from .meta import DeploymentMeta
from .render import render

_SOURCES = {".cpp", ".hpp"}
_APP = "App/"
_ON_DEVICE_RUNTIME = ("combine", "console", "datagram_link", "small_code", "text", "time")
_LINK_FILES = ("link_", "dma_request", "wifi_config")


def static_files(target: Target, *, offloads: bool) -> dict[str, bytes]:
    """Return application, runtime and the target's parts of board support, as they are.

    Parts are laid over each other in the target's order; what lies in the `App` folder of a part
    belongs to the user. A network that does not offload gets application and engine of its own, and
    nothing of the link. Raises AgilennError (unsupported) if a part does not exist.
    """
    firmware = templates_dir() / "firmware"
    files = {f"{_APP}{path}": data for path, data in _tree(firmware / "App")}
    files |= {f"Runtime/{path}": data for path, data in _tree(firmware / "Runtime")}
    files |= _board_parts(target)
    if offloads:
        return files
    files = {path: data for path, data in files.items() if not _serves_offloading(path)}
    files |= {f"Board/{path}": data for path, data in _tree(firmware / "Board" / "link_none")}
    return files | dict(_tree(firmware / "OnDevice"))


def _serves_offloading(path: str) -> bool:
    """Tell whether only a network with a server needs a file of the project."""
    folder, _, name = path.rpartition("/")
    if folder.startswith("Runtime"):
        return name.partition(".")[0] not in _ON_DEVICE_RUNTIME
    return name.startswith(_LINK_FILES)


def _board_parts(target: Target) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    firmware = templates_dir() / "firmware"
    for part in ("common", *target.mcu.support):
        folder = firmware / "Board" / part
        if not folder.is_dir():
            raise AgilennError.of(
                ExitCode.UNSUPPORTED,
                "emit.support",
                f"{target.name}: there is no board support '{part}'",
                hint="known: " + ", ".join(sorted(p.name for p in folder.parent.iterdir())),
            )
        files |= {
            path if path.startswith(_APP) else f"Board/{path}": data for path, data in _tree(folder)
        }
    return files


def board_files(meta: DeploymentMeta, target: Target, fast_memory: FastMemory) -> dict[str, bytes]:
    """Return what is generated for the board: its values, its interrupts, its linker script."""
    if target.mcu.native:
        return {}
    return {
        "Board/board_config.hpp": _board_config(target),
        "Board/interrupt_names.inc": render("interrupt_names.inc.j2", target=target),
        linker_script(target): render(
            "linker_script.ld.j2",
            target=target,
            stack_bytes=meta.stack_bytes,
            fast_memory=fast_memory,
            code=target.region_for("code"),
            fast_code=target.region_for("fast-code")
            if target.has_region_for("fast-code")
            else None,
            stack=target.region_for("stack"),
            data=target.region_for("data"),
            dma=target.region_for("dma"),
            bulk=target.region_for("bulk"),
        ),
    }


def _tree(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in _SOURCES:
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _board_config(target: Target) -> bytes:
    uncached = next((region for region in target.regions if region.uncached_by_mpu), None)
    if target.link_wires is None:
        return render("board_config.hpp.j2", target=target, uncached=uncached, handlers=())
    link, console = target.link_uart, target.console
    fixed = {uart.instance: target.mcu.uarts[uart.instance] for uart in (link, console)}
    dma = fixed[link.instance].dma
    assert dma is not None, "Target checks that the link UART has DMA"
    return render(
        "board_config.hpp.j2",
        target=target,
        uncached=uncached,
        uarts=[
            {"name": name, "comment": comment, "wired": wired, "fixed": fixed[wired.instance]}
            for name, comment, wired in (
                ("LinkUart", "To the WiFi module", link),
                ("Console", "To the debug probe", console),
            )
        ],
        dma=dma,
        dma_controller=target.mcu.dma_controllers[dma.controller],
        handlers=(
            ("LINK_UART", fixed[link.instance].irq),
            ("LINK_RX_DMA", dma.rx.irq),
            ("LINK_TX_DMA", dma.tx.irq),
            ("CONSOLE", fixed[console.instance].irq),
        ),
        link_priority=LINK_PRIORITY,
        console_priority=CONSOLE_PRIORITY,
    )
