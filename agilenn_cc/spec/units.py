"""Quantities as people write them (`64 KiB`, `50 ms`, `96x96x3`, `host:port`) to plain numbers."""

from __future__ import annotations

import re
from itertools import pairwise

_BYTES = {"B": 1, "bytes": 1, "kB": 10**3, "KB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20}
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}

MOST_RATES = 8
LARGEST_RATE = 16.0

QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]+)\s*")
IMAGE_PATTERN = r"^[1-9][0-9]*x[1-9][0-9]*x[1-9][0-9]*$"
BYTES_PATTERN = r"^[0-9]+(\.[0-9]+)? ?(B|bytes|kB|KB|KiB|MB|MiB)$"
TIME_PATTERN = r"^[0-9]+(\.[0-9]+)? ?(us|ms|s)$"
SERVER_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,62})?:[0-9]{1,5}$"


class UnitError(ValueError):
    """A quantity that cannot be read; says why and how to write it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def parse_bytes(value: object) -> int:
    """Read a number of bytes: `64 KiB`, `1400 B`, or a plain whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number, unit = _split(value, _BYTES, "a size", "64 KiB")
    size = number * _BYTES[unit]
    if size != int(size):
        raise UnitError(f"`{value}` is not a whole number of bytes", "use a smaller unit")
    return int(size)


def parse_milliseconds(value: object) -> float:
    """Read a time in milliseconds: `50 ms`, `900 us`, `0.5 s`. The unit is required."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise UnitError(f"`{value}` has no unit of time", f"write `{value} ms` or `{value} s`")
    number, unit = _split(value, _MILLISECONDS, "a time", "50 ms")
    return number * _MILLISECONDS[unit]


def parse_image(value: object) -> tuple[int, int, int]:
    """Read `HxWxC`: height, width, channels; each axis at most 1024, channels at most 64."""
    hint = "write height x width x channels: 96x96x3 for colour, 96x96x1 for grey"
    if not isinstance(value, str) or not re.fullmatch(IMAGE_PATTERN, value.strip()):
        if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]*x[1-9][0-9]*", value.strip()):
            raise UnitError(
                f"`{value}` lacks the number of channels",
                f"write {value}x3 for colour or {value}x1 for grey",
            )
        raise UnitError(f"`{value}` is not an image size", hint)
    height, width, channels = (int(part) for part in value.split("x"))
    if height > 1024 or width > 1024 or channels > 64:
        raise UnitError(f"`{value}` is too large", "at most 1024x1024x64")
    return height, width, channels


def parse_rates(value: object) -> tuple[float, ...]:
    """Read step factors: 1 to 8 ascending numbers from 1 to 16, the first of them 1."""
    hint = "write ascending step factors from 1 on, for example [1, 1.5, 2.25]"
    if not isinstance(value, list | tuple) or not all(
        isinstance(factor, int | float) and not isinstance(factor, bool) for factor in value
    ):
        raise UnitError(f"`{value}` is not a list of numbers", hint)
    factors = tuple(float(factor) for factor in value)
    if not 1 <= len(factors) <= MOST_RATES:
        raise UnitError(f"{len(factors)} rates: 1 to {MOST_RATES} are possible", hint)
    if factors[0] != 1.0:
        raise UnitError(f"the first rate is {factors[0]:g}, but the finest step is 1", hint)
    if not all(low < high for low, high in pairwise(factors)):
        raise UnitError("the rates do not ascend", hint)
    if not factors[-1] <= LARGEST_RATE:
        raise UnitError(f"a rate is above {LARGEST_RATE:g}", hint)
    return factors


def parse_server(value: object) -> str:
    """Read `host:port`, a name or an IPv4 address with a UDP port."""
    hint = "write host:port, for example 192.168.1.10:5700"
    if not isinstance(value, str) or not re.fullmatch(SERVER_PATTERN, value):
        if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", value):
            raise UnitError(f"`{value}` lacks the port", f"write {value}:5700")
        raise UnitError(f"`{value}` is not a server address", hint)
    host, _, port = value.rpartition(":")
    if not 1 <= int(port) <= 65535:
        raise UnitError(f"{port} is not a UDP port", "ports run from 1 to 65535")
    parts = host.split(".")
    numeric = all(part.isdigit() for part in parts)
    if numeric and (len(parts) != 4 or any(int(part) > 255 for part in parts)):
        raise UnitError(f"`{host}` is not an IPv4 address", "four numbers of 0 to 255")
    return value


def _split(
    value: object, units: dict[str, float] | dict[str, int], kind: str, example: str
) -> tuple[float, str]:
    match = QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise UnitError(f"`{value}` is not {kind}", f"write it like `{example}`")
    number, unit = match.groups()
    if unit in units:
        return float(number), unit
    same = [known for known in units if known.lower() == unit.lower()]
    advice = f"write `{number} {same[0]}`" if same else "the units are: " + ", ".join(units)
    raise UnitError(f"`{unit}` is not a unit here", advice)
