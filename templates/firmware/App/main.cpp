// The application: frame in, answer out, one line on the console. Yours to change.
#include <stdint.h>

#include "agilenn/console.hpp"
#include "agilenn/engine.hpp"
#include "agilenn/esp_at.hpp"
#include "board.hpp"
#include "camera.hpp"
#include "console_uart.hpp"
#include "deployment.hpp"
#include "network.hpp"
#include "sections.hpp"
#include "time.hpp"
#include "wifi_config.hpp"

namespace {

constexpr uint16_t kLocalPort = 5701;
constexpr uint32_t kConnectLimitUs = 8'000'000;  // then frames are answered locally until it is up
constexpr uint32_t kConsoleLimitUs = 50'000;     // a line at 115200 baud takes 10 ms

static_assert(sizeof wifi::kSsid <= 32 + 1, "a network's name has at most 32 bytes");
static_assert(sizeof wifi::kPassword <= 64 + 1, "a password has at most 64 bytes");

constexpr agilenn::EspAtConfig kLinkConfig = {
    wifi::kSsid,
    wifi::kPassword,
    agilenn::deployment::kServerHost,
    agilenn::deployment::kServerPort,
    kLocalPort,
    agilenn::deployment::kLinkBaud,
};

BOARD_BULK_BSS uint8_t frame[agilenn::network::kInputRows * agilenn::network::kInputRowBytes];
BOARD_DMA_BSS uint8_t link_command[agilenn::EspAt::kCommandBytes];
BOARD_DMA_BSS agilenn::FragmentBuffers fragment_buffers;

board::LinkUart link_uart;
agilenn::EspAt link(link_uart, kLinkConfig, link_command);
agilenn::Engine engine(link, board::now_us, fragment_buffers);

void write_line(const char* what, const char* text) {
    board::console_write(what);
    board::console_write(text);
    board::console_write("\r\n");
}

// Writes what the link does when that has changed, and what is wrong once for each failed attempt.
void report_link() {
    static const char* reported = nullptr;
    static uint32_t reported_restarts = 0;
    const char* text = agilenn::describe(link);
    const uint32_t restarts = link.statistics().restarts;
    if (text != reported || restarts != reported_restarts) {
        reported = text;
        reported_restarts = restarts;
        write_line("link: ", text);
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
    agilenn::format_banner(line, report.clock.core_hz);
    board::console_write(line);
    if (report.clock.status != board::ClockStatus::kOk) {
        write_line("clock: running from the internal oscillator, because ",
                   board::describe(report.clock.status));
    }
    if (!report.link_uart_ready) {
        write_line("link: ", "the UART cannot be started");
    }
}

void wait_for_link() {
    const uint32_t start_us = board::now_us();
    while (!link.up() && board::now_us() - start_us < kConnectLimitUs) {
        report_link();
        engine.idle();
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
    report_start(board::start(link_uart));
    engine.set_device_id(board::device_id());
    wait_for_link();
    engine.set_sequence_base(varying_number());
    for (uint32_t sequence = 1;; ++sequence) {
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
