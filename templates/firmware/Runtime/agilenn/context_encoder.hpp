// The codec `context`: a range coder under static tables from training (docs/codecs.md).
//
// The symbols of one channel in one row are taken in groups of four. In a channel where most
// symbols are its modal level, a group costs one event, its pattern (which symbols differ), and one
// event for each symbol that differs; in the others one event for each symbol. The most likely case
// by far, nothing differs, takes about 25 instructions, and a symbol of the others about 20.
#pragma once

#include <stdint.h>

#include "agilenn/protocol.hpp"

namespace agilenn {

// G. N. N. Martin's range coder (1979): totals of 2^14 or 2^12, 16 bits are written at once, and a
// carry runs back into the bytes that are written already. The caller knows that they fit.
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

    // Writes event 0 of a distribution: `begin` is the sum of the frequencies of all others. It
    // takes what the division leaves over.
    [[gnu::always_inline]] void put_first(uint32_t begin) {
        const uint32_t unit = range_ >> kTotalBits;
        low_ += product(unit, begin);
        range_ -= unit * begin;
        if (range_ < kLeastRange) {
            shift();
        }
    }

    // Writes another event: the sums of the frequencies before it, and with it.
    [[gnu::always_inline]] void put(uint32_t begin, uint32_t end) {
        const uint32_t unit = range_ >> kTotalBits;
        low_ += product(unit, begin);
        range_ = unit * (end - begin);
        if (range_ < kLeastRange) {
            shift();
        }
    }

    // Writes a symbol: the sum of the frequencies before it, and its own.
    [[gnu::always_inline]] void put_symbol(uint32_t begin, uint32_t frequency) {
        const uint32_t unit = range_ >> kSymbolTotalBits;
        low_ += product(unit, begin);
        range_ = unit * frequency;
        if (range_ < kLeastRange) {
            shift();
        }
    }

    // Writes the fewest bytes, one or two, that lie in the interval when zeros follow them; returns
    // the length in bytes.
    uint16_t finish() {
        const uint32_t low = static_cast<uint32_t>(low_);
        const bool one = (-low & 0xFFFFFF) < range_;
        low_ += -low & (one ? 0xFFFFFF : 0xFFFF);
        shift();
        return static_cast<uint16_t>(out_ - begin_ - (one ? 1 : 0));
    }

  private:
    static constexpr uint8_t kTotalBits = 14;
    static constexpr uint8_t kSymbolTotalBits = 12;
    static constexpr uint32_t kLeastRange = 1UL << 16;

    // Of factors whose product has at most 32 bits. Where the core has a long multiplication, it
    // does the addition as well; ARMv6-M has none.
    static uint64_t product(uint32_t unit, uint32_t sum) {
#if defined(__ARM_ARCH_6M__)
        return unit * sum;
#else
        return static_cast<uint64_t>(unit) * sum;
#endif
    }

    [[gnu::always_inline]] void shift() {
        if ((low_ >> 32) != 0) {
            // The code as a whole is below 1, so a byte that takes the carry exists.
            uint8_t* byte = out_;
            while (++*--byte == 0) {
            }
        }
        const uint32_t low = static_cast<uint32_t>(low_);
        out_[0] = static_cast<uint8_t>(low >> 24);
        out_[1] = static_cast<uint8_t>(low >> 16);
        out_ += 2;
        low_ = low << 16;
        range_ <<= 16;
    }

    uint8_t* begin_ = nullptr;
    uint8_t* out_ = nullptr;
    uint64_t low_ = 0;  // the low end of the interval, 32 bits and a carry
    uint32_t range_ = 0;
};

// `Tables` (Generated/codec_tables.hpp) has kLevels, kRows, kColumns, kChannels, kRates and the
// arrays that training filled. RAM: 4 bytes for each group of a feature row, and the coder's state.
template <class Tables, uint16_t kCapacity>
class ContextEncoder {
    static constexpr uint16_t kGroup = 4;
    static constexpr uint16_t kGroups = (Tables::kColumns + kGroup - 1) / kGroup;  // of one row
    static constexpr uint16_t kLastLength = Tables::kColumns - (kGroups - 1) * kGroup;
    static constexpr uint16_t kShortest = kLastLength == kGroup ? kGroup : 1;  // group, at least
    static constexpr uint16_t kGroupBytes = 10;  // a pattern and four ranks, 13.4 bits each
    static constexpr uint16_t kClosingBytes = 2;
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
    // (12 to kCapacityBytes) bounds what `finish` returns. Everything before counts as modal.
    // `rate` says how the inference is quantised, where Tables has several.
    void begin(uint8_t* out, uint16_t capacity_bytes, uint32_t first_symbol = 0, uint8_t rate = 0) {
        writer_.begin(out);
        latest_ = out + (capacity_bytes - kGroupBytes - kClosingBytes);
        if constexpr (Tables::kRates > 1) {
            channels_ = &Tables::kOfChannel[rate * Tables::kChannels];
        }
        uint32_t* history = history_;
        const OfChannel* tables = channels();
        for (uint32_t channel = 0; channel < Tables::kChannels; ++channel, ++tables) {
            for (uint32_t group = 0; group < kGroups; ++group) {
                *history++ = tables->by_symbol ? 0 : zone(group, kGroups) * kContexts;
            }
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
        // Copies, so that they lie in registers.
        const uint8_t* const latest = latest_;
        RangeWriter writer = writer_;
        uint32_t left = left_;
        uint32_t place = place_;
        const OfChannel* tables = channels() + place / kGroups;
        uint32_t y = zone(row_, Tables::kRows);
        while (next != end && writer.position() <= latest) {
            uint32_t groups = (static_cast<uint32_t>(end - next) + kGroup - kShortest) / kGroup;
            groups = row_fits(writer, latest) ? least(groups, kGroups - place % kGroups) : 1;
            next = tables->by_symbol
                       ? put_symbols(writer, next, tables, place, groups, left)
                       : put_groups(writer, next, end, tables, y, place, groups, left, latest);
            if (place == kPlaces) {
                place = 0;
                tables = channels();
                y = zone(++row_, Tables::kRows);
            }
        }
        writer_ = writer;
        left_ = left;
        place_ = place;
        return static_cast<uint16_t>(next - symbols);
    }

    // Returns the length of the fragment in bytes.
    uint16_t finish() { return writer_.finish(); }

  private:
    using OfChannel = typename Tables::OfChannel;

    static constexpr uint32_t kPlaces = 1UL * Tables::kChannels * kGroups;
    static constexpr uint8_t kPatterns = 16;
    static constexpr uint8_t kContexts = 32;  // of a pattern in one zone
    static constexpr uint32_t kClasses = 8;
    // A group with a pattern in `history_`: bits 1 to 4 its pattern, 5 and 6 its zone, four bits
    // for the class of each symbol from bit 8 on.
    static constexpr uint32_t kContextMask = 0xFF;
    static constexpr uint32_t kZoneMask = 0x60;
    static constexpr uint32_t kLastZone = 0x40;
    static constexpr uint32_t kLastDiffers = 4;
    static constexpr uint32_t kFirstClass = 8;
    static constexpr uint32_t kClassBits = 4;
    static constexpr uint32_t kLastClass = kFirstClass + 3 * kClassBits;

    static constexpr uint32_t zone(uint32_t position, uint32_t count) {
        return position == 0 ? 0 : position == count - 1 ? 2 : 1;
    }

    static constexpr uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

    // The first channel's tables at the rate of the inference.
    const OfChannel* channels() const {
        if constexpr (Tables::kRates > 1) {
            return channels_;
        }
        return Tables::kOfChannel;
    }

    // How many of `count` symbols from the group at hand on make whole groups.
    uint32_t whole_groups(uint32_t count) const {
        const uint32_t end_column = (place_ % kGroups * kGroup + count) % Tables::kColumns;
        return count - end_column % kGroup;
    }

    // Whether a row of a channel fits the fragment, however unlikely it is.
    static bool row_fits(const RangeWriter& writer, const uint8_t* latest) {
        return latest - writer.position() >= static_cast<int32_t>(kGroups * kGroupBytes);
    }

    // Writes the symbols of `groups` groups of one channel, from `place` on, one by one; returns
    // what is behind them. `left` is the class of the symbol before them, then of the last of them.
    [[gnu::always_inline]] const uint8_t* put_symbols(RangeWriter& writer, const uint8_t* next,
                                                      const OfChannel*& of_channel, uint32_t& place,
                                                      uint32_t groups, uint32_t& left) {
        const OfChannel& tables = opaque(of_channel);
        uint8_t* above = reinterpret_cast<uint8_t*>(&history_[place]);
        place += groups;
        const bool last = place % kGroups == 0;
        const uint8_t* const end = next + groups * kGroup - (last ? kGroup - kLastLength : 0);
        do {
#pragma GCC unroll 4
            for (uint32_t n = 0; n < kGroup; ++n) {
                if (kLastLength != kGroup && next == end) {
                    break;
                }
                const uint32_t symbol = *next++;
                const uint32_t rank = tables.ranks[symbol];
                const uint32_t event = Tables::kSymbols[tables.symbol_map[left][*above]][rank];
                left = class_of(tables, symbol, rank);
                *above++ = static_cast<uint8_t>(left);
                writer.put_symbol(event >> 16, event & 0xFFFF);
            }
        } while (next != end);
        if (last) {
            left = 0;
            ++of_channel;
        }
        return next;
    }

    // Writes `groups` groups of one channel from `place` on, and whole rows of the channels behind
    // it as long as they have patterns too; returns what is behind them. `left` is the group before
    // them, then the last of them.
    [[gnu::always_inline]] const uint8_t* put_groups(RangeWriter& writer, const uint8_t* next,
                                                     const uint8_t* end,
                                                     const OfChannel*& of_channel, uint32_t y,
                                                     uint32_t& place, uint32_t groups,
                                                     uint32_t& left, const uint8_t* latest) {
        uint32_t* history = &history_[place];
        for (;;) {
            next = put_row(writer, next, opaque(of_channel), y, history, groups, left);
            if (kGroups != 1 && (left & kLastZone) == 0) {
                break;
            }
            left = 0;
            ++of_channel;
            if (history == history_ + kPlaces || of_channel->by_symbol ||
                end - next < Tables::kColumns || !row_fits(writer, latest)) {
                break;
            }
            groups = kGroups;
        }
        place = static_cast<uint32_t>(history - history_);
        return next;
    }

    // Writes `groups` groups of one channel with patterns.
    [[gnu::always_inline]] static const uint8_t* put_row(RangeWriter& writer, const uint8_t* next,
                                                         const OfChannel& tables, uint32_t y,
                                                         uint32_t*& history, uint32_t groups,
                                                         uint32_t& left) {
        const uint8_t* const contexts = tables.pattern_map[y];
        const uint32_t* const end = history + groups;
        do {
            const uint32_t above = *history;
            const bool last = kLastLength != kGroup && (kGroups == 1 || (above & kLastZone) != 0);
            const uint32_t row = contexts[(above & kContextMask) + (left >> kLastDiffers & 1U)];
            const uint32_t differences = load(next, last, tables.modal) ^ tables.modal;
            uint32_t group = above & kZoneMask;
            if (differences == 0) {
                writer.put_first(Tables::kPatternStarts[row][kPatterns - 1]);
            } else {
                const uint32_t pattern = pattern_of(differences);
                const uint16_t* starts = Tables::kPatternStarts[row] + pattern;
                writer.put(starts[-1], starts[0]);
                group |= 2 * pattern |
                         put_ranks(writer, next, tables, pattern, above, left >> kLastClass);
            }
            *history++ = group;
            left = group;
            next += last ? kLastLength : kGroup;
        } while (history != end);
        return next;
    }

    // The compiler shall not know what `tables` points to: it would spend two registers on it.
    static const OfChannel& opaque(const OfChannel* tables) {
        asm("" : "+r"(tables));
        return *tables;
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

    // With few levels, each has a class of its own.
    static uint32_t class_of(const OfChannel& tables, uint32_t symbol, uint32_t rank) {
        if constexpr (Tables::kLevels <= kClasses) {
            return rank;
        } else {
            return tables.classes[symbol];
        }
    }

    static constexpr uint32_t class_shift(uint32_t place) {
        return kFirstClass + place * kClassBits;
    }

    // Writes the rank of each symbol in `pattern`; returns their classes as `history_` has them.
    [[gnu::always_inline]] static uint32_t put_ranks(RangeWriter& writer, const uint8_t* symbols,
                                                     const OfChannel& tables, uint32_t pattern,
                                                     uint32_t above, uint32_t left) {
        uint32_t group = 0;
#pragma GCC unroll 4
        for (uint32_t place = 0; place < kGroup; ++place) {
            if ((pattern >> place & 1U) == 0) {
                left = 0;
                continue;
            }
            const uint32_t rank = tables.ranks[symbols[place]];
            if (Tables::kLevels > 2) {
                const uint32_t up = above >> class_shift(place) & (kClasses - 1);
                const uint16_t* starts = Tables::kRankStarts[tables.symbol_map[left][up]];
                if (rank == 1) {
                    writer.put_first(starts[Tables::kLevels - 2]);
                } else {
                    starts += rank;
                    writer.put(starts[-2], starts[-1]);
                }
            }
            left = class_of(tables, symbols[place], rank);
            group |= left << class_shift(place);
        }
        return group;
    }

    RangeWriter writer_;
    const OfChannel* channels_ = Tables::kOfChannel;  // at the rate of the inference
    const uint8_t* latest_ = nullptr;  // a group begins if the next byte goes here or before
    uint32_t left_ = 0;                // the group before, as in `history_`, or the class of the
                                       // symbol before; 0 in front of a row
    uint32_t row_ = 0;                 // of the group to come
    uint32_t place_ = 0;               // channel x kGroups + group
    uint32_t history_[kPlaces];        // the row above: groups, or the class of each symbol
};

}  // namespace agilenn
