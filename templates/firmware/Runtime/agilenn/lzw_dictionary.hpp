// The strings that an LZW encoder has seen, as a tree.
//
// The first strings have most children and are looked up most often: each of them has a row with
// one cell a symbol. All others know their first child and their next sibling, and a search walks
// over the siblings, oldest first. 8 levels and 1,400-byte fragments: 4,784 bytes. Rows for all
// strings would take 15,040 and save the encoder a twentieth of its instructions (Cortex-M7, gcc
// 12, -O3, features of untrained networks).
#pragma once

#include <stdint.h>

namespace agilenn {

// Code 0 stands for "no such string": it belongs to the single symbol 0, which is nobody's child.
template <uint8_t kLevels, uint16_t kStrings>
class LzwDictionary {
    static_assert(kStrings <= 4096, "codes have 12 bits");

  public:
    // A known string; `last` is its youngest child if `follow` looked for another one in vain.
    struct Match {
        uint32_t code;
        uint32_t last;
    };

    // Forgets all strings but the single symbols.
    void begin() {
        for (uint16_t symbol = 0; symbol < kLevels; ++symbol) {
            clear(symbol, symbol);
        }
    }

    // Extends `match` by symbols from `next` on as long as that is known; returns the first symbol
    // that was not used, or `end`.
    const uint8_t* follow(Match& match, const uint8_t* next, const uint8_t* end) const {
        uint32_t code = match.code;
        for (; next != end; ++next) {
            const uint32_t child = code < kRows ? rows_[code].cells[*next]
                                                : find_sibling(nodes_[code], *next, match.last);
            if (child == 0) {
                break;
            }
            code = child;
        }
        match.code = code;
        return next;
    }

    // Names the string of `match` followed by `symbol`, which `follow` did not find.
    void add(const Match& match, uint32_t symbol, uint32_t code) {
        if (match.code < kRows) {
            rows_[match.code].cells[symbol] = static_cast<uint16_t>(code);
        } else if (match.last == 0) {
            nodes_[match.code] |= code;
        } else {
            nodes_[match.last] |= code << kSiblingShift;
        }
        clear(code, symbol);
    }

  private:
    // A node: first child in bits 0..11, next sibling in bits 12..23, own symbol in bits 24..31.
    static constexpr uint32_t kCodeMask = 0xFFF;
    static constexpr uint8_t kSiblingShift = 12;
    static constexpr uint8_t kSymbolShift = 24;

    static constexpr uint16_t kWantedRows = kLevels <= 16 ? 64 : kLevels;
    static constexpr uint16_t kRows = kStrings < kWantedRows ? kStrings : kWantedRows;

    static constexpr uint16_t row_cells() {
        uint16_t cells = 2;
        while (cells < kLevels) {
            cells = static_cast<uint16_t>(cells * 2);
        }
        return cells;
    }

    struct alignas(4) Row {
        uint16_t cells[row_cells()];
    };

    // Returns the child with `symbol` of the string whose node this is, or 0 and the youngest
    // child.
    uint32_t find_sibling(uint32_t node, uint32_t symbol, uint32_t& last) const {
        last = 0;
        for (uint32_t child = node & kCodeMask; child != 0;) {
            const uint32_t sibling = nodes_[child];
            if (sibling >> kSymbolShift == symbol) {
                return child;
            }
            last = child;
            child = (sibling >> kSiblingShift) & kCodeMask;
        }
        return 0;
    }

    void clear(uint32_t code, uint32_t symbol) {
        nodes_[code] = symbol << kSymbolShift;
        if (code < kRows) {
            rows_[code] = Row{};
        }
    }

    uint32_t nodes_[kStrings];
    Row rows_[kRows];
};

}  // namespace agilenn
