// One inference: rows in, an answer out; what is sent leaves while the next rows are computed.
#pragma once

#include <stdint.h>

#include "agilenn/combine.hpp"
#include "agilenn/datagram_link.hpp"
#include "agilenn/protocol.hpp"
#include "agilenn/time.hpp"
#include "network.hpp"
#include "payload.hpp"

namespace agilenn {

// Where an answer comes from; the local ones say why the server's part is missing.
enum class Source : uint8_t {
    kCombined,
    kLocalDeadline,  // no answer within the deadline
    kLocalRefused,   // the server will not answer, see Answer::refusal
    kLocalLinkDown,  // no module, no WiFi, no socket
};

// As the console writes it: `combined`, `local-deadline`, ...
const char* describe(Source source);

struct Answer {
    uint16_t class_index;
    Source source;
    RefusalReason refusal;  // kNone unless the source is kLocalRefused
    uint32_t device_us;     // from begin() to the end of local computing
    uint32_t total_us;      // from begin() to the answer
    uint8_t rate = 0;       // of the quantiser, whether or not the server took part
};

// Memory that the link's DMA reads: one fragment is filled while the other is sent.
struct FragmentBuffers {
    uint8_t fragments[2][payload::Writer::kDatagramBytes];
};

class Engine {
  public:
    Engine(DatagramLink& link, MicrosecondClock clock, FragmentBuffers& buffers);

    // Identifies this device to the server; once, before the first frame.
    void set_device_id(uint32_t device_id) { device_id_ = device_id; }

    // What is added to the sequence numbers on their way to the server. The server knows repeated
    // requests by their number, for 2 s; after a reset it must not meet the numbers of before, so
    // let this vary from start to start.
    void set_sequence_base(uint32_t base) { sequence_base_ = base; }

    // Weight of the local answer, 0 to 32768 (Q15); from the next combination on.
    void set_alpha_q15(uint16_t alpha_q15);

    // Rate of the quantiser from the next frame on, below network::kRates: 0 sends most and is most
    // exact. False: there is no such rate, and nothing has changed.
    bool set_rate(uint8_t rate);

    uint8_t rate() const { return rate_; }

    // Longest time from begin() to the answer, as far as local computing leaves it. A real-time
    // system counts from the frame, therefore so does the deadline.
    void set_deadline_us(uint32_t deadline_us) { deadline_us_ = deadline_us; }

    // Starts a frame. `sequence` must differ from that of the frames before.
    void begin(uint32_t sequence);

    // Takes the next row, network::kInputRowBytes raw pixels; all rows come in order. May wait, up
    // to the deadline, while both fragments are full.
    void push_row(const uint8_t* pixels);

    // After the last row: waits for the server's part and answers, by the deadline at the latest.
    Answer finish();

    // The score of each class in the last answer, network::kClasses values in units of 2^-23 of a
    // logit (combine.hpp). Softmax of them gives probabilities; differences show how sure it is.
    const int32_t* scores_q23() const { return scores_q23_; }

    // Keeps the link alive between frames; call it while waiting for the next frame.
    void idle();

  private:
    enum class Offload : uint8_t { kRunning, kAnswered, kDeadline, kRefused, kLinkDown };

    static uint8_t* take_fragment(void* engine, uint8_t* datagram, uint16_t count);
    uint8_t* send_fragment(uint8_t* datagram, uint16_t count);
    uint8_t* free_fragment() const;
    uint32_t service_link();
    void handle(const Datagram& datagram);
    Answer judge();
    bool still_worth_waiting();
    void rest();

    DatagramLink& link_;
    MicrosecondClock clock_;
    FragmentBuffers& buffers_;
    payload::Writer writer_;
    RequestId request_ = {};
    Offload offload_ = Offload::kLinkDown;
    uint16_t alpha_q15_;
    uint8_t rate_ = 0;
    uint32_t deadline_us_;
    uint32_t device_id_ = 0;
    uint32_t sequence_base_ = 0;
    uint32_t start_us_ = 0;
    RefusalReason refusal_ = RefusalReason::kNone;
    int32_t scores_q23_[network::kClasses] = {};
    int16_t remote_logits_q8_[network::kClasses] = {};
};

}  // namespace agilenn
