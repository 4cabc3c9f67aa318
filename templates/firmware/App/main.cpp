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

// Writes the link's state when it has changed, so that the console shows what it waits for.
void report_link() {
    static const char* reported = nullptr;
    const char* state = agilenn::describe(link.state());
    if (state != reported) {
        reported = state;
        board::console_write("link: ");
        board::console_write(state);
        board::console_write("\r\n");
    }
}

void report_start(const board::StartReport& report) {
    char line[agilenn::kLineBytes];
    agilenn::format_banner(line, report.clock.core_hz);
    board::console_write(line);
    if (report.clock.status != board::ClockStatus::kOk) {
        board::console_write("clock: ");
        board::console_write(board::describe(report.clock.status));
        board::console_write("; running from the internal oscillator\r\n");
    }
    if (!report.link_uart_ready) {
        board::console_write("link: the UART cannot be started\r\n");
    }
}

void wait_for_link() {
    const uint32_t start_us = board::now_us();
    while (!link.up() && board::now_us() - start_us < kConnectLimitUs) {
        report_link();
        engine.idle();
    }
}

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
    for (uint32_t sequence = 1;; ++sequence) {
        capture_frame(frame);
        const agilenn::Answer answer = infer(sequence);

        char line[agilenn::kLineBytes];
        agilenn::format_answer(line, sequence, answer);
        report_link();
        board::console_wait_for_room(sizeof line, kConsoleLimitUs);
        board::console_write(line);
    }
}
