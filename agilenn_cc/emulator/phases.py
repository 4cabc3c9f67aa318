"""Which phase of an inference each function of a firmware belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from agilenn_cc.emulator.firmware_image import FirmwareImage
from agilenn_cc.emulator.timeline import ENCODE, EXTRACTOR, LINK

_DRIVERS = ("agilenn::network::push_row", "agilenn::network::begin_frame")
_ENCODERS = ("14FragmentWriterI", "EncoderI")
_WAITING = ("agilenn::Engine::take_fragment", "agilenn::Engine::send_fragment")


def phase_symbols(image: FirmwareImage, stages: Mapping[str, str]) -> dict[str, str]:
    """Return the phase of each function of an ELF that has one, by symbol.

    stages: symbol or symbol prefix of each stage function and its phase, as `Program.phases` has
    them. The row driver (`push_row`) counts as extractor without the stages and the encoder that
    it calls; waiting for the link inside the encoder's sink is `link`.
    """
    phases = {image.find(driver).symbol: EXTRACTOR for driver in _DRIVERS}
    for symbol, phase in stages.items():
        phases[image.find(symbol).symbol] = phase
    for function in image.functions:
        if any(part in function.symbol for part in _ENCODERS):
            phases[function.symbol] = ENCODE
        elif function.name in _WAITING:
            phases[function.symbol] = LINK
    return phases
