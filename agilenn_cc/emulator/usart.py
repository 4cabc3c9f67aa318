"""USART: baud rate, transmitter, receiver, DMA requests, interrupts (RM0385 chapter 31)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from agilenn_cc.emulator.bus import Registers
from agilenn_cc.emulator.diagnostics import ModelViolation
from agilenn_cc.emulator.dma import Dma
from agilenn_cc.emulator.virtual_time import PICOSECONDS, Event, VirtualTime

_CR1, _CR2, _CR3, _BRR, _GTPR, _RTOR, _RQR, _ISR, _ICR, _RDR, _TDR = range(0, 0x2C, 4)
_UE, _RE, _TE, _IDLEIE, _RXNEIE, _TCIE, _TXEIE = (
    1 << 0,
    1 << 2,
    1 << 3,
    1 << 4,
    1 << 5,
    1 << 6,
    1 << 7,
)
_OVER8 = 1 << 15
_EIE, _DMAR, _DMAT, _RTSE, _OVRDIS = 1 << 0, 1 << 6, 1 << 7, 1 << 8, 1 << 12
_FE, _NE, _ORE, _IDLE, _RXNE, _TC, _TXE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_TEACK, _REACK = 1 << 21, 1 << 22
_CLEARABLE = {1 << 0: 1 << 0, 1 << 1: _FE, 1 << 2: _NE, 1 << 3: _ORE, 1 << 4: _IDLE, 1 << 6: _TC}
BITS_PER_FRAME = 10
BAUD_TOLERANCE = 0.03


class SerialLine(Protocol):
    """The other end of the wires."""

    def receive(self, byte: int, baud: float) -> None:
        """Take a byte that the board has sent at `baud`."""
        ...


class SerialObserver(Protocol):
    """Someone who follows what one USART sends and receives."""

    def transfer_begins(self, data: bytes) -> None:
        """DMA has been enabled to send `data`."""
        ...

    def byte_sent(self) -> None:
        """The stop bit of a byte has left."""
        ...

    def byte_received(self, byte: int, baud: float) -> None:
        """The stop bit of a byte has come in at `baud`."""
        ...


class Usart(Registers):
    """One USART with 8 data bits, no parity and one stop bit, at the rate that BRR gives."""

    def __init__(
        self,
        name: str,
        time: VirtualTime,
        dma: Dma,
        set_line: Callable[[bool], None],
        clock_hz: Callable[[], int],
    ) -> None:
        super().__init__(name, dict.fromkeys(range(0, 0x2C, 4), 0))
        self.values[_ISR] = _TC | _TXE
        self._time = time
        self._dma = dma
        self._set_line = set_line
        self._clock_hz = clock_hz
        self._tx_request, self._rx_request = f"{name}_TX", f"{name}_RX"
        self._holding: int | None = None
        self._shifting: int | None = None
        self._last_received_ps = 0
        self._idle_check: Event | None = None
        self.line: SerialLine | None = None
        self.check_pins: Callable[[], None] = lambda: None
        self.overruns = 0
        self.observer: SerialObserver | None = None

    @property
    def baud(self) -> float:
        """Bits per second of the wire (RM0385 section 31.5.4)."""
        brr = self.values[_BRR]
        if self.values[_CR1] & _OVER8:
            divider = brr & 0xFFF0 | (brr & 7) << 1
            minimum, clock = 16, 2 * self._clock_hz()
        else:
            divider, minimum, clock = brr & 0xFFFF, 16, self._clock_hz()
        if divider < minimum:
            raise ModelViolation(
                "usart", f"{self.name}: BRR = 0x{brr:x} is below its minimum of 16"
            )
        return clock / divider

    @property
    def frame_ps(self) -> int:
        """Duration of one byte on the wire in picoseconds."""
        return round(BITS_PER_FRAME * PICOSECONDS / self.baud)

    @property
    def ready_to_receive(self) -> bool:
        """Level of RTS: true unless the receiver is full and RTS flow control is on."""
        return not (self.values[_CR3] & _RTSE and self.values[_ISR] & _RXNE)

    def _on(self, bit: int) -> bool:
        return self.values[_CR1] & (_UE | bit) == _UE | bit

    # Transmitter

    def _transmit(self, value: int) -> None:
        """Put a byte into the transmit data register; it is lost if the register is full."""
        if not self._on(_TE):
            return
        self.values[_ISR] &= ~(_TXE | _TC)
        self._holding = value & 0xFF
        if self._shifting is None:
            self._start_shift()

    def _start_shift(self) -> None:
        self._shifting, self._holding = self._holding, None
        self.values[_ISR] |= _TXE
        self._time.after(self.frame_ps, self._shifted)
        self._serve_transmit_dma()

    def _shifted(self) -> None:
        byte, self._shifting = self._shifting, None
        if byte is not None and self.line is not None:
            self.check_pins()
            self.line.receive(byte, self.baud)
        if self.observer is not None:
            self.observer.byte_sent()
        if self._holding is not None:
            self._start_shift()
        else:
            self.values[_ISR] |= _TC
        self._update()

    def _serve_transmit_dma(self) -> None:
        if not (self.values[_CR3] & _DMAT and self._on(_TE) and self.values[_ISR] & _TXE):
            return
        byte = self._dma.fetch(self._tx_request)
        if byte is not None:
            self._transmit(byte)

    def dma_armed(self, request: str) -> None:
        """Serve a stream that was just enabled."""
        if request == self._tx_request:
            if self.observer is not None:
                self.observer.transfer_begins(self._dma.pending(request))
            self._serve_transmit_dma()
        elif request == self._rx_request:
            self._serve_receive_dma()
        self._update()

    # Receiver

    def receive(self, byte: int, baud: float) -> None:
        """Take a byte from the wire; another rate than ours gives a framing error and rubbish."""
        if self.observer is not None:
            self.observer.byte_received(byte, baud)
        if not self._on(_RE):
            return
        if abs(baud - self.baud) > BAUD_TOLERANCE * self.baud:
            self.values[_ISR] |= _FE
            byte = (byte * 0x9D + 0x55) & 0xFF
        if self.values[_ISR] & _RXNE:
            if not self.values[_CR3] & _OVRDIS:
                self.values[_ISR] |= _ORE
                self.overruns += 1
        else:
            self.values[_RDR] = byte
            self.values[_ISR] |= _RXNE
            self._serve_receive_dma()
        self._last_received_ps = self._time.moment_ps
        if self._idle_check is None:
            self._idle_check = self._time.after(self.frame_ps, self._check_idle)
        self._update()

    def _serve_receive_dma(self) -> None:
        if (
            self.values[_CR3] & _DMAR
            and self.values[_ISR] & _RXNE
            and self._dma.store(self._rx_request, self.values[_RDR])
        ):
            self.values[_ISR] &= ~_RXNE

    def _check_idle(self) -> None:
        self._idle_check = None
        idle_at = self._last_received_ps + self.frame_ps
        if self._time.moment_ps < idle_at:
            self._idle_check = self._time.at(idle_at, self._check_idle)
            return
        self.values[_ISR] |= _IDLE
        self._update()

    # Registers

    def _update(self) -> None:
        cr1, cr3, isr = self.values[_CR1], self.values[_CR3], self.values[_ISR]
        level = bool(cr1 & _UE) and bool(
            (cr1 & _TXEIE and isr & _TXE)
            or (cr1 & _TCIE and isr & _TC)
            or (cr1 & _RXNEIE and isr & (_RXNE | _ORE))
            or (cr1 & _IDLEIE and isr & _IDLE)
            or (cr3 & _EIE and isr & (_FE | _NE | _ORE))
        )
        self._set_line(level)

    def read_word(self, offset: int) -> int:
        """Read a register; reading RDR clears RXNE."""
        if offset == _ISR:
            ready = _TEACK if self._on(_TE) else 0
            return self.values[_ISR] | ready | (_REACK if self._on(_RE) else 0)
        if offset == _RDR:
            self.values[_ISR] &= ~_RXNE
            self._update()
        return self.values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset == _TDR:
            self._transmit(value)
        elif offset == _ICR:
            for bit, flag in _CLEARABLE.items():
                if value & bit:
                    self.values[_ISR] &= ~flag
        elif offset == _RQR:
            if value & 1 << 3:
                self.values[_ISR] &= ~_RXNE
        elif offset == _BRR:
            if self.values[_CR1] & _UE:
                raise ModelViolation("usart", f"{self.name}: BRR is written while UE is set")
            self.values[_BRR] = value
        elif offset not in (_ISR, _RDR):
            self.values[offset] = value
            self._serve_transmit_dma()
            self._serve_receive_dma()
        self._update()
