// The codec `context`: a range coder under static tables from training (docs/codecs.md).
//
// The symbols of one channel in one row are taken in groups of four. A group costs one event, its
// pattern (which symbols differ from the channel's modal level), and one event for each symbol
// that differs. The most likely case by far, nothing differs, takes about 20 instructions.
#pragma once

#include <stdint.h>

#include "agilenn/protocol.hpp"

namespace agilenn {

// G. N. N. Martin's range coder (1979): totals of 2^15, and a carry runs back into the bytes that
// are written already. The caller knows that they fit.
class RangeWriter {
  public:
    void begin(uint8_t* out) {
        begin_ = out;
        out_ = out;
        low_ = 0;
        range_ = 0xFFFFFFFF;
    }

    // Where the next byte goes.
    const uint8_t* position() const { return out_; }

    // Writes event 0 of a distribution: `tail` is the sum of all other frequencies.
    [[gnu::always_inline]] void put_first(uint32_t tail) {
        range_ -= (range_ >> kTotalBits) * tail;
        if (range_ < kLeastRange) {
            shift();
        }
    }

    // Writes another event: the sum of its frequency and those behind it, and of those behind it.
    [[gnu::always_inline]] void put(uint32_t upper_tail, uint32_t tail) {
        const uint32_t unit = range_ >> kTotalBits;
        const uint32_t upper = unit * upper_tail;
        add(range_ - upper);
        range_ = upper - unit * tail;
        if (range_ < kLeastRange) {
            shift();
        }
    }

    // Writes the one byte that lies in the interval when zeros follow it; returns the length in
    // bytes.
    uint16_t finish() {
        add(kLeastRange - 1);
        *out_++ = static_cast<uint8_t>(low_ >> 24);
        return static_cast<uint16_t>(out_ - begin_);
    }

  private:
    static constexpr uint8_t kTotalBits = 15;
    static constexpr uint32_t kLeastRange = 1UL << 24;

    [[gnu::always_inline]] void shift() {
        do {
            *out_++ = static_cast<uint8_t>(low_ >> 24);
            low_ <<= 8;
            range_ <<= 8;
        } while (range_ < kLeastRange);
    }

    [[gnu::always_inline]] void add(uint32_t amount) {
        low_ += amount;
        if (low_ < amount) {
            // The code as a whole is below 1, so a byte that takes the carry exists.
            uint8_t* byte = out_;
            while (++*--byte == 0) {
            }
        }
    }

    uint8_t* begin_ = nullptr;
    uint8_t* out_ = nullptr;
    uint32_t low_ = 0;
    uint32_t range_ = 0;
};

// `Tables` (Generated/codec_tables.hpp) has kLevels, kRows, kColumns, kChannels and the arrays
// that training filled. RAM: 2 bytes for each group of a feature row, and the coder's state.
template <class Tables, uint16_t kCapacity>
class ContextEncoder {
    static constexpr uint16_t kGroup = 4;
    static constexpr uint16_t kGroups = (Tables::kColumns + kGroup - 1) / kGroup;  // of one row
    static constexpr uint16_t kLastLength = Tables::kColumns - (kGroups - 1) * kGroup;
    static constexpr uint16_t kGroupBytes = 9;  // a pattern and four ranks, 13 bits each
    static constexpr uint16_t kClosingBytes = 1;
    static_assert(Tables::kLevels >= 2, "an alphabet has at least two symbols");
    static_assert(kCapacity >= kGroupBytes + kClosingBytes, "a fragment holds at least one group");

  public:
    static constexpr Codec kCodec = Codec::kContext;
    static constexpr uint16_t kCapacityBytes = kCapacity;
    // A full fragment holds at least this many groups, however unlikely they are.
    static constexpr uint32_t kLeastGroups = (kCapacity - kClosingBytes) / kGroupBytes;
    static constexpr uint32_t kLeastSymbols =
        kLeastGroups / kGroups * Tables::kColumns + kLeastGroups % kGroups * kLastLength;

    // Starts a fragment in `out` with symbol `first_symbol` of the inference; `capacity_bytes`
    // (10 to kCapacityBytes) bounds what `finish` returns. Everything before counts as modal.
    void begin(uint8_t* out, uint16_t capacity_bytes, uint32_t first_symbol = 0) {
        writer_.begin(out);
        latest_ = out + (capacity_bytes - kGroupBytes - kClosingBytes);
        for (uint32_t place = 0, group = 0; place < kPlaces; ++place) {
            history_[place] = static_cast<uint16_t>(zone(group, kGroups) * kContexts);
            group = group == kGroups - 1U ? 0 : group + 1;
        }
        left_ = 0;
        const uint32_t line = first_symbol / Tables::kColumns;
        row_ = line / Tables::kChannels;
        place_ = line % Tables::kChannels * kGroups + first_symbol % Tables::kColumns / kGroup;
    }

    // Takes whole groups of symbols until the fragment is full; returns how many symbols were
    // taken. The rest begins the next fragment.
    uint16_t push_run(const uint8_t* symbols, uint16_t count) {
        const uint8_t* next = symbols;
        const uint8_t* const end = symbols + whole_groups(count);
        // Local copies, so that they lie in registers.
        RangeWriter writer = writer_;
        const uint8_t* const latest = latest_;
        uint32_t left = left_;
        uint16_t* history = &history_[place_];
        const OfChannel* tables = &Tables::kOfChannel[place_ / kGroups];
        const uint8_t* contexts = tables->pattern_map[zone(row_, Tables::kRows)];
        while (next != end && writer.position() <= latest) {
            const uint32_t before = *history;
            const bool last = kGroups == 1 || (before & kLastZone) != 0;
            const uint32_t cluster = contexts[(before & kContextMask) + (left & 1U)];
            const uint32_t differences = load(next, last, tables->modal) ^ tables->modal;
            if (differences == 0) {
                writer.put_first(Tables::kPatternTails[0][cluster]);
                *history = static_cast<uint16_t>(before & kZoneMask);
                left = 0;
            } else {
                const uint32_t pattern = pattern_of(differences);
                writer.put(Tables::kPatternTails[pattern - 1][cluster],
                           Tables::kPatternTails[pattern][cluster]);
                const uint32_t classes =
                    put_ranks(writer, next, *tables, pattern, before >> kClassShift, left);
                *history = static_cast<uint16_t>((before & kZoneMask) + 2 * pattern +
                                                 (classes << kClassShift));
                left = classes >> 6;
            }
            next += last ? kLastLength : kGroup;
            ++history;
            if (last) {
                left = 0;
                ++tables;
                contexts += sizeof(OfChannel);
                if (history == history_ + kPlaces) {
                    history = history_;
                    tables = Tables::kOfChannel;
                    contexts = tables->pattern_map[zone(++row_, Tables::kRows)];
                }
            }
        }
        writer_ = writer;
        left_ = left;
        place_ = static_cast<uint32_t>(history - history_);
        return static_cast<uint16_t>(next - symbols);
    }

    // Returns the length of the fragment in bytes.
    uint16_t finish() { return writer_.finish(); }

  private:
    using OfChannel = typename Tables::OfChannel;

    static constexpr uint32_t kPlaces = 1UL * Tables::kChannels * kGroups;
    static constexpr uint8_t kContexts = 32;  // of a pattern in one zone
    static constexpr uint8_t kZoneMask = 0x60;
    static constexpr uint8_t kLastZone = 0x40;
    static constexpr uint8_t kContextMask = 0xFF;
    static constexpr uint8_t kClassShift = 8;

    static constexpr uint32_t zone(uint32_t position, uint32_t count) {
        return position == 0 ? 0 : position == count - 1 ? 2 : 1;
    }

    // How many of `count` symbols from the group at hand on make whole groups.
    uint32_t whole_groups(uint32_t count) const {
        const uint32_t end_column = (place_ % kGroups * kGroup + count) % Tables::kColumns;
        return count - end_column % kGroup;
    }

    // The symbols of a group, the first in the lowest byte; behind the end of a row, `modal`.
    static uint32_t load(const uint8_t* symbols, bool last, uint32_t modal) {
        uint32_t word = modal;
        if (last) {
            __builtin_memcpy(&word, symbols, kLastLength);
        } else {
            __builtin_memcpy(&word, symbols, kGroup);
        }
        return word;
    }

    // Bit n is set if byte n is not zero.
    static uint32_t pattern_of(uint32_t bytes) {
        const uint32_t high = (((bytes & 0x7F7F7F7F) + 0x7F7F7F7F) | bytes) & 0x80808080;
        return ((high >> 7) * 0x10204080) >> 28;
    }

    // Writes the rank of each symbol in `pattern`; returns their classes, two bits each. `above`:
    // those of the row above; `left`: the class of the symbol before the group.
    [[gnu::always_inline]] static uint32_t put_ranks(RangeWriter& writer, const uint8_t* symbols,
                                                     const OfChannel& tables, uint32_t pattern,
                                                     uint32_t above, uint32_t left) {
        uint32_t classes = 0;
#pragma GCC unroll 4
        for (uint32_t bit = 0; bit < kGroup; ++bit) {
            if ((pattern >> bit & 1U) == 0) {
                left = 0;
                continue;
            }
            const uint32_t rank = tables.ranks[symbols[bit]];
            if (Tables::kLevels > 2) {
                const uint32_t cluster = tables.rank_map[4 * (above >> 2 * bit & 3U) + left];
                if (rank == 1) {
                    writer.put_first(Tables::kRankTails[0][cluster]);
                } else {
                    writer.put(Tables::kRankTails[rank - 2][cluster],
                               Tables::kRankTails[rank - 1][cluster]);
                }
            }
            left = rank == 1 ? 1 : 3;
            classes |= left << 2 * bit;
        }
        return classes;
    }

    RangeWriter writer_;
    const uint8_t* latest_ = nullptr;  // a group begins if the next byte goes here or before
    uint32_t left_ = 0;                // class of the symbol before: 0 modal, 1 next in rank, 3
    uint32_t row_ = 0;                 // of the group to come
    uint32_t place_ = 0;               // channel x kGroups + group
    // Of the row above, for each group: in the low byte 32 x zone + 2 x pattern, in the high byte
    // the classes of its symbols, two bits each.
    uint16_t history_[kPlaces];
};

}  // namespace agilenn
