"""From CubeIDE's MCU identifier to the core's compiler flags, as CubeIDE derives them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Core:
    """What the compiler must know of a microcontroller's core; `fpu` is None without an FPU."""

    cpu: str
    fpu: str | None

    @property
    def float_abi(self) -> str:
        """The ABI that CubeIDE preselects: hard wherever there is an FPU."""
        return "hard" if self.fpu else "soft"


# The FPU depends on the part, not on the family: the F746 is single precision, the F767 double.
_CORES = {
    "STM32F746": Core("cortex-m7", "fpv5-sp-d16"),
    "STM32H743": Core("cortex-m7", "fpv5-d16"),
    "STM32F407": Core("cortex-m4", "fpv4-sp-d16"),
    "STM32F411": Core("cortex-m4", "fpv4-sp-d16"),
    "STM32F446": Core("cortex-m4", "fpv4-sp-d16"),
    "STM32L475": Core("cortex-m4", "fpv4-sp-d16"),
    "STM32L476": Core("cortex-m4", "fpv4-sp-d16"),
    "STM32U575": Core("cortex-m33", "fpv5-sp-d16"),
    "STM32U585": Core("cortex-m33", "fpv5-sp-d16"),
    "STM32G0B1": Core("cortex-m0plus", None),
}


def core_of(mcu: str) -> Core | None:
    """Return the core of a CubeIDE identifier such as `STM32F746NGHx`, or None if unknown."""
    return _CORES.get(mcu[:9])
