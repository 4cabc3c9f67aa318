// What the engine needs of a link that carries datagrams to the server.
#pragma once

#include <stdint.h>

namespace agilenn {

struct Datagram {
    const uint8_t* bytes;
    uint16_t count;
};

class DatagramLink {
  public:
    // Advances the link; call it often, it never waits. Returns a received datagram (valid until
    // the next poll) or one with count 0. While it returns datagrams, there may be more.
    virtual Datagram poll(uint32_t now_us) = 0;

    // The server can be addressed: module, WiFi and socket are there.
    virtual bool up() const = 0;

    // The next datagram is accepted now.
    virtual bool ready() const = 0;

    // Starts sending; false unless ready(). The bytes must stay until held() is another pointer.
    virtual bool send(const uint8_t* bytes, uint16_t count) = 0;

    // The datagram that is being sent, nullptr if none.
    virtual const uint8_t* held() const = 0;

    // Sleeps until something may have changed, at most about 1 ms.
    virtual void wait() = 0;

  protected:
    ~DatagramLink() = default;
};

}  // namespace agilenn
