// Scenarios of the ESP-AT driver against the fake module; one a run, named by the argument.
#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "agilenn/esp_at.hpp"
#include "check.hpp"
#include "fake_module.hpp"

using agilenn::EspAt;

namespace {

constexpr agilenn::EspAtConfig kConfig = {"my,\"net\\", "pass", "192.168.1.10",
                                          5700,         5701,   2'000'000};
constexpr std::uint32_t kSecond = 1'000'000;

struct Bench {
    FakeModule module;
    std::uint8_t command[EspAt::kCommandBytes];
    EspAt link{module, kConfig, command};
    std::vector<std::string> received;

    void run(std::uint32_t duration_us) {
        const std::uint32_t end = module.now_us + duration_us;
        while (static_cast<std::int32_t>(end - module.now_us) > 0) step();
    }
    void step() {
        for (;;) {
            const agilenn::Datagram datagram = link.poll(module.now_us);
            if (datagram.count == 0) break;
            received.emplace_back(reinterpret_cast<const char*>(datagram.bytes), datagram.count);
        }
        module.now_us += 100;
    }
    bool run_until(const std::function<bool()>& done, std::uint32_t limit_us) {
        const std::uint32_t end = module.now_us + limit_us;
        while (!done()) {
            if (static_cast<std::int32_t>(end - module.now_us) <= 0) return false;
            step();
        }
        return true;
    }
    bool come_up(std::uint32_t limit_us = 2 * kSecond) {
        return run_until([&] { return link.ready(); }, limit_us);
    }
    // Sends and waits until the link is done with it, one way or the other.
    void send(const std::string& text) {
        CHECK(link.send(reinterpret_cast<const std::uint8_t*>(text.data()),
                        static_cast<std::uint16_t>(text.size())));
        CHECK(!link.ready());
        CHECK(run_until([&] { return link.held() == nullptr; }, 5 * kSecond));
    }
    bool works() {
        const std::string text = "payload " + std::to_string(module.datagrams.size());
        if (!come_up(90 * kSecond)) return false;
        send(text);
        return !module.datagrams.empty() && module.datagrams.back() == text;
    }
    long count(const std::string& prefix) const {
        return std::count_if(module.commands.begin(), module.commands.end(), [&](const auto& c) {
            return c.compare(0, prefix.size(), prefix) == 0;
        });
    }
};

void comes_up_in_order() {
    Bench b;
    CHECK(!b.link.up());
    CHECK(b.come_up());
    const std::vector<std::string> expected = {"AT",
                                               "ATE0",
                                               "AT+SYSSTORE=0",
                                               "AT+CWMODE=1",
                                               "AT+SLEEP=0",
                                               "AT+CWJAP=\"my\\,\\\"net\\\\\",\"pass\"",
                                               "AT+CIPCLOSE",
                                               "AT+CIPMUX=0",
                                               "AT+UART_CUR=2000000,8,1,0,0",
                                               "AT",
                                               "AT+CIPSTART=\"UDP\",\"192.168.1.10\",5700,5701,0"};
    CHECK(b.module.commands == expected);
    CHECK(b.module.host_baud == 2'000'000);
    CHECK(b.link.statistics().restarts == 0);
}

void sends_any_bytes() {
    Bench b;
    CHECK(b.come_up());
    std::string bytes(1460, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
    b.send(bytes);
    b.send("\r\nAT\r\n");
    CHECK(b.module.datagrams == (std::vector<std::string>{bytes, "\r\nAT\r\n"}));
    CHECK(b.link.statistics().sent == 2 && b.link.statistics().lost == 0);
}

void receives_by_length() {
    Bench b;
    CHECK(b.come_up());
    const std::string tricky = "\r\nERROR\r\n+IPD,5:ready\r\nCLOSED\r\n>";
    b.module.deliver(tricky);
    b.module.deliver("second");
    b.module.say("\r\n+IPD,3,192.168.1.10,5700:abc");
    b.run(10'000);
    CHECK(b.received == (std::vector<std::string>{tricky, "second", "abc"}));
    CHECK(b.link.ready());
}

void drops_what_is_too_long() {
    Bench b;
    CHECK(b.come_up());
    b.module.deliver(std::string(2000, 'x'));
    b.module.deliver("next");
    b.module.say("\r\n+IPD,99999999:");
    b.module.say("\r\n+IPD,x\r\n" + std::string(500, 'y') + "\r\n");
    b.module.deliver("last");
    b.run(100'000);
    CHECK(b.received == (std::vector<std::string>{"next", "last"}));
}

void survives_lost_characters_in_a_datagram() {
    Bench b;
    CHECK(b.come_up());
    b.module.say("\r\n+IPD,100:only a few");
    b.run(500'000);
    b.module.deliver("whole");
    b.run(10'000);
    CHECK(b.received == (std::vector<std::string>{"whole"}));
    CHECK(b.works());
}

void answer_before_send_ok() {
    Bench b;
    CHECK(b.come_up());
    b.module.replies["payload"] = {"\r\nRecv 3 bytes\r\n\r\n+IPD,2:hi\r\nSEND OK\r\n"};
    b.send("abc");
    CHECK(b.received == (std::vector<std::string>{"hi"}));
    CHECK(b.link.statistics().sent == 1);
}

void repeats_after_error_and_busy() {
    Bench b;
    b.module.replies["AT+CWMODE"] = {"\r\nERROR\r\n", "\r\nERROR\r\n"};
    b.module.replies["AT+CIPMUX"] = {"busy p...\r\n", "busy p...\r\n"};
    CHECK(b.come_up());
    CHECK(b.count("AT+CWMODE") == 3 && b.count("AT+CIPMUX") == 3);
    b.module.replies["AT+CIPSEND"] = {"busy s...\r\n", "busy p...\r\n", "busy p...\r\n"};
    CHECK(b.works());
    CHECK(b.count("AT+CIPSEND") == 4);
}

void waits_longer_after_each_failed_join() {
    Bench b;
    for (int i = 0; i < 6; ++i) b.module.replies["AT+CWJAP"].push_back("+CWJAP:1\r\n\r\nFAIL\r\n");
    std::vector<std::uint32_t> times;
    long seen = 0;
    CHECK(b.run_until(
        [&] {
            if (b.count("AT+CWJAP") != seen) {
                ++seen;
                times.push_back(b.module.now_us);
            }
            return b.link.ready();
        },
        30 * kSecond));
    CHECK(times.size() == 7);
    for (std::size_t i = 1; i + 1 < times.size(); ++i)
        CHECK(times[i + 1] - times[i] > (times[i] - times[i - 1]) * 3 / 2);
    CHECK(times[6] - times[5] >= 3 * kSecond && times[6] - times[5] <= 4 * kSecond);
}

void recovers_from_a_reset_of_the_module() {
    Bench b;
    CHECK(b.works());
    b.module.host_baud = 115'200;  // the banner comes at the boot rate; be able to hear it
    b.module.reboot();
    CHECK(b.run_until([&] { return !b.link.up(); }, kSecond));
    CHECK(b.works());
    CHECK(b.module.host_baud == 2'000'000);
}

void recovers_from_an_unheard_reset() {
    Bench b;
    CHECK(b.works());
    b.module.reboot();  // at 115200, which the driver hears as noise
    b.send("lost");
    CHECK(b.link.statistics().lost == 1);
    CHECK(b.works());
}

void finds_a_module_that_kept_the_high_rate() {
    Bench b;
    b.module.module_baud = 2'000'000;
    CHECK(b.works());
    CHECK(b.count("AT+UART_CUR") == 0);
}

void fills_up_a_datagram_that_was_begun_before() {
    Bench b;
    b.module.joined = b.module.open = true;
    b.module.awaited = 1460;
    CHECK(b.come_up(10 * kSecond));
    b.module.datagrams.clear();
    CHECK(b.works());
}

void recovers_from_lost_payload_bytes() {
    Bench b;
    CHECK(b.come_up());
    b.module.swallow_payload_bytes = 5;
    b.send(std::string(100, 'p'));
    CHECK(b.link.statistics().lost == 1);
    CHECK(b.works());
}

void stays_at_the_first_rate_if_the_other_fails() {
    Bench b;
    b.module.unreliable_above_baud = 1'000'000;
    // The module cannot be reached at 2 Mbaud; somebody resets it.
    CHECK(b.run_until([&] { return b.count("AT+UART_CUR") == 1; }, 5 * kSecond));
    b.run(2 * kSecond);
    b.module.host_baud = 115'200;
    b.module.reboot();
    CHECK(b.works());
    CHECK(b.module.module_baud == 115'200);
    CHECK(b.count("AT+UART_CUR") == 1);
}

void joins_again_when_wifi_is_lost() {
    Bench b;
    CHECK(b.works());
    b.module.joined = b.module.open = false;
    b.module.say("WIFI DISCONNECT\r\n");
    CHECK(b.run_until([&] { return !b.link.up(); }, kSecond));
    CHECK(b.works());
    CHECK(b.count("AT+CWJAP") == 2);
}

void opens_a_closed_socket_again() {
    Bench b;
    CHECK(b.works());
    b.module.open = false;
    b.module.say("CLOSED\r\n");
    CHECK(b.run_until([&] { return !b.link.up(); }, kSecond));
    CHECK(b.works());
    b.module.open = false;  // without a word: sending fails
    while (b.link.ready()) b.send("lost");
    CHECK(b.works());
}

void closes_a_socket_left_from_before() {
    Bench b;
    b.module.open = true;
    CHECK(b.come_up());
    CHECK(b.count("AT+CIPMUX") == 1 && b.count("AT+CIPSTART") == 1);
    b.module.replies["AT+CIPSTART"] = {"ALREADY CONNECTED\r\n\r\nERROR\r\n"};
    b.module.say("CLOSED\r\n");
    CHECK(b.run_until([&] { return !b.link.up(); }, kSecond));
    CHECK(b.works());
    CHECK(b.count("AT+CWJAP") == 1);
}

void knows_firmware_1_x() {
    Bench b;
    b.module.old_firmware = true;
    CHECK(b.works());
    CHECK(b.link.statistics().restarts == 0);
}

void survives_send_fail() {
    Bench b;
    CHECK(b.come_up());
    b.module.replies["payload"] = {"\r\nSEND FAIL\r\n", "\r\nSEND FAIL\r\n", "\r\nSEND FAIL\r\n"};
    for (int i = 0; i < 3; ++i) {
        CHECK(b.come_up());
        b.send("x");
    }
    CHECK(b.link.statistics().lost == 3);
    CHECK(b.works());
    CHECK(b.count("AT+CIPCLOSE") == 2 && b.count("AT+CWJAP") == 1);
}

// A module that is at the boot rate again is heard as noise: nobody has to send to find out.
void notices_a_reset_by_its_noise() {
    Bench b;
    CHECK(b.works());
    b.module.reboot();
    CHECK(b.run_until([&] { return !b.link.up(); }, kSecond / 2));
    CHECK(b.come_up());
    CHECK(b.link.statistics().lost == 0);
    CHECK(b.module.module_baud == 2'000'000);
    CHECK(b.works());
}

void notices_a_dead_module_without_sending() {
    Bench b;
    CHECK(b.works());
    b.module.silent = true;
    CHECK(b.run_until([&] { return !b.link.up(); }, 15 * kSecond));
}

void stays_up_while_nothing_is_sent() {
    Bench b;
    CHECK(b.works());
    const std::size_t before = b.module.commands.size();
    CHECK(!b.run_until([&] { return !b.link.up(); }, 60 * kSecond));
    CHECK(b.module.commands.size() - before >= 5);
    CHECK(std::all_of(b.module.commands.begin() + static_cast<long>(before),
                      b.module.commands.end(), [](const auto& c) { return c == "AT"; }));
    CHECK(b.works());
}

void noise_does_not_cost_the_connection() {
    Bench b;
    CHECK(b.works());
    for (int i = 0; i < 40; ++i) b.module.raw(static_cast<std::uint8_t>(0x80 + i));
    b.run(kSecond);
    CHECK(b.works());
    CHECK(b.count("AT+CWJAP") == 1 && b.count("AT+CIPSTART") == 1);
}

// Noise before the prompt must not make the driver talk into a datagram that is being asked for.
void noise_does_not_disturb_a_datagram() {
    Bench b;
    CHECK(b.come_up());
    b.module.replies["AT+CIPSEND"] = {std::string(20, '\x99') + "\r\n"};
    const std::string text = "undisturbed";
    CHECK(b.link.send(reinterpret_cast<const std::uint8_t*>(text.data()), 11));
    b.run(50'000);
    CHECK(b.link.state() == EspAt::State::kPrompt);
    b.module.awaited = text.size();
    b.module.say("\r\nOK\r\n\r\n> ");
    b.run(50'000);
    CHECK(b.module.datagrams == std::vector<std::string>{text});
    CHECK(b.link.statistics().sent == 1 && b.link.ready());
    // If the prompt does not come, the noise was a restart: half a second is enough to find out.
    b.module.replies["AT+CIPSEND"] = {std::string(20, '\x99')};
    CHECK(b.link.send(reinterpret_cast<const std::uint8_t*>(text.data()), 11));
    CHECK(b.run_until([&] { return b.link.statistics().lost == 1; }, kSecond / 2));
    CHECK(b.works());
}

void lost_characters_do_not_cost_the_wifi() {
    Bench b;
    CHECK(b.come_up());
    b.module.swallow_payload_bytes = 5;
    b.send(std::string(100, 'p'));
    const std::uint32_t start_us = b.module.now_us;
    CHECK(b.come_up());
    CHECK(b.module.now_us - start_us < 500'000);
    CHECK(b.count("AT+CWJAP") == 1 && b.count("AT+CIPSTART") == 1);
    CHECK(b.works());
}

void says_why_joining_failed() {
    const struct {
        const char *reply, *word;
    } cases[] = {{"+CWJAP:1\r\n\r\nERROR\r\n", "timed out"},
                 {"+CWJAP:2\r\n\r\nERROR\r\n", "wrong WiFi password"},
                 {"+CWJAP:2\r\n\r\nFAIL\r\n", "wrong WiFi password"},
                 {"+CWJAP:3\r\n\r\nERROR\r\n", "not found"},
                 {"+CWJAP:4\r\n\r\nERROR\r\n", "refused"},
                 {"\r\nERROR\r\n", "refused"}};
    for (const auto& c : cases) {
        Bench b;
        b.module.replies["AT+CWJAP"] = {c.reply};
        CHECK(b.run_until([&] { return b.link.statistics().restarts == 1; }, kSecond));
        CHECK(std::string(describe(b.link)).find(c.word) != std::string::npos);
        CHECK(b.works());
        CHECK(std::string(describe(b.link)) == "connected");
    }
}

void says_that_nothing_answers() {
    Bench b;
    CHECK(std::string(describe(b.link)) == "looking for the WiFi module");
    b.module.silent = true;
    b.run(5 * kSecond);
    CHECK(std::string(describe(b.link)).find("does not answer") != std::string::npos);
    b.module.silent = false;
    CHECK(b.works());
}

void says_that_the_socket_cannot_be_opened() {
    Bench b;
    b.module.replies["AT+CIPSTART"] = {"DNS Fail\r\n\r\nERROR\r\n"};
    CHECK(b.run_until([&] { return b.link.statistics().restarts == 1; }, 2 * kSecond));
    CHECK(std::string(describe(b.link)).find("socket") != std::string::npos);
    CHECK(b.works());
}

void restarts_a_module_that_refuses_everything() {
    Bench b;
    for (int i = 0; i < 12; ++i) b.module.replies["AT+CWMODE"].push_back("\r\nERROR\r\n");
    CHECK(b.works());
    CHECK(b.count("AT+RST") == 2);
}

// The DMA reads the buffer to its end, whatever the module says meanwhile.
void lends_the_buffer_until_the_uart_is_done() {
    Bench b;
    CHECK(b.come_up());
    const std::string text(1400, 't');
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    CHECK(b.link.send(bytes, 1400));
    CHECK(b.run_until([&] { return b.link.state() == EspAt::State::kPayload; }, kSecond));
    b.module.say("CLOSED\r\n");
    CHECK(b.run_until([&] { return !b.link.up(); }, kSecond));
    CHECK(b.module.sending() && b.link.held() == bytes);
    CHECK(b.run_until([&] { return b.link.held() == nullptr; }, kSecond));
    CHECK(b.module.datagrams == std::vector<std::string>{text});  // the module has had all of it
    CHECK(b.works());
}

void gives_up_on_a_uart_that_does_not_send() {
    Bench b;
    CHECK(b.works());
    b.module.uart_refuses = true;
    const std::string text = "stuck";
    CHECK(b.link.send(reinterpret_cast<const std::uint8_t*>(text.data()), 5));
    CHECK(b.run_until([&] { return !b.link.up() && b.link.held() == nullptr; }, 5 * kSecond));
    CHECK(b.link.problem() == EspAt::Problem::kUart);
    b.module.uart_refuses = false;
    CHECK(b.works());
}

void keeps_trying_in_silence() {
    Bench b;
    CHECK(b.works());
    b.module.silent = true;
    b.send("lost");
    b.run(120 * kSecond);
    CHECK(!b.link.up());
    const std::uint32_t restarts = b.link.statistics().restarts;
    CHECK(restarts > 10 && restarts < 200);  // neither gives up nor storms
    b.module.silent = false;
    b.module.reboot();
    CHECK(b.works());
}

// Whatever comes over the line, and however the module behaves, the link comes back afterwards.
void fuzz() {
    const std::vector<std::string> pieces = {
        "OK\r\n",    "ERROR\r\n",     "FAIL\r\n",        "SEND OK\r\n",         "SEND FAIL\r\n",
        "ready\r\n", "busy p...\r\n", "busy s...\r\n",   "WIFI DISCONNECT\r\n", "CLOSED\r\n",
        "> ",        "+IPD,",         "+IPD,12:",        "+IPD,1460:",          "\r\n",
        "AT\r\n",    "+IPD,0:",       "Recv 5 bytes\r\n"};
    for (unsigned seed = 0; seed < 150; ++seed) {
        std::mt19937 random(seed);
        Bench b;
        if (seed % 2 == 0) CHECK(b.come_up());
        for (int action = 0; action < 60; ++action) {
            switch (random() % 8) {
                case 0:
                    for (unsigned i = random() % 300; i != 0; --i)
                        b.module.raw(static_cast<std::uint8_t>(random()));
                    break;
                case 1:
                case 2:
                    b.module.say(pieces[random() % pieces.size()]);
                    break;
                case 3:
                    b.module.reboot();
                    break;
                case 4:
                    b.module.lose_all();
                    break;
                case 5:
                    b.module.silent = random() % 2 == 0;
                    break;
                case 6:
                    b.module.swallow_payload_bytes = random() % 20;
                    break;
                default:
                    if (b.link.ready()) {
                        static const std::string text(700, 'z');
                        CHECK(b.link.send(reinterpret_cast<const std::uint8_t*>(text.data()),
                                          static_cast<std::uint16_t>(1 + random() % 700)));
                    }
            }
            b.run(random() % 300'000);
        }
        b.module.silent = false;
        b.module.swallow_payload_bytes = 0;
        b.run(20 * kSecond);
        CHECK(b.works() || b.works() || b.works());
    }
}

void time_wraps() {
    Bench b;
    b.module.now_us = 0xFFFFFFFFU - 100'000;
    CHECK(b.works());
    CHECK(b.module.now_us < 0x80000000U || b.works());
    b.run(kSecond);
    CHECK(b.works());
}

const std::map<std::string, void (*)()> kScenarios = {
#define SCENARIO(name) {#name, name}
    SCENARIO(comes_up_in_order),
    SCENARIO(sends_any_bytes),
    SCENARIO(receives_by_length),
    SCENARIO(drops_what_is_too_long),
    SCENARIO(survives_lost_characters_in_a_datagram),
    SCENARIO(answer_before_send_ok),
    SCENARIO(repeats_after_error_and_busy),
    SCENARIO(waits_longer_after_each_failed_join),
    SCENARIO(recovers_from_a_reset_of_the_module),
    SCENARIO(recovers_from_an_unheard_reset),
    SCENARIO(finds_a_module_that_kept_the_high_rate),
    SCENARIO(fills_up_a_datagram_that_was_begun_before),
    SCENARIO(recovers_from_lost_payload_bytes),
    SCENARIO(stays_at_the_first_rate_if_the_other_fails),
    SCENARIO(joins_again_when_wifi_is_lost),
    SCENARIO(opens_a_closed_socket_again),
    SCENARIO(closes_a_socket_left_from_before),
    SCENARIO(survives_send_fail),
    SCENARIO(knows_firmware_1_x),
    SCENARIO(notices_a_reset_by_its_noise),
    SCENARIO(notices_a_dead_module_without_sending),
    SCENARIO(stays_up_while_nothing_is_sent),
    SCENARIO(noise_does_not_cost_the_connection),
    SCENARIO(noise_does_not_disturb_a_datagram),
    SCENARIO(lost_characters_do_not_cost_the_wifi),
    SCENARIO(says_why_joining_failed),
    SCENARIO(says_that_nothing_answers),
    SCENARIO(says_that_the_socket_cannot_be_opened),
    SCENARIO(restarts_a_module_that_refuses_everything),
    SCENARIO(lends_the_buffer_until_the_uart_is_done),
    SCENARIO(gives_up_on_a_uart_that_does_not_send),
    SCENARIO(keeps_trying_in_silence),
    SCENARIO(fuzz),
    SCENARIO(time_wraps),
#undef SCENARIO
};

}  // namespace

int main(int, char** argv) { kScenarios.at(argv[1])(); }
