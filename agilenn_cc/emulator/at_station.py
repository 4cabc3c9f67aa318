"""The WiFi side of the emulated module: access point, address, one UDP socket."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from agilenn_cc.emulator.air_link import AirLink
from agilenn_cc.emulator.at_config import AtConfig

OK = "\r\nOK\r\n"
ERROR = "\r\nERROR\r\n"
_ARGUMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",]*)')

Handler = Callable[[list[str]], None]


class Module(Protocol):
    """What a station needs of the module that it is part of."""

    def emit(self, text: str | bytes) -> None:
        """Send text to the board."""
        ...

    def finish(self, answer: str) -> None:
        """Answer the command that is being executed."""
        ...

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` later, unless the module is reset before."""
        ...


class Station:
    """Joins an access point, keeps its password over a reset, holds the socket."""

    def __init__(self, config: AtConfig, air: AirLink, module: Module) -> None:
        self._config = config
        self._air = air
        self._module = module
        self._credentials: tuple[str, str] | None = None
        self.remote: tuple[str, int] | None = None
        self.joined = False
        self.connected = False

    def power_on(self) -> None:
        """Start without WiFi and socket, as after a reset."""
        self._air.close()
        self.joined = self.connected = False

    def started(self) -> None:
        """Join the last access point again once the module is ready."""
        if self._credentials is not None:
            self._module.after(self._config.join_s, self._joined_again)

    def forget(self) -> None:
        """Forget the access point."""
        self._credentials = None

    def _joined_again(self) -> None:
        if self._credentials is not None and not self.joined:
            self.joined = True
            self._module.emit("WIFI CONNECTED\r\nWIFI GOT IP\r\n")

    def lose_wifi(self, duration_s: float) -> None:
        """Lose the access point for a while."""
        was_connected = self.connected
        self.power_on()
        self._module.emit("WIFI DISCONNECT\r\n" + ("CLOSED\r\n" if was_connected else ""))
        self._module.after(duration_s, self._joined_again)

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return what executes each command, by its name and `=`, `?` or nothing."""
        finish = self._module.finish
        return {
            ("CWMODE", "?"): lambda _: finish("+CWMODE:1\r\n" + OK),
            ("CWJAP", "="): self._cwjap,
            ("CWJAP_CUR", "="): self._cwjap,
            ("CWJAP_DEF", "="): self._cwjap,
            ("CWJAP", "?"): self._cwjap_query,
            ("CWQAP", ""): self._cwqap,
            ("CWLAP", ""): lambda _: finish(
                '+CWLAP:(3,"agilenn",-50,"02:00:00:00:00:01",6)\r\n' + OK
            ),
            ("CIFSR", ""): self._cifsr,
            ("CIPMUX", "="): self._cipmux,
            ("CIPMUX", "?"): lambda _: finish("+CIPMUX:0\r\n" + OK),
            ("CIPSTART", "="): self._cipstart,
            ("CIPCLOSE", ""): self._cipclose,
            ("CIPSTATUS", ""): self._cipstatus,
        }

    def _cwjap(self, arguments: list[str]) -> None:
        ssid, password = (*arguments, "", "")[:2]
        if self.joined:
            self.joined = self.connected = False
            self._air.close()
            self._module.emit("WIFI DISCONNECT\r\n")

        def done() -> None:
            if self._config.password not in (None, password):
                self._module.finish("+CWJAP:2\r\n" + ERROR)
                return
            self._credentials = (ssid, password)
            self.joined = True
            self._module.finish("WIFI CONNECTED\r\nWIFI GOT IP\r\n" + OK)

        self._module.after(self._config.join_s, done)

    def _cwjap_query(self, _arguments: list[str]) -> None:
        if not self.joined or self._credentials is None:
            self._module.finish("No AP\r\n" + OK)
        else:
            ssid = self._credentials[0]
            self._module.finish(f'+CWJAP:"{ssid}","02:00:00:00:00:01",6,-50\r\n{OK}')

    def _cwqap(self, _arguments: list[str]) -> None:
        was_joined = self.joined
        self.joined = self.connected = False
        self._credentials = None
        self._air.close()
        self._module.finish(OK + ("WIFI DISCONNECT\r\n" if was_joined else ""))

    def _cifsr(self, _arguments: list[str]) -> None:
        address = "192.168.1.77" if self.joined else "0.0.0.0"
        self._module.finish(
            f'+CIFSR:STAIP,"{address}"\r\n+CIFSR:STAMAC,"02:00:00:00:00:77"\r\n{OK}'
        )

    def _cipmux(self, arguments: list[str]) -> None:
        # Several links at once are not part of this model; refuse rather than pretend.
        self._module.finish(OK if arguments == ["0"] and not self.connected else ERROR)

    def _cipstart(self, arguments: list[str]) -> None:
        if self.connected:
            self._module.finish("ALREADY CONNECTED\r\n" + ERROR)
        elif not self.joined:
            self._module.finish("no ip\r\n" + ERROR)
        elif len(arguments) < 3 or arguments[0] != "UDP" or not _is_port(arguments[2]):
            self._module.finish(ERROR)
        else:
            self.remote = (arguments[1], int(arguments[2]))
            self._air.open()
            self.connected = True
            self._module.finish("CONNECT\r\n" + OK)

    def _cipclose(self, _arguments: list[str]) -> None:
        if not self.connected:
            self._module.finish(ERROR)
            return
        self.connected = False
        self._air.close()
        self._module.finish("CLOSED\r\n" + OK)

    def _cipstatus(self, _arguments: list[str]) -> None:
        status = 3 if self.connected else 2 if self.joined else 5
        link = ""
        if self.connected and self.remote is not None:
            link = f'+CIPSTATUS:0,"UDP","{self.remote[0]}",{self.remote[1]},0,0\r\n'
        self._module.finish(f"STATUS:{status}\r\n{link}{OK}")


def split_arguments(text: str) -> list[str]:
    """Split the arguments of a command; strings are quoted and may hold escaped characters."""
    arguments: list[str] = []
    position = 0
    while position <= len(text):
        match = _ARGUMENT.match(text, position)
        if match is None:
            break
        quoted, plain = match.groups()
        arguments.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain)
        position = match.end() + 1
        if match.end() >= len(text):
            break
    return arguments


def _is_port(text: str) -> bool:
    return text.isdigit() and 0 < int(text) < 65536
