// Formats console lines.
#include "agilenn/console.hpp"

#include "agilenn/text.hpp"
#include "deployment.hpp"
#include "network.hpp"

namespace agilenn {

void format_banner(char (&line)[kLineBytes], uint32_t clock_hz) {
    TextWriter(line, kLineBytes)
        .add("agilenn ")
        .add(deployment::kName)
        .add(" model=")
        .add_hex(deployment::kModelId, 8)
        .add(" clock_hz=")
        .add_decimal(clock_hz)
        .add("\r\n");
}

void format_answer(char (&line)[kLineBytes], uint32_t sequence, const Answer& answer) {
    // Two bytes are kept for the line end, however long the class's name is.
    TextWriter text(line, kLineBytes - 2);
    text.add("answer sequence=").add_decimal(sequence);
    text.add(" class=").add_decimal(answer.class_index);
    text.add(" source=").add(describe(answer.source));
    text.add(" device_us=").add_decimal(answer.device_us);
    text.add(" total_us=").add_decimal(answer.total_us);
    if constexpr (network::kRates > 1) {
        text.add(" rate=").add_decimal(answer.rate);
    }
    text.add(" name=").add(network::kClassNames[answer.class_index]);
    TextWriter(line + text.length(), 3).add("\r\n");
}

}  // namespace agilenn
