"""Boards and their microcontrollers as frozen, self-checking values."""

from .clock import Clock, Limits, Pll
from .load import list_targets, load_target
from .model import Mcu, Target
from .parts import (
    CubeIde,
    DmaChannel,
    Estimates,
    Pin,
    Region,
    Uart,
    UartDma,
    Wire,
)

__all__ = [
    "Clock",
    "CubeIde",
    "DmaChannel",
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
