"""DMA controllers 1 and 2: eight streams each, paced by their peripheral (RM0385 chapter 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agilenn_cc.emulator.bus import Registers, unknown_register
from agilenn_cc.emulator.diagnostics import ModelViolation

_EN, _TCIE, _CIRC, _PINC, _MINC = 1 << 0, 1 << 4, 1 << 8, 1 << 9, 1 << 10
_TEIE, _HTIE = 1 << 2, 1 << 3
_FLAG_SHIFT = (0, 6, 16, 22)
_TCIF, _HTIF, _TEIF = 1 << 5, 1 << 4, 1 << 3
_TO_MEMORY, _TO_PERIPHERAL = 0, 1
_DMA1_INTERRUPTS = (11, 12, 13, 14, 15, 16, 17, 47)
_DMA2_INTERRUPTS = (56, 57, 58, 59, 60, 68, 69, 70)

# RM0385 tables 25 and 26: (controller, stream, channel) -> request.
REQUESTS: dict[tuple[int, int, int], str] = {
    (1, 0, 4): "UART5_RX",
    (1, 1, 4): "USART3_RX",
    (1, 2, 4): "UART4_RX",
    (1, 3, 4): "USART3_TX",
    (1, 4, 4): "UART4_TX",
    (1, 5, 4): "USART2_RX",
    (1, 6, 4): "USART2_TX",
    (1, 7, 4): "UART5_TX",
    (1, 4, 7): "USART3_TX",
    (1, 0, 5): "UART8_TX",
    (1, 1, 5): "UART7_TX",
    (1, 3, 5): "UART7_RX",
    (1, 6, 5): "UART8_RX",
    (2, 2, 4): "USART1_RX",
    (2, 5, 4): "USART1_RX",
    (2, 7, 4): "USART1_TX",
    (2, 1, 5): "USART6_RX",
    (2, 2, 5): "USART6_RX",
    (2, 6, 5): "USART6_TX",
    (2, 7, 5): "USART6_TX",
}


class Memory(Protocol):
    """What a DMA controller can reach; both raise `ModelViolation` outside."""

    def dma_read(self, address: int, size: int) -> bytes:
        """Read from memory as a bus master other than the core."""
        ...

    def dma_write(self, address: int, data: bytes) -> None:
        """Write to memory as a bus master other than the core."""
        ...


@dataclass
class _Stream:
    cr: int = 0
    ndtr: int = 0
    par: int = 0
    m0ar: int = 0
    m1ar: int = 0
    fcr: int = 0x21
    reload: int = 0
    position: int = 0


class Dma(Registers):
    """One controller. Peripherals ask for single transfers by request name (`USART6_TX`).

    Direct mode with bytes only: what a UART needs. Memory-to-memory, double buffers and wider
    transfers end the run with a message.
    """

    def __init__(self, number: int, memory: Memory, set_line: Callable[[int, bool], None]) -> None:
        super().__init__(f"DMA{number}", {})
        self._number = number
        self._memory = memory
        self._set_line = set_line
        self._interrupts = _DMA1_INTERRUPTS if number == 1 else _DMA2_INTERRUPTS
        self._streams = [_Stream() for _ in range(8)]
        self._flags = [0] * 8
        self._data_registers: dict[str, int] = {}
        self.armed: Callable[[str], None] = lambda request: None

    def connect(self, request: str, data_register: int) -> None:
        """Tell which peripheral register a request belongs to, to catch a wrong PAR."""
        self._data_registers[request] = data_register

    def _active(self, request: str) -> tuple[int, _Stream] | None:
        for index, stream in enumerate(self._streams):
            channel = stream.cr >> 25 & 7
            if stream.cr & _EN and REQUESTS.get((self._number, index, channel)) == request:
                return index, stream
        return None

    def pending(self, request: str) -> bytes:
        """Return what the stream that serves a transmitter has yet to send."""
        found = self._active(request)
        if found is None:
            return b""
        stream = found[1]
        return self._memory.dma_read(self._address(stream), stream.ndtr)

    def fetch(self, request: str) -> int | None:
        """Return the next byte from memory for a transmitter, or None if no stream serves it."""
        found = self._active(request)
        if found is None:
            return None
        index, stream = found
        self._expect(stream, index, request, _TO_PERIPHERAL)
        value = self._memory.dma_read(self._address(stream), 1)[0]
        self._advance(index, stream)
        return value

    def store(self, request: str, value: int) -> bool:
        """Write a received byte to memory; False if no stream serves the request."""
        found = self._active(request)
        if found is None:
            return False
        index, stream = found
        self._expect(stream, index, request, _TO_MEMORY)
        self._memory.dma_write(self._address(stream), bytes((value,)))
        self._advance(index, stream)
        return True

    def _expect(self, stream: _Stream, index: int, request: str, direction: int) -> None:
        wrong = None
        if stream.cr >> 6 & 3 != direction:
            wrong = "its direction (CR.DIR) is wrong"
        elif stream.par != self._data_registers.get(request, stream.par):
            wrong = f"PAR is 0x{stream.par:08x}, not the data register of {request}"
        elif stream.cr & (3 << 11 | 3 << 13 | 1 << 18 | 1 << 5 | _PINC):
            wrong = "only byte transfers in direct mode without double buffer are modelled"
        if wrong:
            raise ModelViolation("dma", f"DMA{self._number} stream {index} for {request}: {wrong}")

    @staticmethod
    def _address(stream: _Stream) -> int:
        return stream.m0ar + (stream.position if stream.cr & _MINC else 0)

    def _advance(self, index: int, stream: _Stream) -> None:
        stream.ndtr -= 1
        stream.position += 1
        if stream.ndtr == stream.reload // 2:
            self._flags[index] |= _HTIF
        if stream.ndtr == 0:
            self._flags[index] |= _TCIF
            if stream.cr & _CIRC:
                stream.ndtr, stream.position = stream.reload, 0
            else:
                stream.cr &= ~_EN
        self._update(index)

    def _update(self, index: int) -> None:
        stream, flags = self._streams[index], self._flags[index]
        level = (
            (stream.cr & _TCIE and flags & _TCIF)
            or (stream.cr & _HTIE and flags & _HTIF)
            or (stream.cr & _TEIE and flags & _TEIF)
        )
        self._set_line(self._interrupts[index], bool(level))

    def read(self, offset: int, size: int) -> int:
        """Read LISR, HISR or a stream register (words only are meaningful)."""
        if offset < 0x10:
            if offset in (0x0, 0x4):
                first = offset  # 4 streams a register
                return sum(self._flags[first + i] << _FLAG_SHIFT[i] for i in range(4))
            return 0
        stream, register = self._stream_at(offset)
        value: int = getattr(self._streams[stream], register)
        return value

    def write(self, offset: int, size: int, value: int) -> None:
        """Write LIFCR, HIFCR or a stream register."""
        if offset in (0x8, 0xC):
            first = offset - 0x8
            for index in range(4):
                self._flags[first + index] &= ~(value >> _FLAG_SHIFT[index])
                self._update(first + index)
            return
        index, register = self._stream_at(offset)
        stream = self._streams[index]
        if register == "cr":
            self._write_control(index, stream, value)
            return
        if stream.cr & _EN and register != "fcr":
            raise ModelViolation(
                "dma", f"DMA{self._number} stream {index}: {register.upper()} is written while EN"
            )
        setattr(stream, register, value & 0xFFFF if register == "ndtr" else value)

    def _write_control(self, index: int, stream: _Stream, value: int) -> None:
        starts = bool(value & _EN) and not stream.cr & _EN
        stops = bool(stream.cr & _EN) and not value & _EN
        if starts:
            if self._flags[index]:
                raise ModelViolation(
                    "dma",
                    f"DMA{self._number} stream {index} is enabled with event flags still set",
                    "clear the flags in LIFCR/HIFCR first (RM0385 section 8.3.18)",
                )
            if stream.ndtr == 0:
                value &= ~_EN
            stream.reload, stream.position = stream.ndtr, 0
        stream.cr = value & 0x0FFFFFFF
        if stops:
            # The hardware reports the end of a stopped transfer by TCIF (RM0385 section 8.3.15).
            self._flags[index] |= _TCIF
        self._update(index)
        if starts and stream.cr & _EN:
            request = REQUESTS.get((self._number, index, value >> 25 & 7))
            if request is None:
                raise ModelViolation(
                    "dma",
                    f"DMA{self._number} stream {index} channel {value >> 25 & 7}: "
                    "no modelled peripheral is connected there",
                )
            self.armed(request)

    def _stream_at(self, offset: int) -> tuple[int, str]:
        index, register = divmod(offset - 0x10, 0x18)
        if not 0 <= index < 8:
            raise unknown_register(self.name, offset)
        return index, ("cr", "ndtr", "par", "m0ar", "m1ar", "fcr")[register // 4]
