// Runs the network on the sample images: prints its outputs, then what a frame costs in timer
// cycles.
#include <stdint.h>

#include "agilenn/text.hpp"
#include "board.hpp"
#include "camera.hpp"
#include "console_uart.hpp"
#include "network.hpp"
#include "sample_images.hpp"
#include "time.hpp"

namespace {

namespace network = agilenn::network;

uint8_t image[network::kInputRows * network::kInputRowBytes];

void drop(void*, const uint8_t*, uint16_t) {}

// FNV-1a over all symbols in the order in which they are sent.
void hash_symbols(void* context, const uint8_t* symbols, uint16_t count) {
    auto& hash = *static_cast<uint32_t*>(context);
    for (uint16_t index = 0; index < count; ++index) {
        hash = (hash ^ symbols[index]) * 0x01000193U;
    }
}

void run(const uint8_t* frame, network::SymbolSink sink, void* context) {
    network::begin_frame();
    for (uint32_t row = 0; row < network::kInputRows; ++row) {
        network::push_row(&frame[row * network::kInputRowBytes], sink, context);
    }
}

}  // namespace

int main() {
    board::start();
    for (uint32_t number = 0; number < samples::kImageCount; ++number) {
        capture_frame(image);
        uint32_t hash = 0x811C9DC5U;
        run(image, hash_symbols, &hash);
        uint32_t logits = 0x811C9DC5U;
        for (uint16_t index = 0; index < network::kClasses; ++index) {
            logits = (logits ^ static_cast<uint8_t>(network::local_logits()[index])) * 0x01000193U;
        }
        const uint32_t before = board::cycles();
        run(image, drop, nullptr);
        const uint32_t cycles = board::cycles() - before;
        char line[96];
        agilenn::TextWriter(line, sizeof line)
            .add("frame symbols=")
            .add_hex(hash, 8)
            .add(" logits=")
            .add_hex(logits, 8)
            .add(" cycles=")
            .add_decimal(cycles)
            .add("\n");
        board::console_write(line);
    }
    board::console_write("done\n");
    for (;;) {
    }
}
