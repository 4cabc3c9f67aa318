// The commands that the ESP-AT driver gives, and how long their answers may take.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agilenn/esp_at.hpp"

namespace agilenn {

// How long a state may last before it counts as failed.
constexpr uint32_t limit_us(EspAt::State state) {
    using State = EspAt::State;
    switch (state) {
        case State::kProbe:
        case State::kVerifyBaud:
        case State::kCheck:
            return 200'000;
        case State::kRestart:
            return 5'000'000;
        case State::kJoin:
            return 20'000'000;  // the module itself gives up after 15 s
        case State::kOpen:
            return 10'000'000;  // with a host name to resolve
        case State::kPayload:
            return 2'000'000;  // 1460 bytes at 9600 baud take 1.5 s
        default:
            return 1'000'000;
    }
}

// Writes the command of a state with its line end, zero-terminated; returns its length.
// `flush`: line ends come first, to complete what a module may be waiting for.
size_t write_at_command(char* command, size_t capacity_bytes, EspAt::State state,
                        const EspAtConfig& config, uint16_t payload_bytes, bool flush);

}  // namespace agilenn
