"""How the emulated WiFi module behaves: rates, delays, and the faults that tests inject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FaultKind = Literal[
    "error", "busy", "silent", "send-fail", "no-prompt", "reset", "wifi-lost", "garbage"
]
_TIMED: tuple[FaultKind, ...] = ("reset", "wifi-lost", "garbage")


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong once.

    A fault comes at the `occurrence`-th command that starts with `command` (1 is the first), or,
    for `reset`, `wifi-lost` and `garbage`, at `at_s` seconds after power-on. `duration_s`: how long
    WiFi stays lost.
    """

    kind: FaultKind
    command: str = "AT"
    occurrence: int = 1
    at_s: float | None = None
    duration_s: float = 0.5

    def __post_init__(self) -> None:
        if self.at_s is not None and self.kind not in _TIMED:
            raise ValueError(f"fault '{self.kind}' follows a command, not the clock")


@dataclass(frozen=True)
class AtConfig:
    """The module: ESP8266 with AT firmware 2.x as Espressif documents it.

    max_baud bounds AT+UART_CUR (ESP8266: 4.5 Mbaud). Delays in seconds: boot_s from reset to
    `ready`, join_s for AT+CWJAP, command_s for any answer, prompt_s from AT+CIPSEND to `>`.
    password: what the access point wants (None: anything). boot_noise_bytes: what the boot ROM
    writes at 74,880 baud before the AT firmware starts. beacon_s: a radio that sleeps hands on
    what it receives with the access point's next beacon (0: it never sleeps); AT+SLEEP=0 keeps it
    awake.
    """

    max_baud: int = 4_500_000
    boot_s: float = 0.3
    join_s: float = 0.8
    command_s: float = 0.0005
    prompt_s: float = 0.001
    max_send_bytes: int = 2048
    password: str | None = None
    boot_noise_bytes: int = 0
    beacon_s: float = 0.0
    faults: tuple[Fault, ...] = ()
