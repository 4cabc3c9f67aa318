"""The emulated board: an STM32F746 that runs an ELF, and the WiFi module behind its UART."""

from agilenn_cc.emulator.air_link import AirConfig, expects_answer
from agilenn_cc.emulator.at_config import AtConfig, Fault
from agilenn_cc.emulator.board import EmulatedBoard
from agilenn_cc.emulator.calls import Call, per_phase
from agilenn_cc.emulator.diagnostics import EmulationError
from agilenn_cc.emulator.esp_at import EspAtModule
from agilenn_cc.emulator.firmware_image import FirmwareImage
from agilenn_cc.emulator.phases import phase_symbols
from agilenn_cc.emulator.simulation import FrameResult, Simulation, parse_answer, simulate
from agilenn_cc.emulator.timeline import Span, Timeline
from agilenn_cc.emulator.timeline_recorder import TimelineRecorder, TimelineRequest

__all__ = [
    "AirConfig",
    "AtConfig",
    "Call",
    "EmulatedBoard",
    "EmulationError",
    "EspAtModule",
    "Fault",
    "FirmwareImage",
    "FrameResult",
    "Simulation",
    "Span",
    "Timeline",
    "TimelineRecorder",
    "TimelineRequest",
    "expects_answer",
    "parse_answer",
    "per_phase",
    "phase_symbols",
    "simulate",
]
