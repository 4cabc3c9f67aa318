"""The tables of the `context` codec as C++ constants: `Generated/codec_tables.hpp`."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.serve.context_model import (
    CLASSES,
    SYMBOL_TOTAL,
    ZONES,
    ContextModel,
    parse_tables,
)

_WIDTH = 96


def emit_codec_tables(tables: bytes) -> bytes:
    """Return the header for `ContextModel.to_bytes`; raises `ValueError` for other bytes."""
    model = parse_tables(tables)
    groups = model.groups_per_row
    rates_note = "  // each with a line of its own for every channel" if model.rates > 1 else ""
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
    static constexpr uint8_t kRates = {model.rates};{rates_note}

    struct OfChannel {{
        uint8_t ranks[kLevels];  // how many symbols are more frequent
{_classes_member(model)}\
        uint8_t symbol_map[8][8];  // class to the left, class above: row of kSymbols or kRankStarts
        uint8_t pattern_map[3][96];  // zone of y; 32 x zone of x + 2 x pattern above + left
        uint32_t modal;              // the most frequent symbol, in each byte
        bool by_symbol;              // no patterns
    }};
    // clang-format off
    static constexpr OfChannel kOfChannel[kRates * kChannels] = {{
{_channels(model)}
    }};
    // Distribution, event: sum of the frequencies of the events 1 to this one, of 16384.
{_array("uint16_t kPatternStarts", model.pattern_starts)}
{_array("uint16_t kRankStarts", _padded(model.rank_starts))}
    // Distribution, rank: sum of the frequencies before it in the upper half, its own in the lower
    // one, of 4096.
{_array("uint32_t kSymbols", _padded(_events(model)))}
    // clang-format on
}};

}}  // namespace agilenn::payload
"""
    return text.encode()


def _classes_member(model: ContextModel) -> str:
    """The member of `OfChannel` that exists only where classes are not ranks."""
    if model.levels <= CLASSES:
        return ""
    return "        uint8_t classes[kLevels];  // what a symbol means for those beside it\n"


def _channels(model: ContextModel) -> str:
    lines = model.rates * model.channels
    by_class = (lines, CLASSES, CLASSES)
    columns = [
        model.ranks,
        *([model.classes] if model.levels > CLASSES else []),
        model.symbol_map.reshape(by_class),
        model.pattern_map.reshape(lines, ZONES, -1),
    ]
    entries = (
        "{"
        + " ".join(_initialiser(part[line]) for part in columns)
        + f" 0x{0x01010101 * int(model.symbols[line, 0]):08X}, "
        + ("true}," if model.by_symbol[line] else "false},")
        for line in range(lines)
    )
    return "\n".join(line for entry in entries for line in _wrapped(entry))


def _events(model: ContextModel) -> npt.NDArray[np.uint32]:
    starts = model.symbol_starts.astype(np.uint32)
    ends = np.pad(starts[:, 1:], ((0, 0), (0, 1)), constant_values=SYMBOL_TOTAL)
    return np.asarray(starts << 16 | (ends - starts), dtype=np.uint32)


def _padded(rows: npt.NDArray[np.uint16] | npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Rows of a power of two, which the device finds with a shift."""
    width = 1 << (rows.shape[1] - 1).bit_length()
    return np.pad(rows.astype(np.uint32), ((0, 0), (0, width - rows.shape[1])))


def _array(name: str, values: npt.NDArray[np.uint16] | npt.NDArray[np.uint32]) -> str:
    shape = "".join(f"[{size}]" for size in values.shape)
    body = "\n".join(line for part in values for line in _wrapped(_initialiser(part)))
    return f"    static constexpr {name}{shape} = {{\n{body}\n    }};"


def _initialiser(values: npt.NDArray[np.unsignedinteger[Any]]) -> str:
    if values.ndim == 0:
        return f"{values},"
    return "{" + " ".join(_initialiser(part) for part in values).removesuffix(",") + "},"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
