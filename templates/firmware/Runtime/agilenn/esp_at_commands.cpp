// AT commands ("ESP-AT User Guide": Basic, Wi-Fi and TCP/IP commands) and texts for the console.
#include "agilenn/esp_at_commands.hpp"

#include "agilenn/small_code.hpp"
#include "agilenn/text.hpp"

namespace agilenn {
namespace {

using State = EspAt::State;

constexpr size_t kLongestPlainCommand = 8;  // AT and its line end, with room

// Writes a quoted parameter; the module wants quotes, commas and backslashes escaped.
void add_quoted(TextWriter& text, const char* parameter) {
    text.add('"');
    for (; *parameter != '\0'; ++parameter) {
        if (*parameter == '"' || *parameter == ',' || *parameter == '\\') {
            text.add('\\');
        }
        text.add(*parameter);
    }
    text.add('"');
}

}  // namespace

size_t write_at_command(char* command, size_t capacity_bytes, State state,
                        const EspAtConfig& config, uint16_t payload_bytes, bool flush) {
    TextWriter text(command, capacity_bytes);
    while (flush && text.length() + kLongestPlainCommand < capacity_bytes) {
        text.add("\r\n");
    }
    switch (state) {
        case State::kProbe:
        case State::kVerifyBaud:
        case State::kCheck:
            text.add("AT");
            break;
        case State::kRestart:
            text.add("AT+RST");
            break;
        case State::kEchoOff:
            text.add("ATE0");
            break;
        case State::kKeepFlash:
            text.add("AT+SYSSTORE=0");
            break;
        case State::kStation:
            text.add("AT+CWMODE=1");
            break;
        case State::kStayAwake:
            text.add("AT+SLEEP=0");
            break;
        case State::kJoin:
            text.add("AT+CWJAP=");
            add_quoted(text, config.ssid);
            text.add(',');
            add_quoted(text, config.password);
            break;
        case State::kClose:
            text.add("AT+CIPCLOSE");
            break;
        case State::kSingle:
            text.add("AT+CIPMUX=0");
            break;
        case State::kSetBaud:
            text.add("AT+UART_CUR=").add_decimal(config.baud).add(",8,1,0,0");
            break;
        case State::kOpen:
            text.add("AT+CIPSTART=\"UDP\",");
            add_quoted(text, config.server_host);
            text.add(',').add_decimal(config.server_port);
            text.add(',').add_decimal(config.local_port).add(",0");
            break;
        case State::kPrompt:
            text.add("AT+CIPSEND=").add_decimal(payload_bytes);
            break;
        default:
            break;
    }
    text.add("\r\n");
    return text.length();
}

const char* describe(EspAt::State state) {
    using State = EspAt::State;
    switch (state) {
        case State::kPause:
            return "waiting before the next attempt";
        case State::kProbe:
            return "looking for the WiFi module";
        case State::kRestart:
            return "restarting the WiFi module";
        case State::kJoin:
            return "joining the WiFi network";
        case State::kOpen:
            return "opening the socket";
        case State::kEchoOff:
        case State::kKeepFlash:
        case State::kStation:
        case State::kStayAwake:
        case State::kClose:
        case State::kSingle:
        case State::kSetBaud:
        case State::kVerifyBaud:
            return "setting up the WiFi module";
        default:
            return "connected";
    }
}

const char* describe(EspAt::Problem problem) {
    using Problem = EspAt::Problem;
    switch (problem) {
        case Problem::kNone:
            return "no problem";
        case Problem::kNoModule:
            return "the WiFi module does not answer; check wiring, power and AT firmware";
        case Problem::kModuleErrors:
            return "the WiFi module does not accept its commands; see its AT firmware version";
        case Problem::kJoinTimeout:
            return "joining the WiFi network timed out; check wifi_config.hpp and the distance";
        case Problem::kWrongPassword:
            return "wrong WiFi password; check wifi_config.hpp";
        case Problem::kNoNetwork:
            return "WiFi network not found; check wifi_config.hpp (2.4 GHz only)";
        case Problem::kJoinRefused:
            return "the WiFi network refused the module; check wifi_config.hpp";
        case Problem::kNoSocket:
            return "the socket cannot be opened; check the server's name or address";
        case Problem::kUart:
            return "this board's UART does not send";
    }
    return "unknown";
}

const char* describe(const EspAt& link) {
    const bool failed = !link.up() && link.problem() != EspAt::Problem::kNone;
    return failed ? describe(link.problem()) : describe(link.state());
}

}  // namespace agilenn
