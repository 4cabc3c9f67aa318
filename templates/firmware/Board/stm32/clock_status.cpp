// What can go wrong with the clock, in words.
#include "clock.hpp"

namespace board {

const char* describe(ClockStatus status) {
    switch (status) {
        case ClockStatus::kOk:
            return "ok";
        case ClockStatus::kSourceDidNotStart:
            return "oscillator did not start";
        case ClockStatus::kPllDidNotLock:
            return "PLL did not lock";
        case ClockStatus::kOverDriveFailed:
            return "over-drive did not become ready";
        case ClockStatus::kVoltageScaleFailed:
            return "core voltage did not become ready";
        case ClockStatus::kFlashWaitStatesRefused:
            return "flash did not take its wait states";
        case ClockStatus::kSwitchFailed:
            return "core did not switch to the PLL";
    }
    return "unknown";
}

}  // namespace board
