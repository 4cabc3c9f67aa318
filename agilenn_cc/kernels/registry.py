"""Kernels by name: the built-in ones and those of installed plugins."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import cast

from agilenn_cc.errors import AgilennError, ExitCode, nearest
from agilenn_cc.kernels.base import Kernel
from agilenn_cc.plugins import load_plugin

GROUP = "agilenn_cc.kernels"
_BUILT_IN = (
    EntryPoint("specialised", "agilenn_cc.kernels.specialised:SPECIALISED", GROUP),
    EntryPoint("portable", "agilenn_cc.kernels.portable:PORTABLE", GROUP),
    EntryPoint("cmsis-nn", "agilenn_cc.kernels.cmsis_nn:CMSIS_NN", GROUP),
)
_WITHOUT_DSP = ("cortex-m0", "cortex-m0plus", "cortex-m1", "cortex-m23", "cortex-m3")


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in (*_BUILT_IN, *entry_points(group=GROUP))}


def list_kernels() -> tuple[str, ...]:
    """Return the names of all kernels."""
    return tuple(sorted(_points()))


def default_kernels(cpu: str) -> str:
    """Return the kernel choice for a core (-mcpu): plain C++ where it has no DSP instructions."""
    return "portable" if cpu in _WITHOUT_DSP else "specialised"


def get_kernel(name: str) -> Kernel:
    """Return a kernel by name; AgilennError if there is none (exit code 2) or it is broken (7)."""
    points = _points()
    if name not in points:
        guess = nearest(name, points)
        raise AgilennError.of(
            ExitCode.USAGE,
            "kernels.unknown",
            f"there is no kernel choice '{name}'",
            hint=f"did you mean '{guess}'?" if guess else "known: " + ", ".join(sorted(points)),
        )
    return cast(Kernel, load_plugin(points[name], "kernel choice"))
