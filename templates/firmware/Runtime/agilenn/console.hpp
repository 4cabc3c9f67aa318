// The lines that the application writes to the console.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agilenn/engine.hpp"

namespace agilenn {

inline constexpr size_t kLineBytes = 192;

// `agilenn <name> model=<8 hex digits> clock_hz=<core clock>`
void format_banner(char (&line)[kLineBytes], uint32_t clock_hz);

// `answer sequence=1 class=3 source=combined device_us=5310 total_us=9120 name=three`
// Where the network has several rates, ` rate=0` stands before the name.
void format_answer(char (&line)[kLineBytes], uint32_t sequence, const Answer& answer);

}  // namespace agilenn
