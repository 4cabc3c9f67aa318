"""Stack frames as the compiler states them (-fcallgraph-info=su, which includes -fstack-usage)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NODE = re.compile(r'^node: \{ title: "([^"]*)" label: "([^"]*)"', re.MULTILINE)
_FRAME = re.compile(r"\\n(\d+) bytes \((static|dynamic|dynamic,bounded)\)")


@dataclass(frozen=True)
class Frame:
    """A function's stack in bytes; `bounded` is False where it depends on a value at run time."""

    bytes: int
    bounded: bool


def read_frames(folder: Path) -> Mapping[str, Frame]:
    """Return the frames of all functions below a build folder, by their (mangled) symbol.

    Functions of one name in several objects get the largest of their frames.
    """
    frames: dict[str, Frame] = {}
    for path in sorted(folder.rglob("*.ci")):
        for title, label in _NODE.findall(path.read_text(encoding="utf-8")):
            if found := _FRAME.search(label):
                symbol = title.rpartition(":")[2]
                frame = Frame(int(found[1]), found[2] != "dynamic")
                known = frames.get(symbol, frame)
                largest = max(known.bytes, frame.bytes)
                frames[symbol] = Frame(largest, known.bounded and frame.bounded)
    return frames
