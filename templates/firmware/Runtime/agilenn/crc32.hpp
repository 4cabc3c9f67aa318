// CRC-32 as in IEEE 802.3, zlib and PNG: reflected, polynomial 0x04C11DB7.
#pragma once

#include <stdint.h>

namespace agilenn {

// Returns the CRC of bytes; the nine characters "123456789" give 0xCBF43926. A CRC over several
// pieces goes on from the `previous` result.
uint32_t crc32(const uint8_t* data, uint16_t length_bytes, uint32_t previous = 0);

}  // namespace agilenn
