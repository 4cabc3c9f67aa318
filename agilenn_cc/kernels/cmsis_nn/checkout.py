"""Reads the public headers of a CMSIS-NN checkout: its version, and whether its API is the known.

The stages rely on the names, the parameter types and the order of the struct members below, as
arm_nnfunctions.h has had them from revision V.11 to V.19.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode

VARIABLE = "CMSIS_NN_PATH"

_TENSORS = (
    "const cmsis_nn_dims *, const int8_t *, const cmsis_nn_dims *, const int8_t *, "
    "const cmsis_nn_dims *, const int32_t *, const cmsis_nn_dims *, int8_t *"
)
_SCALED = f"const cmsis_nn_per_channel_quant_params *, {_TENSORS}"
_POOLED = (
    "const cmsis_nn_context *, const cmsis_nn_pool_params *, const cmsis_nn_dims *, "
    "const int8_t *, const cmsis_nn_dims *, const cmsis_nn_dims *, int8_t *"
)
_DIMS = ", ".join(["const cmsis_nn_dims *"] * 3)
FUNCTIONS = {
    "arm_convolve_wrapper_s8": (
        f"const cmsis_nn_context *, const cmsis_nn_conv_params *, {_SCALED}"
    ),
    "arm_convolve_wrapper_s8_get_buffer_size": f"const cmsis_nn_conv_params *, {_DIMS}",
    "arm_depthwise_conv_wrapper_s8": (
        f"const cmsis_nn_context *, const cmsis_nn_dw_conv_params *, {_SCALED}"
    ),
    "arm_depthwise_conv_wrapper_s8_get_buffer_size": f"const cmsis_nn_dw_conv_params *, {_DIMS}",
    "arm_avgpool_s8": _POOLED,
    "arm_avgpool_s8_get_buffer_size": "const int, const int",
    "arm_max_pool_s8": _POOLED,
}
"""Parameter types of each function that the stages call."""

_WINDOW = "cmsis_nn_tile stride, cmsis_nn_tile padding"
_CLAMPED = f"{_WINDOW}, cmsis_nn_tile dilation, cmsis_nn_activation activation"
STRUCTS = {
    "cmsis_nn_tile": "int32_t w, int32_t h",
    "cmsis_nn_context": "void * buf, int32_t size",
    "cmsis_nn_dims": "int32_t n, int32_t h, int32_t w, int32_t c",
    "cmsis_nn_per_channel_quant_params": "int32_t * multiplier, int32_t * shift",
    "cmsis_nn_activation": "int32_t min, int32_t max",
    "cmsis_nn_conv_params": f"int32_t input_offset, int32_t output_offset, {_CLAMPED}",
    "cmsis_nn_dw_conv_params": (
        f"int32_t input_offset, int32_t output_offset, int32_t ch_mult, {_CLAMPED}"
    ),
    "cmsis_nn_pool_params": f"{_WINDOW}, cmsis_nn_activation activation",
}
"""Members of each struct that the stages fill."""


@dataclass(frozen=True)
class Checkout:
    """A CMSIS-NN that the stages can call; `version` is the revision of arm_nnfunctions.h."""

    path: Path
    version: str

    @property
    def include(self) -> Path:
        """The folder that the compiler must search for headers."""
        return self.path / "Include"


def find_checkout(path: Path | None = None) -> Checkout | None:
    """Return the checkout at `path`, else at `CMSIS_NN_PATH`, else None.

    Raises AgilennError: exit code 7 if there is no CMSIS-NN at the place named, 4 if its API is
    another, with a diagnostic for each difference.
    """
    named = path or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is None:
        return None
    functions, types = (_read(named, name) for name in ("arm_nnfunctions.h", "arm_nn_types.h"))
    revision = re.search(r"\$Revision:\s*([\w.]+)", functions)
    version = revision[1] if revision else "unknown"
    differences = [
        *_differences(FUNCTIONS, lambda name: _parameters(functions, name)),
        *_differences(STRUCTS, lambda name: _members(types, name)),
    ]
    if differences:
        hint = (
            "arm_nnfunctions.h V.11 to V.19 fits (releases 23.02 to 7.0.0); check out one of these"
        )
        raise AgilennError(
            ExitCode.UNSUPPORTED,
            [
                Diagnostic("kernels.cmsis-nn-api", f"CMSIS-NN {version}: {text}", hint=hint)
                for text in differences
            ],
        )
    return Checkout(named, version)


def _read(path: Path, name: str) -> str:
    file = path / "Include" / name
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "kernels.cmsis-nn-missing",
            f"there is no CMSIS-NN at '{path}': {name} cannot be read from its folder Include",
            hint=f"name the root of a checkout of github.com/ARM-software/CMSIS-NN ({VARIABLE})",
        ) from error
    revision = re.search(r"\$Revision:[^\n]*", text)
    code = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    return (revision[0] + "\n" if revision else "") + code


def _differences(expected: dict[str, str], found: Callable[[str], str | None]) -> list[str]:
    texts = []
    for name, declaration in expected.items():
        actual = found(name)
        if actual is None:
            texts.append(f"{name} is not declared; expected ({declaration})")
        elif actual != declaration:
            texts.append(f"{name} has ({actual}); expected ({declaration})")
    return texts


def _spaced(text: str) -> str:
    return " ".join(text.replace("*", " * ").split())


def _parameters(header: str, function: str) -> str | None:
    """Return the parameter types of a declaration, names left out."""
    match = re.search(rf"\b{function}\s*\(([^)]*)\)\s*;", header)
    if match is None:
        return None
    parameters = [_spaced(parameter) for parameter in match[1].split(",")]
    return ", ".join(re.sub(r"(?<=[\w*]) \w+$", "", parameter) for parameter in parameters)


def _members(header: str, struct: str) -> str | None:
    match = re.search(rf"typedef struct\s*\w*\s*\{{([^}}]*)\}}\s*{struct}\s*;", header)
    if match is None:
        return None
    return ", ".join(_spaced(member) for member in match[1].split(";") if member.strip())
