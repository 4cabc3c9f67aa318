// Datagram link over an ESP8266 or ESP32 with AT firmware, one UDP socket, normal mode.
#pragma once

#include <stdint.h>

#include "agilenn/datagram_link.hpp"
#include "agilenn/esp_at_parser.hpp"
#include "agilenn/uart.hpp"

namespace agilenn {

// Memory that the link works in.
struct EspAtBuffers {
    uint8_t* command;  // EspAt::kCommandBytes that the UART's DMA can read
    uint8_t* answer;   // for received datagrams; longer ones are dropped
    uint16_t answer_bytes;
};

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
// with a pause that doubles from 100 ms to 6.4 s; after some failures the module is restarted.
class EspAt final : public DatagramLink {
  public:
    static constexpr uint32_t kBootBaud = 115'200;
    static constexpr uint16_t kCommandBytes = 256;  // the most that AT firmware takes

    enum class State : uint8_t {
        kPause,       // before the next attempt
        kProbe,       // AT, at the rates the module may have
        kRestart,     // AT+RST, until it says that it is ready
        kEchoOff,     // ATE0
        kKeepFlash,   // AT+SYSSTORE=0: joining must not write the module's flash every time
        kStation,     // AT+CWMODE=1
        kStayAwake,   // AT+SLEEP=0: a sleeping radio hears answers only with the next beacon
        kJoin,        // AT+CWJAP
        kClose,       // AT+CIPCLOSE, a socket left from before; CIPMUX wants none
        kSingle,      // AT+CIPMUX=0
        kSetBaud,     // AT+UART_CUR
        kVerifyBaud,  // AT, at the new rate
        kOpen,        // AT+CIPSTART
        kIdle,        // connected
        kCheck,       // AT, to hear whether the module is still there
        kPrompt,      // AT+CIPSEND, waiting for '>'
        kPayload,     // the datagram's bytes are on the UART
        kSendOk,      // waiting for SEND OK
    };

    // Why the last attempt failed.
    enum class Problem : uint8_t {
        kNone,
        kNoModule,       // nothing answers at any rate
        kModuleErrors,   // it answers, but not as it should
        kJoinTimeout,    // the access point does not answer
        kWrongPassword,  // says the module; it is not always right
        kNoNetwork,      // no access point of that name is in reach
        kJoinRefused,
        kNoSocket,  // a host name that cannot be resolved, no address
        kUart,      // this board's own UART does not send
    };

    struct Statistics {
        uint32_t sent;      // datagrams that the module took
        uint32_t lost;      // datagrams that it did not take
        uint32_t restarts;  // attempts to bring the module up, after the first
        uint32_t failures;  // attempts that failed; problem() says why the last one did
    };

    EspAt(Uart& uart, const EspAtConfig& config, const EspAtBuffers& buffers)
        : uart_(uart),
          config_(config),
          command_(buffers.command),
          parser_(buffers.answer, buffers.answer_bytes) {}

    Datagram poll(uint32_t now_us) override;
    bool up() const override { return state_ >= State::kIdle; }
    bool ready() const override { return state_ == State::kIdle; }
    bool send(const uint8_t* bytes, uint16_t count) override;
    const uint8_t* held() const override { return payload_ != nullptr ? payload_ : leaving_; }
    void wait() override { uart_.wait(); }

    State state() const { return state_; }
    Problem problem() const { return problem_; }
    const Statistics& statistics() const { return statistics_; }

  private:
    static constexpr uint8_t kBusyAttempts = 100;
    static constexpr uint8_t kLostInRow = 3;  // datagrams; then the socket is opened anew

    void handle(EspAtEvent event);
    void handle_setup(EspAtEvent event);
    void handle_setup_error();
    void handle_sending(EspAtEvent event);
    void handle_noise();
    void handle_timeout();
    void step_after(State state);
    void step_after_probe();
    void note_payload_left();
    void probe_failed();
    void enter(State state);
    void repeat_after(uint32_t delay_us);
    void retry_or_restart(Problem problem);
    void restart(Problem problem);
    void probe_now();
    void finish_datagram(bool taken);
    void issue();
    uint16_t write_command();
    bool set_baud(uint32_t baud);

    Uart& uart_;
    const EspAtConfig& config_;
    uint8_t* command_;
    EspAtParser parser_;

    State state_ = State::kProbe;
    Problem problem_ = Problem::kNone;
    bool issued_ = false;      // the state's command has been given to the UART
    uint8_t attempt_ = 0;      // in this state
    uint8_t failures_ = 0;     // attempts to come up since the last success
    uint8_t lost_in_row_ = 0;  // datagrams
    bool baud_switch_works_ = true;
    bool was_up_ = false;         // if the module answers at the present rate, all is as it was
    bool fresh_ = false;          // the module has been restarted in this attempt
    bool socket_closed_ = false;  // in this attempt
    uint32_t now_us_ = 0;
    uint32_t due_us_ = 0;   // when to issue; then end of the pause, or of the state's time limit
    uint32_t data_us_ = 0;  // when the datagram being received last grew
    uint32_t baud_ = kBootBaud;
    const uint8_t* payload_ = nullptr;  // until the module has taken it, or will not
    const uint8_t* leaving_ = nullptr;  // while the UART still reads it
    uint16_t payload_count_ = 0;
    uint8_t received_[64] = {};  // bytes taken from the UART and not yet parsed
    uint8_t received_count_ = 0;
    uint8_t received_next_ = 0;
    Statistics statistics_ = {};
};

// For a person: what the link does; what has stopped it; whichever matters now.
const char* describe(EspAt::State state);
const char* describe(EspAt::Problem problem);
const char* describe(const EspAt& link);

}  // namespace agilenn
