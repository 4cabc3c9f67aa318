// The ESP-AT driver and a module that behaves, or says why it does not; one a run, named by the
// argument.
#include <map>
#include <string>
#include <vector>

#include "esp_at_bench.hpp"

namespace {

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
    SCENARIO(answer_before_send_ok),
    SCENARIO(repeats_after_error_and_busy),
    SCENARIO(waits_longer_after_each_failed_join),
    SCENARIO(closes_a_socket_left_from_before),
    SCENARIO(knows_firmware_1_x),
    SCENARIO(says_why_joining_failed),
    SCENARIO(says_that_nothing_answers),
    SCENARIO(says_that_the_socket_cannot_be_opened),
    SCENARIO(lends_the_buffer_until_the_uart_is_done),
    SCENARIO(time_wraps),
#undef SCENARIO
};

}  // namespace

int main(int, char** argv) { kScenarios.at(argv[1])(); }
