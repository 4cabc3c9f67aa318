"""The host program around a compiled network: images from stdin, watched rows to stdout."""

from __future__ import annotations

from collections.abc import Mapping

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.passes.program import Program, RowStorage, Tap

ARGUMENTS = 6
_TYPES = {"int8": "int8_t", "int16": "int16_t", "uint8": "uint8_t"}

_PROLOGUE = """\
// Feeds images to the network and writes every watched row: tap number, count, values as int16.
// Its argument is the rate of the quantiser.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "network.hpp"

namespace {

constexpr int kMostValues = 1 << 16;
int16_t record[kMostValues + 2];

template <class Value>
void dump(int tap, const void* row, const int* offsets, int count, int zero) {
    const Value* values = static_cast<const Value*>(row);
    record[0] = static_cast<int16_t>(tap);
    record[1] = static_cast<int16_t>(count);
    for (int i = 0; i < count; ++i) {
        record[2 + i] = static_cast<int16_t>(values[offsets[i]] + zero);
    }
    fwrite(record, sizeof record[0], static_cast<size_t>(2 + count), stdout);
}
"""

_MAIN = """\
uint8_t pixels[agilenn::network::kInputRowBytes];

void discard(void*, const uint8_t*, uint16_t) {{}}

}}  // namespace

int main(int, char** arguments) {{
    using namespace agilenn::network;
    [[maybe_unused]] const auto rate = static_cast<uint8_t>(atoi(arguments[1]));
    for (int row = 0; fread(pixels, 1, sizeof pixels, stdin) == sizeof pixels;
         row = (row + 1) % kInputRows) {{
        if (row == 0) {{
            {begin};
        }}
        push_row(pixels, discard, nullptr);
    }}
    return local_logits() == nullptr;
}}
"""


def wrapped_symbols(program: Program, listing: str) -> Mapping[str, str]:
    """Find the full symbol of each tap's prefix in the output of `nm`."""
    defined = [line.split()[-1] for line in listing.splitlines() if line.strip()]
    found = {}
    for prefix in dict.fromkeys(tap.symbol for tap in program.taps):
        matches = [symbol for symbol in defined if symbol.startswith(prefix)]
        if len(matches) != 1:
            raise AgilennError.of(
                ExitCode.MISMATCH,
                "verify.stage-symbol",
                f"{len(matches)} functions match the stage symbol {prefix}",
                hint="this is a defect of the generated code: please report it with the spec",
            )
        found[prefix] = matches[0]
    return found


def _dump(number: int, tap: Tap, storage: RowStorage) -> str:
    return (
        f"    dump<{_TYPES[storage.element]}>({number}, argument{tap.pointer_argument}, "
        f"offsets{number}, {len(storage.offsets)}, {storage.zero});\n"
    )


def harness_source(program: Program, symbols: Mapping[str, str]) -> str:
    """Return C++ whose wrappers call each stage and then dump the rows that it wrote.

    The linker's --wrap sends the driver's calls here. Stage functions take up to six arguments in
    registers, so one wrapper signature serves all of them.
    """
    parts = [_PROLOGUE]
    for number, tap in enumerate(program.taps):
        offsets = ", ".join(str(offset) for offset in tap.storage.offsets)
        parts.append(f"constexpr int offsets{number}[] = {{{offsets}}};\n")
    parts.append(
        _MAIN.format(begin="begin_frame(rate)" if program.symbol_count else "begin_frame()")
    )
    for prefix, symbol in symbols.items():
        arguments = ", ".join(f"void* argument{i}" for i in range(ARGUMENTS))
        passed = ", ".join(f"argument{i}" for i in range(ARGUMENTS))
        dumps = "".join(
            _dump(number, tap, tap.storage)
            for number, tap in enumerate(program.taps)
            if tap.symbol == prefix
        )
        parts.append(
            f'extern "C" void __real_{symbol}({", ".join(["void*"] * ARGUMENTS)});\n'
            f'extern "C" void __wrap_{symbol}({arguments});\n'
            f'extern "C" void __wrap_{symbol}({arguments}) {{\n'
            f"    __real_{symbol}({passed});\n{dumps}}}\n"
        )
    return "\n".join(parts)
