// LZW encoders for quantiser indices; they start anew with every fragment (docs/codecs.md).
//
// T. Welch's algorithm as in M. Nelson, "LZW Data Compression", Dr. Dobb's Journal, October 1989,
// over an alphabet of `kLevels` symbols and without an end code. A fragment of kCapacityBytes can
// create only so many strings, which bounds the dictionary.
#pragma once

#include <stdint.h>

#include "agilenn/bit_writer.hpp"
#include "agilenn/lzw_dictionary.hpp"
#include "agilenn/protocol.hpp"

namespace agilenn {

inline constexpr uint8_t kLzwCodeBits = 12;
inline constexpr uint16_t kLzwMaxCodes = 1U << kLzwCodeBits;  // then the dictionary freezes

// Every code has 12 bits.
template <uint8_t kLevels>
class FixedCodeWidth {
  public:
    static constexpr Codec kCodec = Codec::kLzw;

    void begin() {}
    uint8_t bits() const { return kLzwCodeBits; }
    uint8_t bits_after(uint32_t) const { return kLzwCodeBits; }
    void added(uint32_t) {}

    // The most codes that fit `capacity_bytes`.
    static constexpr uint32_t most_codes(uint16_t capacity_bytes) {
        return capacity_bytes * 8U / kLzwCodeBits;
    }
};

// A code has as many bits as the decoder's next free code, at most 12.
template <uint8_t kLevels>
class GrowingCodeWidth {
  public:
    static constexpr Codec kCodec = Codec::kLzwVariable;

    constexpr void begin() { *this = GrowingCodeWidth(); }
    constexpr uint8_t bits() const { return bits_; }
    // The width when `code` has been added to the dictionary.
    constexpr uint8_t bits_after(uint32_t code) const {
        return static_cast<uint8_t>(bits_ + (code >> bits_));
    }
    constexpr void added(uint32_t code) { bits_ = bits_after(code); }

    static constexpr uint32_t most_codes(uint16_t capacity_bytes) {
        GrowingCodeWidth width;
        uint32_t codes = 0;
        for (uint32_t bits_left = capacity_bytes * 8U; bits_left >= width.bits(); ++codes) {
            bits_left -= width.bits();
            if (kLevels + codes < kLzwMaxCodes) {
                width.added(kLevels + codes);
            }
        }
        return codes;
    }

  private:
    static constexpr uint8_t bit_length(uint8_t value) {
        return value == 0 ? 0 : static_cast<uint8_t>(1 + bit_length(value >> 1));
    }

    uint8_t bits_ = bit_length(kLevels);
};

// The strings that an encoder of `codes` codes must remember: all symbols, and one new string for
// every code but the last.
constexpr uint16_t lzw_strings(uint8_t levels, uint32_t codes) {
    const uint32_t strings = levels + codes - 1;
    return static_cast<uint16_t>(strings < kLzwMaxCodes ? strings : kLzwMaxCodes);
}

template <uint8_t kLevels, uint16_t kCapacity, class CodeWidth, class Dictionary>
class BasicLzwEncoder {
    static_assert(kLevels >= 2, "an alphabet has at least two symbols");
    static_assert(kCapacity >= 2, "a fragment holds at least one code");

  public:
    static constexpr Codec kCodec = CodeWidth::kCodec;
    static constexpr uint16_t kCapacityBytes = kCapacity;
    // A fragment that ends because it is full holds at least one symbol for each code.
    static constexpr uint16_t kLeastSymbols = kCapacity * 8U / kLzwCodeBits;

    // Starts a fragment in `out`; `capacity_bytes` (2 to kCapacityBytes) bounds what `finish`
    // returns.
    void begin(uint8_t* out, uint16_t capacity_bytes, uint32_t /*first_symbol*/ = 0,
               uint8_t /*rate*/ = 0) {
        state_ = State{};
        state_.writer.begin(out);
        state_.bits_left = static_cast<int32_t>(capacity_bytes * 8U) - state_.width.bits();
        dictionary_.begin();
    }

    // Takes one symbol. False, and nothing changes, if the fragment could not be finished within
    // its capacity any more: finish it and begin anew.
    bool push(uint8_t symbol) { return push_run(&symbol, 1) == 1; }

    // Takes symbols until one does not fit; returns how many were taken.
    uint16_t push_run(const uint8_t* symbols, uint16_t count) {
        if (count == 0) {
            return 0;
        }
        const uint8_t* next = symbols;
        const uint8_t* const end = symbols + count;
        // A copy: a byte written to the fragment might change any member as far as the compiler
        // knows.
        State state = state_;
        typename Dictionary::Match match{state.prefix == kNone ? *next++ : state.prefix, 0};
        for (;;) {
            next = dictionary_.follow(match, next, end);
            if (next == end || !emit(state, match, *next)) {
                break;
            }
            match.code = *next++;
        }
        state.prefix = match.code;
        state_ = state;
        return static_cast<uint16_t>(next - symbols);
    }

    // Writes what is pending; returns the length of the fragment in bytes.
    uint16_t finish() {
        if (state_.prefix != kNone) {
            state_.writer.put(state_.prefix, state_.width.bits());
            state_.prefix = kNone;
        }
        return state_.writer.finish();
    }

  private:
    static constexpr uint32_t kNone = 0xFFFF;
    static constexpr bool kMayFreeze = kLevels + CodeWidth::most_codes(kCapacity) > kLzwMaxCodes;

    struct State {
        BitWriter writer;
        CodeWidth width;
        int32_t bits_left = 0;  // beside the codes written and the one that `finish` will write
        uint32_t next_code = kLevels;
        uint32_t prefix = kNone;  // code of the longest string that ends at the last symbol
    };

    // Writes the code of `match` and adds its string followed by `symbol` to the dictionary, unless
    // the code that `symbol` will need would not fit then.
    bool emit(State& state, const typename Dictionary::Match& match, uint32_t symbol) {
        const bool grows = !kMayFreeze || state.next_code < kLzwMaxCodes;
        const uint8_t bits_after =
            grows ? state.width.bits_after(state.next_code) : state.width.bits();
        if (state.bits_left < bits_after) {
            return false;
        }
        state.writer.put(match.code, state.width.bits());
        state.bits_left -= bits_after;
        if (grows) {
            dictionary_.add(match, symbol, state.next_code);
            state.width.added(state.next_code);
            ++state.next_code;
        }
        return true;
    }

    State state_;
    Dictionary dictionary_;
};

template <class CodeWidth, uint8_t kLevels, uint16_t kCapacity>
using SizedLzwEncoder =
    BasicLzwEncoder<kLevels, kCapacity, CodeWidth,
                    LzwDictionary<kLevels, lzw_strings(kLevels, CodeWidth::most_codes(kCapacity))>>;

// The codec `lzw`.
template <uint8_t kLevels, uint16_t kCapacity>
using LzwEncoder = SizedLzwEncoder<FixedCodeWidth<kLevels>, kLevels, kCapacity>;

// The codec `lzw-variable`.
template <uint8_t kLevels, uint16_t kCapacity>
using VariableLzwEncoder = SizedLzwEncoder<GrowingCodeWidth<kLevels>, kLevels, kCapacity>;

}  // namespace agilenn
