"""The WiFi module behind the link UART: Espressif's AT command set on an ESP8266.

Answers follow the ESP-AT user guide for ESP8266 (AT firmware 2.2): command echo, `busy p...` while
a command runs, `>` before data, `Recv n bytes` and `SEND OK` after it, `+IPD,n:` before what comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agilenn_cc.emulator.air_link import AirConfig, AirLink
from agilenn_cc.emulator.at_config import AtConfig, Fault
from agilenn_cc.emulator.at_station import ERROR, OK, Handler, Station, split_arguments
from agilenn_cc.emulator.serial_output import SerialOutput, SerialPort
from agilenn_cc.emulator.virtual_time import PICOSECONDS, VirtualTime

_DEFAULT_BAUD = 115_200
_BOOT_ROM_BAUD = 74_880
_UART_CLOCK_HZ = 80_000_000
_BAUD_TOLERANCE = 0.03
_MAX_LINE = 256
_COMMAND = re.compile(r"AT\+([A-Z0-9_]+)(\?|=\?|=(.*))?$")
# Settings that change nothing in this model.
_ACCEPTED = {
    *("SYSSTORE", "SYSLOG", "RFPOWER", "CWMODE", "CWMODE_CUR", "CWMODE_DEF"),
    *("CWAUTOCONN", "CWRECONNCFG", "CWDHCP", "CWHOSTNAME"),
    *("CIPDINFO", "CIPMODE", "CIPSTA", "CIPSTA_CUR", "CIPRECVMODE"),
}


class EspAtModule:
    """One module. `server` is the real UDP endpoint that every CIPSTART reaches; None: nothing.

    The address that the firmware asks for is recorded in `remote`, but traffic goes to `server`,
    usually on the loopback interface.
    """

    def __init__(
        self,
        server: tuple[str, int] | None = None,
        *,
        config: AtConfig | None = None,
        air: AirConfig | None = None,
        expects_answer: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.config = config or AtConfig()
        self.air = (
            AirLink(air or AirConfig(), server)
            if expects_answer is None
            else AirLink(air or AirConfig(), server, expects_answer)
        )
        self.air.on_datagram = self._datagram_arrived
        self.commands: list[str] = []
        self._station = Station(self.config, self.air, self)
        self._output = SerialOutput()
        self._fault_hits = dict.fromkeys(range(len(self.config.faults)), 0)
        self._generation = 0
        self._power_on_state()

    def _power_on_state(self) -> None:
        self._requested_baud = _DEFAULT_BAUD
        self._output.baud, self._output.heeds_rts = self.baud, False
        self._echo = True
        self._ready = False
        self._busy: str | None = None
        self._line = bytearray()
        self._expected_data = 0
        self._data = bytearray()
        self._send_fails = False
        self._awake = self.config.beacon_s == 0.0

    @property
    def remote(self) -> tuple[str, int] | None:
        """Host and port that the firmware has asked for last."""
        return self._station.remote

    @property
    def baud(self) -> float:
        """Actual rate of the module's UART: 80 MHz divided by an integer."""
        return _UART_CLOCK_HZ / round(_UART_CLOCK_HZ / self._requested_baud)

    def connect(self, port: SerialPort, time: VirtualTime) -> None:
        """Wire the module to a board and switch it on."""
        self._output.connect(port, time)
        self._time = time
        self.air.start(time)
        for fault in self.config.faults:
            if fault.at_s is not None:
                time.after(
                    round(fault.at_s * PICOSECONDS),
                    lambda fault=fault: self._strike(fault),  # type: ignore[misc]
                )
        self._boot()

    def close(self) -> None:
        """Release the socket; the board must not run any more."""
        self.air.close()

    # Power and radio

    def _boot(self) -> None:
        self._generation += 1
        self._output.clear()
        self._station.power_on()
        self._power_on_state()

        def ready() -> None:
            self._ready = True
            self.emit("\r\nready\r\n")
            self._station.started()

        def talk() -> None:
            self._output.baud = self.baud

        if self.config.boot_noise_bytes:
            self._output.baud = _BOOT_ROM_BAUD
            self.emit(bytes(0x20 + i % 0x5F for i in range(self.config.boot_noise_bytes)))
            self._output.then(talk)
        self.after(self.config.boot_s, ready)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` later, unless the module is reset before."""
        generation = self._generation

        def act() -> None:
            if generation == self._generation:
                action()

        self._time.after(round(seconds * PICOSECONDS), act)

    # Serial lines

    def emit(self, text: str | bytes) -> None:
        """Send text to the board."""
        self._output.send(text.encode() if isinstance(text, str) else text)

    def receive(self, byte: int, baud: float) -> None:
        """Take a byte that the board has sent."""
        if not self._ready:
            return
        if abs(baud - self.baud) > _BAUD_TOLERANCE * self.baud:
            byte = (byte * 0x9D + 0x55) & 0xFF
        if self._expected_data:
            self._data.append(byte)
            if len(self._data) == self._expected_data:
                self._expected_data = 0
                self._transmit(bytes(self._data))
            return
        if self._echo and self._busy is None:
            self.emit(bytes((byte,)))
        self._line.append(byte)
        if byte == 0x0A or len(self._line) > _MAX_LINE:
            line = bytes(self._line)
            self._line.clear()
            self._take_line(line)

    def _take_line(self, raw: bytes) -> None:
        line = raw.decode("latin-1").strip("\r\n")
        if not line:
            return
        if self._busy is not None:
            self.emit(f"busy {self._busy}...\r\n")
            return
        self.commands.append(line)
        fault = self._fault_for(line)
        if fault is not None and fault.kind in ("reset", "wifi-lost", "garbage"):
            self._strike(fault)
            if fault.kind == "reset":
                return
            fault = None
        self._busy = "p"
        self.after(self.config.command_s, lambda: self._execute(line, fault))

    # Faults

    def _fault_for(self, line: str) -> Fault | None:
        for index, fault in enumerate(self.config.faults):
            if fault.at_s is None and line.startswith(fault.command):
                self._fault_hits[index] += 1
                if self._fault_hits[index] == fault.occurrence:
                    return fault
        return None

    def _strike(self, fault: Fault) -> None:
        if fault.kind == "reset":
            self._boot()
        elif fault.kind == "wifi-lost":
            self._station.lose_wifi(fault.duration_s)
        elif fault.kind == "garbage":
            self.emit(bytes(range(0x80, 0x100, 3)) + b"+IPD,\x00OK\r")

    # Commands

    def finish(self, answer: str) -> None:
        """Answer the command that is being executed."""
        self._busy = None
        self.emit(answer)

    def _execute(self, line: str, fault: Fault | None) -> None:
        if fault is not None:
            if fault.kind == "error":
                self.finish(ERROR)
                return
            if fault.kind == "busy":
                self.finish("busy p...\r\n")
                return
            if fault.kind == "silent":
                self._busy = None
                return
        if line in ("AT", "ATE0", "ATE1"):
            self._echo = line == "ATE1" or (self._echo and line == "AT")
            self.finish(OK)
            return
        match = _COMMAND.match(line)
        if match is None:
            self.finish(ERROR)
            return
        name, suffix = match.group(1), match.group(2) or ""
        arguments = (
            split_arguments(match.group(3)) if suffix.startswith("=") and suffix != "=?" else []
        )
        handler = {**self._station.handlers(), **self._handlers()}.get((name, suffix[:1]))
        if handler is not None:
            handler(arguments)
        elif name == "CIPSEND" and suffix.startswith("="):
            self._cipsend(arguments, fault)
        elif name in _ACCEPTED and suffix.startswith("="):
            self.finish(OK)
        else:
            self.finish(ERROR)

    def _handlers(self) -> dict[tuple[str, str], Handler]:
        return {
            ("GMR", ""): self._gmr,
            ("RST", ""): self._rst,
            ("RESTORE", ""): self._restore,
            ("SLEEP", "="): self._sleep,
            ("UART_CUR", "="): self._uart,
            ("UART_CUR", "?"): lambda _: self.finish(
                f"+UART_CUR:{round(self.baud)},8,1,0,{3 if self._output.heeds_rts else 0}\r\n{OK}"
            ),
        }

    def _gmr(self, _arguments: list[str]) -> None:
        self.finish(
            "AT version:2.2.1.0(emulated)\r\nSDK version:v3.4-22-g967752e2\r\n"
            "Bin version:2.2.0(ESP8266_1MB)\r\n" + OK
        )

    def _rst(self, _arguments: list[str]) -> None:
        self.emit(OK)
        self._output.then(self._boot)

    def _restore(self, arguments: list[str]) -> None:
        self._station.forget()
        self._rst(arguments)

    def _sleep(self, arguments: list[str]) -> None:
        if arguments not in (["0"], ["1"], ["2"]):
            self.finish(ERROR)
            return
        self._awake = self.config.beacon_s == 0.0 or arguments == ["0"]
        self.finish(OK)

    def _uart(self, arguments: list[str]) -> None:
        if len(arguments) != 5 or not all(argument.isdigit() for argument in arguments):
            self.finish(ERROR)
            return
        baud, bits, stop, parity, flow = map(int, arguments)
        if not 80 <= baud <= self.config.max_baud or (bits, stop, parity) != (8, 1, 0) or flow > 3:
            self.finish(ERROR)
            return

        def switch() -> None:
            self._requested_baud = baud
            self._output.baud, self._output.heeds_rts = self.baud, bool(flow & 2)

        self.finish(OK)
        # The answer still leaves at the old rate.
        self._output.then(switch)

    def _cipsend(self, arguments: list[str], fault: Fault | None) -> None:
        if not self._station.connected:
            self.finish("link is not valid\r\n" + ERROR)
            return
        size = int(arguments[0]) if arguments and arguments[0].isdigit() else 0
        if not 0 < size <= self.config.max_send_bytes:
            self.finish("too long\r\n" + ERROR)
            return
        self._send_fails = fault is not None and fault.kind == "send-fail"
        if fault is not None and fault.kind == "no-prompt":
            self.finish(OK)
            return

        def prompt() -> None:
            self._data.clear()
            self._expected_data = size
            self.emit("\r\n>")

        self.emit(OK)
        self.after(self.config.prompt_s, prompt)

    def _transmit(self, datagram: bytes) -> None:
        self._busy = "s"
        self.emit(f"\r\nRecv {len(datagram)} bytes\r\n")
        if self._send_fails or not self._station.connected:
            self.finish("\r\nSEND FAIL\r\n")
            return
        air_ps = self.air.send(datagram)
        self.after(air_ps / PICOSECONDS, lambda: self.finish("\r\nSEND OK\r\n"))

    def _datagram_arrived(self, datagram: bytes) -> None:
        if self._awake:
            self._hand_on(datagram)
            return
        beacon_ps = round(self.config.beacon_s * PICOSECONDS)
        self.after(-self._time.now_ps % beacon_ps / PICOSECONDS, lambda: self._hand_on(datagram))

    def _hand_on(self, datagram: bytes) -> None:
        if self._ready and self._station.connected:
            self.emit(f"\r\n+IPD,{len(datagram)}:".encode() + datagram)
