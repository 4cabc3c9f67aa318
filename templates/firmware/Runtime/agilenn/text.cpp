// Text without the C library's formatted output.
#include "agilenn/text.hpp"

#include "agilenn/small_code.hpp"

namespace agilenn {

TextWriter& TextWriter::add(char character) {
    if (length_ + 1 < capacity_bytes_) {
        buffer_[length_++] = character;
        buffer_[length_] = '\0';
    } else {
        complete_ = false;
    }
    return *this;
}

TextWriter& TextWriter::add(const char* text) {
    for (; *text != '\0'; ++text) {
        add(*text);
    }
    return *this;
}

TextWriter& TextWriter::add_decimal(uint32_t value) {
    char digits[10];
    unsigned count = 0;
    do {
        digits[count++] = static_cast<char>('0' + value % 10U);
        value /= 10U;
    } while (value != 0);
    while (count != 0) {
        add(digits[--count]);
    }
    return *this;
}

TextWriter& TextWriter::add_hex(uint32_t value, unsigned digits) {
    for (unsigned digit = digits; digit-- != 0;) {
        add("0123456789abcdef"[(value >> (4U * digit)) & 0xFU]);
    }
    return *this;
}

bool equal(const char* left, const char* right) {
    while (*left != '\0' && *left == *right) {
        ++left;
        ++right;
    }
    return *left == *right;
}

bool starts_with(const char* text, const char* prefix) {
    while (*prefix != '\0' && *text == *prefix) {
        ++text;
        ++prefix;
    }
    return *prefix == '\0';
}

}  // namespace agilenn
