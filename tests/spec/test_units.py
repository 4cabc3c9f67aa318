"""Quantities with units."""

from __future__ import annotations

import pytest

from agilenn_cc.spec.units import (
    UnitError,
    parse_bytes,
    parse_image,
    parse_milliseconds,
    parse_server,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64 KiB", 65_536),
        ("64KiB", 65_536),
        ("1.5 KiB", 1_536),
        ("2 MiB", 2_097_152),
        ("3 kB", 3_000),
        ("1 MB", 1_000_000),
        ("7 B", 7),
        ("7 bytes", 7),
        (1400, 1400),
    ],
)
def test_bytes(text: object, value: int) -> None:
    assert parse_bytes(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("50 ms", 50.0), ("900us", 0.9), ("0.5 s", 500.0), ("2 s", 2000.0)]
)
def test_milliseconds(text: str, value: float) -> None:
    assert parse_milliseconds(text) == pytest.approx(value)


def test_images_and_servers() -> None:
    assert parse_image("96x80x3") == (96, 80, 3)
    assert parse_server("10.0.0.7:5700") == "10.0.0.7:5700"
    assert parse_server("server.example.org:1") == "server.example.org:1"


@pytest.mark.parametrize(
    ("parse", "value", "hint"),
    [
        (parse_bytes, "64 kib", "64 KiB"),
        (parse_bytes, "64 Kb", "64 kB"),
        (parse_bytes, "64 ms", "KiB"),
        (parse_bytes, "lots", "64 KiB"),
        (parse_bytes, "-1 KiB", "64 KiB"),
        (parse_bytes, "0.3 B", "smaller unit"),
        (parse_bytes, True, "64 KiB"),
        (parse_milliseconds, 50, "50 ms"),
        (parse_milliseconds, "50 MS", "50 ms"),
        (parse_milliseconds, "50 KiB", "us, ms, s"),
        (parse_milliseconds, True, "50 ms"),
        (parse_image, "32x32", "32x32x3"),
        (parse_image, "32", "96x96x3"),
        (parse_image, "0x8x1", "96x96x3"),
        (parse_image, 8, "96x96x3"),
        (parse_image, "8x8x3x1", "96x96x3"),
        (parse_image, "4096x8x1", "1024x1024x64"),
        (parse_server, "10.0.0.7", "10.0.0.7:5700"),
        (parse_server, "10.0.0.700:1", "0 to 255"),
        (parse_server, "10.0.7:1", "four numbers"),
        (parse_server, "a:70000", "65535"),
        (parse_server, "a:0", "65535"),
        (parse_server, "http://a:1", "host:port"),
        (parse_server, 5700, "host:port"),
    ],
)
def test_wrong_quantities_say_what_to_write(parse: object, value: object, hint: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(value)  # type: ignore[operator]
    assert hint in caught.value.hint
