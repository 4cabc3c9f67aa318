// The way to the server that this board has.
#pragma once

#include <stdint.h>

#include "agilenn/datagram_link.hpp"

namespace board {

// Starts the peripheral that carries the link; `clock_hz` is its clock, 0 where it has none. False:
// the link cannot work, and server_link() stays down.
bool start_server_link(uint32_t clock_hz);

agilenn::DatagramLink& server_link();

struct LinkReport {
    const char* text;   // what the link is at or what is wrong, in words
    uint32_t attempts;  // failed ones to bring it up, so far
};
LinkReport report_server_link();

}  // namespace board
