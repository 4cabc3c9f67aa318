// CRC-32 by a table of 16 entries: 64 bytes of flash, two look-ups a byte, four bytes a load.
#include "agilenn/crc32.hpp"

namespace agilenn {
namespace {

struct Table {
    uint32_t entries[16];
};

constexpr Table make_table() {
    Table table{};
    for (uint32_t nibble = 0; nibble < 16; ++nibble) {
        uint32_t remainder = nibble;
        for (int bit = 0; bit < 4; ++bit) {
            remainder = (remainder >> 1) ^ ((remainder & 1U) != 0 ? 0xEDB88320U : 0U);
        }
        table.entries[nibble] = remainder;
    }
    return table;
}

constexpr Table kTable = make_table();

// The remainder after kNibbles more of the message have passed.
template <int kNibbles>
uint32_t shifted(uint32_t remainder) {
#pragma GCC unroll 8
    for (int i = 0; i < kNibbles; ++i) {
        remainder = (remainder >> 4) ^ kTable.entries[remainder & 0xFU];
    }
    return remainder;
}

}  // namespace

uint32_t crc32(const uint8_t* data, uint16_t length_bytes, uint32_t previous) {
    uint32_t remainder = ~previous;
    const uint8_t* const end = data + length_bytes;
    while (end - data >= 4) {
        uint32_t word;
        __builtin_memcpy(&word, data, sizeof word);
        remainder = shifted<8>(remainder ^ word);
        data += 4;
    }
    while (data != end) {
        remainder = shifted<2>(remainder ^ *data++);
    }
    return ~remainder;
}

}  // namespace agilenn
