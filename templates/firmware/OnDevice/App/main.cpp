// The application: frame in, answer out, one line on the console. Yours to change.
#include <stdint.h>

#include "agilenn/console.hpp"
#include "agilenn/engine.hpp"
#include "board.hpp"
#include "camera.hpp"
#include "console_uart.hpp"
#include "network.hpp"
#include "sections.hpp"
#include "time.hpp"

namespace {

constexpr uint32_t kConsoleLimitUs = 50'000;  // a line at 115200 baud takes 10 ms

BOARD_BULK_BSS uint8_t frame[agilenn::network::kInputRows * agilenn::network::kInputRowBytes];

agilenn::Engine engine(board::now_us);

void report_start(const board::StartReport& report) {
    char line[agilenn::kLineBytes];
    agilenn::format_banner(line, report.core_hz);
    board::console_write(line);
    if (report.clock_problem != nullptr) {
        board::console_write("clock: running from the internal oscillator, because ");
        board::console_write(report.clock_problem);
        board::console_write("\r\n");
    }
}

agilenn::Answer infer() {
    engine.begin();
    for (uint32_t row = 0; row < agilenn::network::kInputRows; ++row) {
        engine.push_row(&frame[row * agilenn::network::kInputRowBytes]);
    }
    return engine.finish();
}

}  // namespace

int main() {
    report_start(board::start());
    for (uint32_t sequence = 1;; ++sequence) {
        capture_frame(frame);
        const agilenn::Answer answer = infer();

        char line[agilenn::kLineBytes];
        agilenn::format_answer(line, sequence, answer);
        board::console_wait_for_room(sizeof line, kConsoleLimitUs);
        board::console_write(line);
    }
}
