// Steps that every clock tree is set up with.
#pragma once

#include <stdint.h>

#include "board_config.hpp"
#include "registers.hpp"

namespace board::stm32 {

// Polls before a wait gives up: 100 ms and more at 16 MHz; a crystal starts within 2 ms.
inline constexpr uint32_t kPollLimit = 200'000;

inline bool wait_until(const Register& reg, uint32_t mask, uint32_t expected) {
    for (uint32_t poll = 0; poll < kPollLimit; ++poll) {
        if ((reg & mask) == expected) {
            return true;
        }
    }
    return false;
}

// Field of an AHB divider (1, 2, 4, 8, 16); the same in every family.
constexpr uint32_t ahb_field(uint32_t divider) {
    uint32_t field = 0;
    for (uint32_t d = divider; d > 1; d /= 2) {
        field = field == 0 ? 8 : field + 1;
    }
    return field;
}

// Field of an APB divider (1, 2, 4, 8, 16); the same in every family.
constexpr uint32_t apb_field(uint32_t divider) {
    uint32_t field = 0;
    for (uint32_t d = divider; d > 1; d /= 2) {
        field = field == 0 ? 4 : field + 1;
    }
    return field;
}
static_assert(ahb_field(1) == 0 && ahb_field(2) == 8 && apb_field(2) == 4 && apb_field(4) == 5);

// The peripheral buses as configured, from the clock of the bus matrix.
inline constexpr uint32_t kAhbHz = config::kSysclkHz / config::kAhbDivider;
inline constexpr uint32_t kApb1Hz = kAhbHz / config::kApb1Divider;
inline constexpr uint32_t kApb2Hz = kAhbHz / config::kApb2Divider;

}  // namespace board::stm32
