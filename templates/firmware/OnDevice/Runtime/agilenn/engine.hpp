// One inference on this board alone: rows in, an answer out.
#pragma once

#include <stdint.h>

#include "agilenn/combine.hpp"
#include "agilenn/time.hpp"
#include "network.hpp"

namespace agilenn {

// Where an answer comes from: here, always from this board.
enum class Source : uint8_t { kLocal };

// As the console writes it.
const char* describe(Source source);

struct Answer {
    uint16_t class_index;
    Source source;
    uint32_t device_us;  // from begin() to the end of computing
    uint32_t total_us;   // from begin() to the answer

    static constexpr uint8_t rate = 0;  // nothing is quantised to be sent, so there is one
};

class Engine {
  public:
    explicit Engine(MicrosecondClock clock) : clock_(clock) {}

    // Starts a frame.
    void begin();

    // Takes the next row, network::kInputRowBytes bytes; all rows come in order.
    void push_row(const uint8_t* pixels);

    // After the last row.
    Answer finish();

    // The score of each class in the last answer, network::kClasses values in units of 2^-23 of
    // what the network yields: logits, or probabilities if it ends with a softmax.
    const int32_t* scores_q23() const { return scores_q23_; }

  private:
    MicrosecondClock clock_;
    uint32_t start_us_ = 0;
    int32_t scores_q23_[network::kClasses] = {};
};

}  // namespace agilenn
