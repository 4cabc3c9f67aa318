// Instruction cache of the STM32U5, which covers the flash.
#pragma once

namespace board {

// Invalidates and enables the instruction cache (RM0456 section 8). Data is not cached.
void enable_caches();

}  // namespace board
