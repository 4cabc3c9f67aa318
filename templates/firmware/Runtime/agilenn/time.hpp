// Microsecond time that wraps.
#pragma once

#include <stdint.h>

namespace agilenn {

// Returns microseconds since some start; wraps after 2^32.
using MicrosecondClock = uint32_t (*)();

// Whether `now_us` has come to `then_us`; right while they lie less than 35 minutes apart.
constexpr bool reached(uint32_t now_us, uint32_t then_us) {
    return static_cast<int32_t>(now_us - then_us) >= 0;
}

}  // namespace agilenn
