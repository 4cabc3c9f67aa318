"""The tables of the `context` codec as C++ constants: `Generated/codec_tables.hpp`."""

from __future__ import annotations

import textwrap

import numpy as np
import numpy.typing as npt

from agilenn_cc.serve.context_model import RANK_CLASSES, ZONES, ContextModel, parse_tables

_WIDTH = 96


def emit_codec_tables(tables: bytes) -> bytes:
    """Return the header for `ContextModel.to_bytes`; raises `ValueError` for other bytes."""
    model = parse_tables(tables)
    groups = model.groups_per_row
    text = f"""\
// What training has counted: the tables of the codec `context`. Generated; docs/codecs.md.
#pragma once

#include <stdint.h>

namespace agilenn::payload {{

struct CodecTables {{
    static constexpr uint8_t kLevels = {model.levels};
    static constexpr uint16_t kRows = {model.rows};
    static constexpr uint16_t kColumns = {model.columns};  // {groups} groups of up to 4
    static constexpr uint16_t kChannels = {model.channels};

    struct OfChannel {{
        uint32_t modal;              // the most frequent symbol, in each byte
        uint8_t rank_map[16];        // 4 x class above + class to the left (0, 1 or 3)
        uint8_t ranks[kLevels];      // how many symbols are more frequent
        uint8_t pattern_map[3][96];  // zone of y; 32 x zone of x + 2 x pattern above + left
    }};
    // clang-format off
    static constexpr OfChannel kOfChannel[kChannels] = {{
{_channels(model)}
    }};
    // Event, distribution: sum of the frequencies behind the event, of 32768.
{_array("uint16_t kPatternTails", model.pattern_tails.T)}
{_array("uint16_t kRankTails", model.rank_tails.T)}
    // clang-format on
}};

}}  // namespace agilenn::payload
"""
    return text.encode()


def _channels(model: ContextModel) -> str:
    maps = model.pattern_map.reshape(model.channels, ZONES, -1)
    columns = zip(_spread_classes(model.rank_map), model.ranks, maps, strict=True)
    entries = (
        f"{{0x{0x01010101 * int(model.symbols[channel, 0]):08X}, "
        + " ".join(_initialiser(part) for part in parts)
        + "},"
        for channel, parts in enumerate(columns)
    )
    return "\n".join(line for entry in entries for line in _wrapped(entry))


def _spread_classes(rank_map: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Classes 0, 1, 2 become 0, 1, 3, so that bit 0 tells whether a symbol differs."""
    spread = np.zeros((len(rank_map), 4, 4), np.uint8)
    codes = np.array((0, 1, 3))
    spread[:, codes[:, None], codes] = rank_map.reshape(-1, RANK_CLASSES, RANK_CLASSES)
    return spread.reshape(-1, 16)


def _array(name: str, values: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> str:
    shape = "".join(f"[{size}]" for size in values.shape)
    body = "\n".join(line for part in values for line in _wrapped(_initialiser(part)))
    return f"    static constexpr {name}{shape} = {{\n{body}\n    }};"


def _initialiser(values: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> str:
    if values.ndim == 0:
        return f"{values},"
    return "{" + " ".join(_initialiser(part) for part in values).removesuffix(",") + "},"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
