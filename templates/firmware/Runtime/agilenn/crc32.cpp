// CRC-32 by a table of 256 entries: 1 KiB of flash, one look-up a byte, four bytes a load.
#include "agilenn/crc32.hpp"

namespace agilenn {
namespace {

struct Table {
    uint32_t entries[256];
};

constexpr Table make_table() {
    Table table{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
        uint32_t remainder = byte;
        for (int bit = 0; bit < 8; ++bit) {
            remainder = (remainder >> 1) ^ ((remainder & 1U) != 0 ? 0xEDB88320U : 0U);
        }
        table.entries[byte] = remainder;
    }
    return table;
}

constexpr Table kTable = make_table();

// The remainder after kBytes more of the message have passed.
template <int kBytes>
uint32_t shifted(uint32_t remainder) {
#pragma GCC unroll 4
    for (int i = 0; i < kBytes; ++i) {
        remainder = (remainder >> 8) ^ kTable.entries[remainder & 0xFFU];
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
        remainder = shifted<4>(remainder ^ word);
        data += 4;
    }
    while (data != end) {
        remainder = shifted<1>(remainder ^ *data++);
    }
    return ~remainder;
}

}  // namespace agilenn
