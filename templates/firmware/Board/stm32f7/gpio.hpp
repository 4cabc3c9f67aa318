// Pins.
#pragma once

#include <cstdint>

#include "board_config.hpp"

namespace board {

// Switches a pin to an alternate function: push-pull, very high speed, pull-up (RM0385 section 6.4).
void use_alternate_function(config::Pin pin, std::uint32_t function);

}  // namespace board
