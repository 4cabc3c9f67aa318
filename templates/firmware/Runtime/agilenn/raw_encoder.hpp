// The `raw` codec: symbols packed in ceil(log2(levels)) bits, most significant bit first.
#pragma once

#include <stdint.h>

#include "agilenn/bit_writer.hpp"
#include "agilenn/protocol.hpp"

namespace agilenn {

template <uint8_t kLevels, uint16_t kCapacity>
class RawEncoder {
    static_assert(kLevels >= 2, "an alphabet has at least two symbols");
    static_assert(kCapacity >= 1, "a fragment holds at least one symbol");

    static constexpr uint8_t symbol_bits() {
        uint8_t bits = 1;
        while ((1U << bits) < kLevels) {
            ++bits;
        }
        return bits;
    }

  public:
    static constexpr Codec kCodec = Codec::kRaw;
    static constexpr uint16_t kCapacityBytes = kCapacity;
    static constexpr uint16_t kLeastSymbols = kCapacity * 8U / symbol_bits();

    // Starts a fragment of at most `capacity_bytes` (1 to kCapacityBytes) in `out`.
    void begin(uint8_t* out, uint16_t capacity_bytes, uint32_t /*first_symbol*/ = 0,
               uint8_t /*rate*/ = 0) {
        writer_.begin(out);
        symbols_left_ = static_cast<uint16_t>(capacity_bytes * 8U / symbol_bits());
    }

    // Takes one symbol; false if the fragment is full.
    bool push(uint8_t symbol) { return push_run(&symbol, 1) == 1; }

    // Takes symbols until the fragment is full; returns how many were taken.
    uint16_t push_run(const uint8_t* symbols, uint16_t count) {
        const uint16_t taken = count < symbols_left_ ? count : symbols_left_;
        for (uint16_t i = 0; i < taken; ++i) {
            writer_.put(symbols[i], symbol_bits());
        }
        symbols_left_ = static_cast<uint16_t>(symbols_left_ - taken);
        return taken;
    }

    // Returns the length of the fragment in bytes.
    uint16_t finish() { return writer_.finish(); }

  private:
    BitWriter writer_;
    uint16_t symbols_left_ = 0;
};

}  // namespace agilenn
