// No link: every frame is answered locally.
#include "server_link.hpp"

namespace board {
namespace {

class NoLink final : public agilenn::DatagramLink {
  public:
    agilenn::Datagram poll(uint32_t) override { return {nullptr, 0}; }
    bool up() const override { return false; }
    bool ready() const override { return false; }
    bool send(const uint8_t*, uint16_t) override { return false; }
    const uint8_t* held() const override { return nullptr; }
    void wait() override {}  // nothing ever happens here
};

NoLink link;

}  // namespace

bool start_server_link(uint32_t) { return false; }

agilenn::DatagramLink& server_link() { return link; }

LinkReport report_server_link() { return {"this board has none", 0}; }

}  // namespace board
