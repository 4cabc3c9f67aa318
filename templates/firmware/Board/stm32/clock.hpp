// System clock.
#pragma once

#include <stdint.h>

namespace board {

enum class ClockStatus : uint8_t {
    kOk,
    kSourceDidNotStart,
    kPllDidNotLock,
    kOverDriveFailed,
    kVoltageScaleFailed,
    kFlashWaitStatesRefused,
    kSwitchFailed,
};

struct ClockTree {
    ClockStatus status;  // anything but kOk: the core runs from the oscillator it woke up with
    uint32_t core_hz, apb1_hz, apb2_hz;
};

// Brings the core to the board's frequency; every wait is bounded. If a step fails, the clock falls
// back to the internal oscillator, so that the program runs (slowly) and can report why.
ClockTree start_clock();

const char* describe(ClockStatus status);

}  // namespace board
