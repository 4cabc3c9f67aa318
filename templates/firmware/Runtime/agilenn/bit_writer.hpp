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
        pending_ = (pending_ << bits) | code;
        pending_bits_ += bits;
        if (pending_bits_ >= 16) {
            pending_bits_ -= 16;
            const uint32_t full = pending_ >> pending_bits_;
            out_[0] = static_cast<uint8_t>(full >> 8);
            out_[1] = static_cast<uint8_t>(full);
            out_ += 2;
        }
    }

    // Fills the last byte with zero bits and returns the number of bytes written since `begin`.
    uint16_t finish() {
        const uint32_t padded = pending_ << (16 - pending_bits_);
        for (uint32_t bits = 0; bits < pending_bits_; bits += 8) {
            *out_++ = static_cast<uint8_t>(padded >> (8 - bits));
        }
        pending_bits_ = 0;
        return static_cast<uint16_t>(out_ - begin_);
    }

  private:
    uint8_t* begin_ = nullptr;
    uint8_t* out_ = nullptr;
    uint32_t pending_ = 0;  // its low `pending_bits_` bits, fewer than 16, are not written yet
    uint32_t pending_bits_ = 0;
};

}  // namespace agilenn
