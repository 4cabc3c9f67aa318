// An ESP-AT module as the driver sees it, written from Espressif's AT command set; faults on
// demand.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "agilenn/uart.hpp"

class FakeModule final : public agilenn::Uart {
  public:
    std::uint32_t now_us = 0;
    // What the module is told to do wrong.
    std::map<std::string, std::deque<std::string>> replies;  // by command prefix, once each
    bool silent = false;
    std::uint32_t unreliable_above_baud = 5'000'000;
    std::size_t swallow_payload_bytes = 0;  // of the next datagram
    bool old_firmware = false;              // 1.x: knows neither SYSSTORE nor SLEEP, says FAIL
    bool uart_refuses = false;              // the board's own UART takes nothing
    // What it saw.
    std::vector<std::string> commands;
    std::vector<std::string> datagrams;
    // What it is.
    std::uint32_t module_baud = 115'200;
    std::uint32_t host_baud = 115'200;
    bool echo = true, joined = false, open = false;
    std::size_t awaited = 0;  // payload bytes

    void reboot() {
        module_baud = 115'200;
        echo = true;
        joined = open = false;
        awaited = 0;
        line_.clear();
        say("\x12\xff#garbage\r\nready\r\n");
    }
    void say(const std::string& text) {
        if (silent) return;
        if (module_baud != host_baud || module_baud > unreliable_above_baud) {
            to_host_.insert(to_host_.end(), text.size(), 0xA5);  // framing errors
            return;
        }
        to_host_.insert(to_host_.end(), text.begin(), text.end());
    }
    void deliver(const std::string& datagram) {
        say("\r\n+IPD," + std::to_string(datagram.size()) + ":" + datagram);
    }
    void raw(std::uint8_t byte) { to_host_.push_back(byte); }
    bool drained() const { return to_host_.empty(); }
    void lose_all() { to_host_.clear(); }

    bool set_baud(std::uint32_t baud) override {
        host_baud = baud;
        return true;
    }
    bool send(const std::uint8_t* bytes, std::uint16_t count) override {
        if (sending() || uart_refuses) return false;
        busy_until_us_ = now_us + static_cast<std::uint32_t>(10'000'000ULL * count / host_baud);
        on_the_wire_.assign(reinterpret_cast<const char*>(bytes), count);
        return true;
    }
    bool sending() const override { return now_us < busy_until_us_; }
    std::uint16_t receive(std::uint8_t* bytes, std::uint16_t capacity) override {
        if (!sending()) arrive();
        // A few bytes at a time, so that every message arrives in pieces.
        std::uint16_t count = 0;
        while (count < capacity && count < 7 && !to_host_.empty()) {
            bytes[count++] = to_host_.front();
            to_host_.pop_front();
        }
        return count;
    }
    void wait() override { now_us += 100; }

  private:
    // What the host has sent reaches the module when the last bit has left.
    void arrive() {
        const std::string bytes = std::move(on_the_wire_);
        on_the_wire_.clear();
        if (silent || module_baud != host_baud || module_baud > unreliable_above_baud) return;
        for (char character : bytes) hear(character);
    }
    void hear(char character) {
        if (awaited != 0) {
            if (swallow_payload_bytes != 0) {
                --swallow_payload_bytes;
                return;
            }
            payload_ += character;
            if (payload_.size() == awaited) {
                awaited = 0;
                datagrams.push_back(payload_);
                payload_.clear();
                if (!scripted("payload"))
                    say("\r\nRecv " + std::to_string(datagrams.back().size()) +
                        " bytes\r\n\r\nSEND OK\r\n");
            }
            return;
        }
        if (echo) say(std::string(1, character));
        if (character != '\n') {
            line_ += character;
            return;
        }
        std::string command = line_;
        line_.clear();
        while (!command.empty() && command.back() == '\r') command.pop_back();
        if (!command.empty()) obey(command);
    }
    bool scripted(const std::string& command) {
        for (auto& [prefix, queue] : replies) {
            if (command.compare(0, prefix.size(), prefix) == 0 && !queue.empty()) {
                say(queue.front());
                queue.pop_front();
                return true;
            }
        }
        return false;
    }
    static bool is(const std::string& command, const char* prefix) {
        return command.compare(0, std::strlen(prefix), prefix) == 0;
    }
    void obey(const std::string& command) {
        commands.push_back(command);
        if (scripted(command)) return;
        if (command == "AT" || is(command, "AT+CWMODE=")) {
            say("\r\nOK\r\n");
        } else if (command == "AT+SYSSTORE=0" || command == "AT+SLEEP=0") {
            say(old_firmware ? "\r\nERROR\r\n" : "\r\nOK\r\n");
        } else if (command == "AT+CIPMUX=0") {
            // "This mode can only be changed after all connections are disconnected."
            say(open ? "link is builded\r\n\r\nERROR\r\n" : "\r\nOK\r\n");
        } else if (command == "AT+RST") {
            say("\r\nOK\r\n");
            reboot();
        } else if (command == "ATE0") {
            echo = false;
            say("\r\nOK\r\n");
        } else if (is(command, "AT+CWJAP=")) {
            joined = true;
            say("WIFI DISCONNECT\r\nWIFI CONNECTED\r\nWIFI GOT IP\r\n\r\nOK\r\n");
        } else if (is(command, "AT+UART_CUR=")) {
            say("\r\nOK\r\n");
            module_baud = static_cast<std::uint32_t>(std::stoul(command.substr(12)));
        } else if (is(command, "AT+CIPSTART=")) {
            if (!joined) {
                say("no ip\r\n\r\nERROR\r\n");
            } else if (open) {
                say("ALREADY CONNECTED\r\n\r\nERROR\r\n");
            } else {
                open = true;
                say("CONNECT\r\n\r\nOK\r\n");
            }
        } else if (command == "AT+CIPCLOSE") {
            say(open ? "CLOSED\r\n\r\nOK\r\n" : "\r\nERROR\r\n");
            open = false;
        } else if (is(command, "AT+CIPSEND=")) {
            if (!open) {
                say("link is not valid\r\n\r\nERROR\r\n");
            } else {
                awaited = std::stoul(command.substr(11));
                payload_.clear();
                say("\r\nOK\r\n\r\n> ");
            }
        } else {
            say("\r\nERROR\r\n");
        }
    }

    std::deque<std::uint8_t> to_host_;
    std::string line_, payload_, on_the_wire_;
    std::uint32_t busy_until_us_ = 0;
};
