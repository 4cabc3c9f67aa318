// Console on the standard output.
#include "console_uart.hpp"

#include <stdio.h>

namespace board {

void start_console(uint32_t) { setvbuf(stdout, nullptr, _IOLBF, BUFSIZ); }

void console_write(const char* text) {
    for (; *text != '\0'; ++text) {
        if (*text != '\r') {  // a terminal needs none
            putchar(*text);
        }
    }
}

bool console_wait_for_room(uint32_t, uint32_t) { return true; }

uint32_t console_dropped_bytes() { return 0; }

void console_write_polled(const char* text) { console_write(text); }

}  // namespace board
