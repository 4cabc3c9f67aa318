// Packs codes into bytes, most significant bit first.
#pragma once

#include <stdint.h>

namespace agilenn {

// Writes codes of up to 16 bits one behind the other. The caller knows that they fit.
class BitWriter {
  public:
    void begin(uint8_t* out) {
        begin_ = out;
        out_ = out;
        pending_ = 0;
        pending_bits_ = 0;
    }

    // Appends the low `bits` bits of `code`; no higher bit of it may be set.
    void put(uint32_t code, uint32_t bits) {
        // Local copies: a byte written through `out` might change any member as far as the
        // compiler knows.
        uint8_t* out = out_;
        uint32_t pending_bits = pending_bits_ + bits;
        const uint32_t pending = (pending_ << bits) | code;
        while (pending_bits >= 8) {
            pending_bits -= 8;
            *out++ = static_cast<uint8_t>(pending >> pending_bits);
        }
        out_ = out;
        pending_ = pending;
        pending_bits_ = pending_bits;
    }

    // Fills the last byte with zero bits and returns the number of bytes written since `begin`.
    uint16_t finish() {
        if (pending_bits_ != 0) {
            *out_++ = static_cast<uint8_t>(pending_ << (8 - pending_bits_));
            pending_bits_ = 0;
        }
        return static_cast<uint16_t>(out_ - begin_);
    }

  private:
    uint8_t* begin_ = nullptr;
    uint8_t* out_ = nullptr;
    uint32_t pending_ = 0;  // its low `pending_bits_` bits are not written yet
    uint32_t pending_bits_ = 0;
};

}  // namespace agilenn
