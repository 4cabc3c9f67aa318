// Where frames come from. Yours to change.
#pragma once

#include <stdint.h>

// Waits for the next frame and writes it, raw uint8 pixels: network::kInputRows rows of
// network::kInputRowBytes bytes (columns x channels). A function of its own, so that a debugger or
// a test bench can put frames in where it returns.
[[gnu::noinline]] void capture_frame(uint8_t* frame);
