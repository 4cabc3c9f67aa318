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
    void begin(uint8_t* out, uint16_t capacity_bytes, uint32_t /*first_symbol*/ = 0) {
        writer_.begin(out);
        dictionary_.begin();
        width_.begin();
        bits_left_ = static_cast<int32_t>(capacity_bytes * 8U) - width_.bits();
        next_code_ = kLevels;
        prefix_ = kNone;
    }

    // Takes one symbol. False, and nothing changes, if the fragment could not be finished within
    // its capacity any more: finish it and begin anew.
    bool push(uint8_t symbol) { return push_run(&symbol, 1) == 1; }

    // Takes symbols until one does not fit; returns how many were taken.
    uint16_t push_run(const uint8_t* symbols, uint16_t count) {
        const uint8_t* next = symbols;
        const uint8_t* const end = symbols + count;
        uint32_t prefix = prefix_;
        if (prefix == kNone) {
            if (count == 0) {
                return 0;
            }
            prefix = *next++;
        }
        for (;;) {
            prefix = dictionary_.follow(prefix, &next, end);
            if (next == end || !emit(prefix, *next)) {
                break;
            }
            prefix = *next++;
        }
        prefix_ = prefix;
        return static_cast<uint16_t>(next - symbols);
    }

    // Writes what is pending; returns the length of the fragment in bytes.
    uint16_t finish() {
        if (prefix_ != kNone) {
            writer_.put(prefix_, width_.bits());
            prefix_ = kNone;
        }
        return writer_.finish();
    }

  private:
    static constexpr uint32_t kNone = 0xFFFF;

    // Writes the code of `prefix` and adds `prefix` followed by `symbol` to the dictionary, unless
    // the code that `symbol` will need would not fit then.
    bool emit(uint32_t prefix, uint32_t symbol) {
        const bool grows = next_code_ < kLzwMaxCodes;
        const uint8_t bits_after = grows ? width_.bits_after(next_code_) : width_.bits();
        if (bits_left_ < bits_after) {
            return false;
        }
        writer_.put(prefix, width_.bits());
        bits_left_ -= bits_after;
        if (grows) {
            dictionary_.add(prefix, symbol, next_code_);
            width_.added(next_code_);
            ++next_code_;
        }
        return true;
    }

    BitWriter writer_;
    CodeWidth width_;
    int32_t bits_left_ = 0;  // beside the codes written and the one that `finish` will write
    uint32_t next_code_ = kLevels;
    uint32_t prefix_ = kNone;  // code of the longest string that ends at the last symbol
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
