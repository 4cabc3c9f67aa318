// Datagram link over an ESP8266 or ESP32 with AT firmware, one UDP socket, normal mode.
#pragma once

#include <stdint.h>

#include "agilenn/datagram_link.hpp"
#include "agilenn/esp_at_parser.hpp"
#include "agilenn/uart.hpp"

namespace agilenn {

struct EspAtConfig {
    const char* ssid;
    const char* password;
    const char* server_host;
    uint16_t server_port;
    uint16_t local_port;
    uint32_t baud;  // after connecting; the module starts at EspAt::kBootBaud
};

// A state machine that poll() advances: it brings the module up step by step, keeps it up, and
// sends one datagram at a time (AT+CIPSEND, prompt, bytes, SEND OK). Every state has a time limit.
// Errors, a restart of the module, lost WiFi, lost characters and silence all end in a new attempt,
// with a pause that doubles from 100 ms to 6.4 s.
class EspAt final : public DatagramLink {
  public:
    static constexpr uint32_t kBootBaud = 115'200;
    static constexpr uint16_t kCommandBytes = 256;

    enum class State : uint8_t {
        kPause,       // before the next attempt
        kProbe,       // AT, at the rates the module may have
        kEchoOff,     // ATE0
        kStation,     // AT+CWMODE=1
        kJoin,        // AT+CWJAP
        kSingle,      // AT+CIPMUX=0
        kSetBaud,     // AT+UART_CUR
        kVerifyBaud,  // AT, at the new rate
        kClose,       // AT+CIPCLOSE, a socket left from before
        kOpen,        // AT+CIPSTART
        kIdle,        // connected
        kPrompt,      // AT+CIPSEND, waiting for '>'
        kPayload,     // the datagram's bytes are on the UART
        kSendOk,      // waiting for SEND OK
    };

    struct Statistics {
        uint32_t sent;      // datagrams that the module took
        uint32_t lost;      // datagrams that it did not take
        uint32_t restarts;  // attempts to bring the module up, after the first
    };

    // `command` holds kCommandBytes in memory that the UART's DMA can read.
    EspAt(Uart& uart, const EspAtConfig& config, uint8_t* command)
        : uart_(uart), config_(config), command_(command) {}

    Datagram poll(uint32_t now_us) override;
    bool up() const override { return state_ >= State::kIdle; }
    bool ready() const override { return state_ == State::kIdle; }
    bool send(const uint8_t* bytes, uint16_t count) override;
    const uint8_t* held() const override { return payload_; }
    void wait() override { uart_.wait(); }

    State state() const { return state_; }
    const Statistics& statistics() const { return statistics_; }

  private:
    void handle(EspAtEvent event);
    void handle_setup(EspAtEvent event);
    void handle_sending(EspAtEvent event);
    void handle_timeout();
    void probe_failed();
    void enter(State state);
    void repeat_after(uint32_t delay_us);
    void retry_or_restart();
    void restart();
    void probe_now();
    void finish_datagram(bool taken);
    void next_after(State state);
    void issue();
    uint16_t write_command();
    bool set_baud(uint32_t baud);

    Uart& uart_;
    const EspAtConfig& config_;
    uint8_t* command_;
    EspAtParser parser_;

    State state_ = State::kProbe;
    bool issued_ = false;      // the state's command has been given to the UART
    uint8_t attempt_ = 0;      // in this state
    uint8_t failures_ = 0;     // attempts to come up since the last success
    uint8_t lost_in_row_ = 0;  // datagrams
    bool baud_switch_works_ = true;
    uint32_t now_us_ = 0;
    uint32_t due_us_ = 0;   // end of the pause, or of the state's time limit
    uint32_t data_us_ = 0;  // when the datagram being received last grew
    uint32_t baud_ = kBootBaud;
    const uint8_t* payload_ = nullptr;
    uint16_t payload_count_ = 0;
    uint8_t received_[64] = {};  // bytes taken from the UART and not yet parsed
    uint8_t received_count_ = 0;
    uint8_t received_next_ = 0;
    Statistics statistics_ = {};
};

const char* describe(EspAt::State state);

}  // namespace agilenn
