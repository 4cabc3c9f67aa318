// Console: what the user types, a character at a time.
#pragma once

namespace board {

// The first character that has arrived since the call before, -1 if there is none. A board may lose
// what follows it: a console that is read between frames takes single keys, not lines.
int console_read();

}  // namespace board
