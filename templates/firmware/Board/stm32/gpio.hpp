// Pins.
#pragma once

#include <stdint.h>

#include "board_config.hpp"

namespace board {

// Switches a pin to an alternate function: push-pull, very high speed, pull-up (RM0385
// section 6.4).
void use_alternate_function(config::Pin pin, uint32_t function);

}  // namespace board
