// The application: frame in, answer out, one line on the console. Yours to change.
#include <stdint.h>

#include "agilenn/console.hpp"
#include "agilenn/engine.hpp"
#include "board.hpp"
#include "camera.hpp"
#include "console_input.hpp"
#include "console_uart.hpp"
#include "network.hpp"
#include "sections.hpp"
#include "server_link.hpp"
#include "time.hpp"

namespace {

constexpr uint32_t kConnectLimitUs = 8'000'000;  // then frames are answered locally until it is up
constexpr uint32_t kConsoleLimitUs = 50'000;     // a line at 115200 baud takes 10 ms

BOARD_BULK_BSS uint8_t frame[agilenn::network::kInputRows * agilenn::network::kInputRowBytes];
BOARD_DMA_BSS agilenn::FragmentBuffers fragment_buffers;

agilenn::Engine engine(board::server_link(), board::now_us, fragment_buffers);

void write_line(const char* what, const char* text) {
    board::console_write(what);
    board::console_write(text);
    board::console_write("\r\n");
}

// Writes what the link does when that has changed, and what is wrong once for each failed attempt.
void report_link() {
    static board::LinkReport reported = {nullptr, 0};
    const board::LinkReport now = board::report_server_link();
    if (now.text != reported.text || now.attempts != reported.attempts) {
        reported = now;
        write_line("link: ", now.text);
    }
}

// Writes why the server refuses, once for each reason in a row.
void report_refusal(const agilenn::Answer& answer) {
    static agilenn::RefusalReason reported = agilenn::RefusalReason::kNone;
    if (answer.refusal != reported) {
        reported = answer.refusal;
        if (reported != agilenn::RefusalReason::kNone) {
            write_line("server: refuses, ", agilenn::describe(reported));
        }
    }
}

void report_start(const board::StartReport& report) {
    char line[agilenn::kLineBytes];
    agilenn::format_banner(line, report.core_hz);
    board::console_write(line);
    if (report.clock_problem != nullptr) {
        write_line("clock: running from the internal oscillator, because ", report.clock_problem);
    }
    if (!report.link_started) {
        write_line("link: ", "not started");
    }
}

void wait_for_link() {
    const uint32_t start_us = board::now_us();
    while (!board::server_link().up() && board::now_us() - start_us < kConnectLimitUs) {
        report_link();
        engine.idle();
    }
}

// A digit typed on the console chooses the rate from the next frame on; 0 sends most and is most
// exact.
void obey_console() {
    if constexpr (agilenn::network::kRates > 1) {
        for (int key = board::console_read(); key >= 0; key = board::console_read()) {
            if (key >= '0' && key <= '9' && !engine.set_rate(static_cast<uint8_t>(key - '0'))) {
                write_line("rate: ", "there is none of this number");
            }
        }
    }
}

// Differs from start to start, because the module never answers after the same number of
// microseconds; multiplied, so that neighbours lie far apart (Knuth's multiplicative hash).
uint32_t varying_number() { return (board::now_us() ^ board::cycles()) * 0x9E3779B1U; }

agilenn::Answer infer(uint32_t sequence) {
    engine.begin(sequence);
    for (uint32_t row = 0; row < agilenn::network::kInputRows; ++row) {
        engine.push_row(&frame[row * agilenn::network::kInputRowBytes]);
    }
    return engine.finish();
}

}  // namespace

int main() {
    const board::StartReport report = board::start();
    report_start(report);
    obey_console();  // listens from here on
    engine.set_device_id(board::device_id());
    if (report.link_started) {
        wait_for_link();
    }
    engine.set_sequence_base(varying_number());
    for (uint32_t sequence = 1;; ++sequence) {
        obey_console();
        capture_frame(frame);
        const agilenn::Answer answer = infer(sequence);

        char line[agilenn::kLineBytes];
        agilenn::format_answer(line, sequence, answer);
        report_link();
        report_refusal(answer);
        board::console_wait_for_room(sizeof line, kConsoleLimitUs);
        board::console_write(line);
    }
}
