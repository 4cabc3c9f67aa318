// Stack: painting, guard, high-water mark.
#pragma once

#include <stdint.h>

// Set by the linker script; the stack grows from _estack down to _stack_limit.
extern "C" uint32_t _stack_limit[];
extern "C" uint32_t _estack[];

namespace board {

inline constexpr uint32_t kStackPaint = 0xC5C5C5C5U;

// Lets the core notice at once that the stack overflows: the 4 KiB below it become inaccessible (a
// memory fault), or the core watches its stack pointer (M33: a usage fault).
void guard_stack();

// Deepest use of the stack since reset, in bytes.
uint32_t stack_used_bytes();

}  // namespace board
