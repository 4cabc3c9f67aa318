"""Boards and their microcontrollers as frozen, self-checking values."""

from .load import list_targets, load_target
from .model import (
    Clock,
    CubeIde,
    DmaStream,
    Estimates,
    Limits,
    Mcu,
    Pin,
    Pll,
    Region,
    Target,
    Uart,
    UartDma,
    Wire,
)

__all__ = [
    "Clock",
    "CubeIde",
    "DmaStream",
    "Estimates",
    "Limits",
    "Mcu",
    "Pin",
    "Pll",
    "Region",
    "Target",
    "Uart",
    "UartDma",
    "Wire",
    "list_targets",
    "load_target",
]
