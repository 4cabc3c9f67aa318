// CRC-32 by a table of 16 entries: 64 bytes of flash, two look-ups a byte.
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

}  // namespace

uint32_t crc32(const uint8_t* data, uint16_t length_bytes, uint32_t previous) {
    uint32_t remainder = ~previous;
    for (uint16_t i = 0; i < length_bytes; ++i) {
        remainder ^= data[i];
        remainder = (remainder >> 4) ^ kTable.entries[remainder & 0xFU];
        remainder = (remainder >> 4) ^ kTable.entries[remainder & 0xFU];
    }
    return ~remainder;
}

}  // namespace agilenn
