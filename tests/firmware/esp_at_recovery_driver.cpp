// The ESP-AT driver and a module that fails while the link is up; one a run, named by the argument.
#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "esp_at_bench.hpp"

namespace {

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

void restarts_a_module_that_refuses_everything() {
    Bench b;
    for (int i = 0; i < 12; ++i) b.module.replies["AT+CWMODE"].push_back("\r\nERROR\r\n");
    CHECK(b.works());
    CHECK(b.count("AT+RST") == 2);
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

const std::map<std::string, void (*)()> kScenarios = {
#define SCENARIO(name) {#name, name}
    SCENARIO(survives_lost_characters_in_a_datagram),
    SCENARIO(recovers_from_a_reset_of_the_module),
    SCENARIO(recovers_from_an_unheard_reset),
    SCENARIO(finds_a_module_that_kept_the_high_rate),
    SCENARIO(fills_up_a_datagram_that_was_begun_before),
    SCENARIO(recovers_from_lost_payload_bytes),
    SCENARIO(stays_at_the_first_rate_if_the_other_fails),
    SCENARIO(joins_again_when_wifi_is_lost),
    SCENARIO(opens_a_closed_socket_again),
    SCENARIO(survives_send_fail),
    SCENARIO(notices_a_reset_by_its_noise),
    SCENARIO(notices_a_dead_module_without_sending),
    SCENARIO(stays_up_while_nothing_is_sent),
    SCENARIO(noise_does_not_cost_the_connection),
    SCENARIO(noise_does_not_disturb_a_datagram),
    SCENARIO(lost_characters_do_not_cost_the_wifi),
    SCENARIO(restarts_a_module_that_refuses_everything),
    SCENARIO(gives_up_on_a_uart_that_does_not_send),
    SCENARIO(keeps_trying_in_silence),
    SCENARIO(fuzz),
#undef SCENARIO
};

}  // namespace

int main(int, char** argv) { kScenarios.at(argv[1])(); }
