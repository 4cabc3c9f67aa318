// Builds short texts in a fixed buffer; what does not fit is cut and remembered.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace agilenn {

class TextWriter {
  public:
    TextWriter(char* buffer, size_t capacity_bytes)
        : buffer_(buffer), capacity_bytes_(capacity_bytes) {
        buffer_[0] = '\0';
    }

    TextWriter& add(const char* text);
    TextWriter& add(char character);
    TextWriter& add_decimal(uint32_t value);
    TextWriter& add_hex(uint32_t value, unsigned digits);

    size_t length() const { return length_; }
    bool complete() const { return complete_; }  // nothing was cut

  private:
    char* buffer_;
    size_t capacity_bytes_;  // with the terminating zero
    size_t length_ = 0;
    bool complete_ = true;
};

bool equal(const char* left, const char* right);
bool starts_with(const char* text, const char* prefix);

}  // namespace agilenn
