// Console on the standard input, never waiting for it.
#include "console_input.hpp"

#include <poll.h>
#include <unistd.h>

namespace board {

int console_read() {
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    char character;
    if (poll(&input, 1, 0) != 1 || read(STDIN_FILENO, &character, 1) != 1) {
        return -1;
    }
    return static_cast<unsigned char>(character);
}

}  // namespace board
