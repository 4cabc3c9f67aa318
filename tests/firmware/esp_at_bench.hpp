// The ESP-AT driver wired to the fake module, on a clock of its own.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "agilenn/esp_at.hpp"
#include "check.hpp"
#include "fake_module.hpp"

using agilenn::EspAt;

inline constexpr agilenn::EspAtConfig kConfig = {"my,\"net\\", "pass", "192.168.1.10",
                                                 5700,         5701,   2'000'000};
inline constexpr std::uint32_t kSecond = 1'000'000;

struct Bench {
    FakeModule module;
    std::uint8_t command[EspAt::kCommandBytes];
    std::uint8_t answer[1460];
    EspAt link{module, kConfig, {command, answer, sizeof answer}};
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
