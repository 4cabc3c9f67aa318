// A UDP socket to the server of this build, or to the one that AGILENN_SERVER=host:port names.
#include "server_link.hpp"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deployment.hpp"

namespace board {
namespace {

constexpr int kLongestSleepMs = 1;
constexpr size_t kLongestDatagramBytes = 1460;

struct Address {
    char host[128];
    char port[8];
};

// The built-in address unless the environment holds another one; false if that has no port.
bool read_address(Address& address) {
    const char* wanted = getenv("AGILENN_SERVER");
    if (wanted == nullptr) {
        snprintf(address.host, sizeof address.host, "%s", agilenn::deployment::kServerHost);
        snprintf(address.port, sizeof address.port, "%u", agilenn::deployment::kServerPort);
        return true;
    }
    const char* colon = strrchr(wanted, ':');
    if (colon == nullptr || strlen(colon + 1) >= sizeof address.port ||
        static_cast<size_t>(colon - wanted) >= sizeof address.host) {
        return false;
    }
    memcpy(address.host, wanted, static_cast<size_t>(colon - wanted));
    address.host[colon - wanted] = '\0';
    memcpy(address.port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

// Sends at once: the operating system copies the datagram. What nobody takes is lost, as on the
// air.
class UdpLink final : public agilenn::DatagramLink {
  public:
    bool open() {
        Address address = {};
        if (!read_address(address)) {
            text_ = "AGILENN_SERVER is not of the form host:port";
            return false;
        }
        addrinfo hints = {};
        hints.ai_socktype = SOCK_DGRAM;
        addrinfo* found = nullptr;
        if (getaddrinfo(address.host, address.port, &hints, &found) != 0) {
            text_ = "the server's name is unknown";
            return false;
        }
        for (const addrinfo* each = found; each != nullptr && socket_ < 0; each = each->ai_next) {
            connect_to(*each);
        }
        freeaddrinfo(found);
        text_ = up() ? "connected" : "no route to the server";
        return up();
    }

    agilenn::Datagram poll(uint32_t) override {
        if (!up()) {
            return {nullptr, 0};
        }
        const ssize_t count = recv(socket_, received_, sizeof received_, MSG_DONTWAIT);
        if (count <= 0) {
            refused_ = refused_ || (count < 0 && errno == ECONNREFUSED);
            return {nullptr, 0};
        }
        refused_ = false;
        return {received_, static_cast<uint16_t>(count)};
    }

    bool up() const override { return socket_ >= 0; }
    bool ready() const override { return up(); }

    bool send(const uint8_t* bytes, uint16_t count) override {
        if (!up() || count == 0) {
            return false;
        }
        if (::send(socket_, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL) != count) {
            refused_ = refused_ || errno == ECONNREFUSED;
        }
        return true;
    }

    const uint8_t* held() const override { return nullptr; }

    void wait() override {
        pollfd readable = {socket_, POLLIN, 0};
        ::poll(&readable, 1, kLongestSleepMs);
    }

    LinkReport report() const {
        return {refused_ ? "nobody listens at the server's address" : text_, 0};
    }

  private:
    void connect_to(const addrinfo& address) {
        const int made = socket(address.ai_family, address.ai_socktype, address.ai_protocol);
        if (made >= 0 && connect(made, address.ai_addr, address.ai_addrlen) == 0) {
            socket_ = made;
        } else if (made >= 0) {
            close(made);
        }
    }

    int socket_ = -1;
    const char* text_ = "not started";
    bool refused_ = false;
    uint8_t received_[kLongestDatagramBytes] = {};
};

UdpLink link;

}  // namespace

bool start_server_link(uint32_t) { return link.open(); }

agilenn::DatagramLink& server_link() { return link; }

LinkReport report_server_link() { return link.report(); }

}  // namespace board
