"""Held-out frames of a build, with the answers that the Python model gives to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from agilenn_cc.errors import AgilennError, ExitCode

FILE = "held_out.safetensors"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Raw test images uint8 [N, H, W, C], labels int64 [N], and the model's answers int64 [N].

    `expected` is what the integer device part and the full-precision remote net answer together,
    `expected_local` what the device answers alone. `expected_coarser` [rates - 1, N] are the joint
    answers at the rates beyond the first.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    expected: npt.NDArray[np.int64]
    expected_local: npt.NDArray[np.int64]
    expected_coarser: npt.NDArray[np.int64] | None = None

    @property
    def expected_at(self) -> npt.NDArray[np.int64]:
        """The joint answers at each rate, [rates, N]."""
        first = self.expected[None]
        coarser = self.expected_coarser
        return first if coarser is None else np.concatenate([first, coarser])

    def to_bytes(self) -> bytes:
        """Return the file's content; equal frames give equal bytes."""
        arrays = {
            name: np.ascontiguousarray(array)
            for name, array in vars(self).items()
            if array is not None
        }
        content: bytes = save(arrays)
        return content

    @classmethod
    def from_bytes(cls, content: bytes) -> HeldOut:
        """Read what `to_bytes` returned."""
        return cls(**load(content))

    @classmethod
    def read(cls, directory: Path) -> HeldOut:
        """Read the held-out frames of a build directory.

        Raises:
            AgilennError: exit code 2 if the file is missing or damaged.
        """
        path = directory / FILE
        try:
            return cls.from_bytes(path.read_bytes())
        except Exception as error:  # safetensors raises a type of its own for damaged files
            raise AgilennError.of(
                ExitCode.USAGE,
                "build.unreadable",
                f"{path} cannot be read: {error}",
                hint="build it again: agilenn-cc build SPEC --target NAME",
            ) from error
