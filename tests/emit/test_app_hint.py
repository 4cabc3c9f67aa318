"""An application that no longer compiles is the user's: the message says where the new one is."""

import pytest

from agilenn_cc.emit.firmware_build import _hint


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("App/main.cpp:35:8: error: 'LinkUart' does not name a type", "App/ is yours"),
        ("Runtime/agilenn/text.cpp:3:1: error: expected ';'", "the command was: g++ -c x"),
    ],
)
def test_who_can_mend_it(line: str, said: str) -> None:
    assert _hint(("g++", "-c", "x"), (line,)).startswith(said)
