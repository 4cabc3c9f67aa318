// An ESP-AT module on the board's link UART.
#include "server_link.hpp"

#include "agilenn/esp_at.hpp"
#include "agilenn/protocol.hpp"
#include "deployment.hpp"
#include "link_uart.hpp"
#include "network.hpp"
#include "sections.hpp"
#include "wifi_config.hpp"

namespace board {
namespace {

constexpr uint16_t kLocalPort = 5701;

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

BOARD_DMA_BSS uint8_t command[agilenn::EspAt::kCommandBytes];
uint8_t answer[agilenn::answer_bytes(agilenn::network::kClasses)];

LinkUart uart;
agilenn::EspAt module(uart, kLinkConfig, {command, answer, sizeof answer});

}  // namespace

bool start_server_link(uint32_t clock_hz) { return uart.start(clock_hz); }

agilenn::DatagramLink& server_link() { return module; }

LinkReport report_server_link() {
    return {agilenn::describe(module), module.statistics().failures};
}

}  // namespace board
