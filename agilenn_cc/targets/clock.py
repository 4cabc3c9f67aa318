"""Clock trees and the limits that they must keep."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .parts import Frozen


class Pll(Frozen):
    """Dividers and multiplier of the main PLL, named as the reference manual names them.

    The core runs from output P or R, whichever `PllLimits.output` says; what else is given
    divides another output of the same PLL.
    """

    m: Annotated[int, Field(gt=0)]
    n: Annotated[int, Field(gt=0)]
    p: Annotated[int, Field(gt=0)] | None = None
    q: Annotated[int, Field(gt=0)] | None = None
    r: Annotated[int, Field(gt=0)] | None = None

    def divider(self, output: Literal["p", "r"]) -> int:
        """Return the divider of the output that the core runs from."""
        divider = self.p if output == "p" else self.r
        if divider is None:
            raise ValueError(f"clock: the core runs from output {output}, pll.{output} is missing")
        return divider


Divider = Literal[1, 2, 4, 8, 16]


class Clock(Frozen):
    """The clock tree; frequencies in Hz.

    Sources: a crystal (`hse`), an external clock (`hse-bypass`), the internal oscillators `hsi`
    and `msi`, or `fixed`: a clock that software cannot change, which needs no PLL.
    """

    source: Literal["hse", "hse-bypass", "hsi", "msi", "fixed"]
    source_hz: Annotated[int, Field(gt=0)]
    pll: Pll | None = None
    ahb_divider: Divider = 1
    apb1_divider: Divider = 1
    apb2_divider: Divider = 1
    flash_wait_states: Annotated[int, Field(ge=0, le=15)] = 0
    overdrive: bool = False
    sysclk_hz: Annotated[int, Field(gt=0)]

    @property
    def ahb_hz(self) -> int:
        """Clock of bus matrix, memories and DMA."""
        return self.sysclk_hz // self.ahb_divider

    @property
    def apb1_hz(self) -> int:
        """Clock of the first peripheral bus."""
        return self.ahb_hz // self.apb1_divider

    @property
    def apb2_hz(self) -> int:
        """Clock of the second peripheral bus."""
        return self.ahb_hz // self.apb2_divider


class PllLimits(Frozen):
    """What the registers of the main PLL can hold; ranges are inclusive."""

    m: tuple[int, int]
    n: tuple[int, int]
    output: Literal["p", "r"]
    dividers: tuple[int, ...]


class Limits(Frozen):
    """What the datasheet allows the clock tree; Hz."""

    sysclk_hz: int
    ahb_hz: int | None = None
    apb1_hz: int
    apb2_hz: int
    vco_input_hz: tuple[int, int]
    vco_output_hz: tuple[int, int]
    pll: PllLimits
    sysclk_without_overdrive_hz: int | None = None
    hz_per_wait_state: int


def check_clock(clock: Clock, limits: Limits) -> None:
    """Raise ValueError if the tree leaves the limits or contradicts itself."""
    _check_pll(clock, limits)
    for name, value, limit in (
        ("sysclk", clock.sysclk_hz, limits.sysclk_hz),
        ("ahb", clock.ahb_hz, limits.ahb_hz or limits.sysclk_hz),
        ("apb1", clock.apb1_hz, limits.apb1_hz),
        ("apb2", clock.apb2_hz, limits.apb2_hz),
    ):
        if value > limit:
            raise ValueError(f"clock: {name} runs at {value} Hz, allowed are {limit}")
    without = limits.sysclk_without_overdrive_hz
    if without is not None and clock.sysclk_hz > without and not clock.overdrive:
        raise ValueError(f"clock: {clock.sysclk_hz} Hz needs over-drive")
    if without is None and clock.overdrive:
        raise ValueError("clock: this part has no over-drive")
    needed = -(-clock.ahb_hz // limits.hz_per_wait_state) - 1
    if clock.flash_wait_states < needed:
        raise ValueError(f"clock: {clock.ahb_hz} Hz needs {needed} flash wait states")


def _check_pll(clock: Clock, limits: Limits) -> None:
    pll = clock.pll
    if pll is None:
        raise ValueError("clock: pll is missing")
    divider = pll.divider(limits.pll.output)
    for name, number, (low, high) in (("m", pll.m, limits.pll.m), ("n", pll.n, limits.pll.n)):
        if not low <= number <= high:
            raise ValueError(f"clock: pll.{name} is {number}, possible are {low} to {high}")
    if divider not in limits.pll.dividers:
        raise ValueError(f"clock: pll.{limits.pll.output} is none of {limits.pll.dividers}")
    vco_in = clock.source_hz / pll.m
    vco_out = vco_in * pll.n
    if not limits.vco_input_hz[0] <= vco_in <= limits.vco_input_hz[1]:
        raise ValueError(f"clock: PLL input {vco_in:.0f} Hz is outside {limits.vco_input_hz}")
    if not limits.vco_output_hz[0] <= vco_out <= limits.vco_output_hz[1]:
        raise ValueError(f"clock: VCO {vco_out:.0f} Hz is outside {limits.vco_output_hz}")
    if vco_out / divider != clock.sysclk_hz:
        raise ValueError(f"clock: the PLL gives {vco_out / divider:.0f} Hz, not sysclk_hz")
