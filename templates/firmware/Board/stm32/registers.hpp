// Registers that are the same in every STM32 family, and ways to change them.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace board::stm32 {

using Register = volatile uint32_t;

inline void set_bits(Register& reg, uint32_t mask) { reg = reg | mask; }
inline void clear_bits(Register& reg, uint32_t mask) { reg = reg & ~mask; }
inline void replace_bits(Register& reg, uint32_t mask, uint32_t value) {
    reg = (reg & ~mask) | value;
}

// Reads a register for the time that takes: a write before it has then arrived.
inline void read_back(const Register& reg) { [[maybe_unused]] const uint32_t value = reg; }

inline uint32_t address_of(const volatile void* object) {
    return reinterpret_cast<uint32_t>(object);
}

// RM0385 section 6.4, general-purpose I/O.
struct Gpio {
    Register moder, otyper, ospeedr, pupdr, idr, odr, bsrr, lckr, afr[2];
};
static_assert(offsetof(Gpio, afr) == 0x20);

}  // namespace board::stm32
