// Scenarios of the inference engine with the stand-in network and a link that is scripted.
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "agilenn/console.hpp"
#include "agilenn/engine.hpp"
#include "check.hpp"
#include "deployment.hpp"

namespace {

using agilenn::Answer;
using agilenn::Source;

constexpr std::uint32_t kDeviceId = 0xD00DFEED;
std::uint32_t clock_us = 0xFFFFF000U;  // wraps during the tests

std::uint32_t read_clock() { return clock_us++; }  // looking takes a microsecond

// CRC-32 as IEEE 802.3 defines it, bit by bit: independent of the firmware's table.
std::uint32_t crc32(const std::string& bytes) {
    std::uint32_t crc = 0xFFFFFFFFU;
    for (unsigned char byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) ? 0xEDB88320U : 0U);
    }
    return ~crc;
}

std::uint32_t field(const std::string& datagram, std::size_t offset, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = bytes; i-- != 0;)
        value = value << 8 | static_cast<unsigned char>(datagram[offset + i]);
    return value;
}

void put(std::string& datagram, std::size_t offset, std::size_t bytes, std::uint32_t value) {
    for (std::size_t i = 0; i < bytes; ++i)
        datagram[offset + i] = static_cast<char>(value >> 8 * i);
}

// docs/architecture.md, "Datagrams".
std::string datagram(std::uint8_t type, std::uint32_t model, std::uint32_t sequence,
                     const std::vector<int>& logits_q8, std::uint8_t status = 0) {
    std::string bytes(32 + 2 * logits_q8.size(), '\0');
    std::memcpy(&bytes[0], "AN\x01", 3);
    put(bytes, 3, 1, type);
    put(bytes, 4, 4, model);
    put(bytes, 8, 4, kDeviceId);
    put(bytes, 12, 4, sequence);
    put(bytes, 17, 1, 1);
    put(bytes, 18, 1, status);
    put(bytes, 19, 1, 1);
    put(bytes, 26, 2, static_cast<std::uint32_t>(2 * logits_q8.size()));
    for (std::size_t i = 0; i < logits_q8.size(); ++i)
        put(bytes, 32 + 2 * i, 2, static_cast<std::uint32_t>(logits_q8[i]));
    put(bytes, 28, 4, crc32(bytes));
    return bytes;
}

std::string answer(std::uint32_t sequence, const std::vector<int>& logits_q8) {
    return datagram(2, 0x1A2B3C4D, sequence, logits_q8);
}

class FakeLink final : public agilenn::DatagramLink {
  public:
    bool is_up = true;
    std::uint32_t send_us = 500;  // that a datagram takes
    std::deque<std::string> incoming;
    std::vector<std::string> sent;
    void (*on_last)(FakeLink&, std::uint32_t sequence) = nullptr;  // what the server does

    agilenn::Datagram poll(std::uint32_t) override {
        if (held_ != nullptr && clock_us - sent_at_us_ >= send_us) {
            sent.emplace_back(reinterpret_cast<const char*>(held_), count_);
            held_ = nullptr;
            const std::string& last = sent.back();
            if ((last[19] & 1) != 0 && on_last != nullptr) on_last(*this, field(last, 12, 4));
        }
        if (incoming.empty()) return {nullptr, 0};
        current_ = incoming.front();
        incoming.pop_front();
        return {reinterpret_cast<const std::uint8_t*>(current_.data()),
                static_cast<std::uint16_t>(current_.size())};
    }
    bool up() const override { return is_up; }
    bool ready() const override { return is_up && held_ == nullptr; }
    bool send(const std::uint8_t* bytes, std::uint16_t count) override {
        if (!ready()) return false;
        held_ = bytes;
        count_ = count;
        sent_at_us_ = clock_us;
        return true;
    }
    const std::uint8_t* held() const override { return held_; }
    void wait() override { clock_us += 100; }

  private:
    const std::uint8_t* held_ = nullptr;
    std::uint16_t count_ = 0;
    std::uint32_t sent_at_us_ = 0;
    std::string current_;
};

struct Bench {
    FakeLink link;
    agilenn::FragmentBuffers buffers;
    agilenn::Engine engine{link, read_clock, buffers};
    std::uint32_t sequence = 100;
    std::size_t sent_before_last_row = 0;

    Bench() { engine.set_device_id(kDeviceId); }

    // A frame whose pixels are `level`, 200 us a row: class dark below 86, grey below 172.
    Answer infer(std::uint8_t level) {
        std::uint8_t row[8];
        std::memset(row, level, sizeof row);
        link.sent.clear();
        engine.begin(++sequence);
        for (int y = 0; y < 8; ++y) {
            if (y == 7) sent_before_last_row = link.sent.size();
            engine.push_row(row);
            clock_us += 200;
        }
        return engine.finish();
    }
};

void remote_says_bright(FakeLink& link, std::uint32_t sequence) {
    link.incoming.push_back(answer(sequence, {0, 0, 32767}));
}

void combines() {
    Bench b;
    b.link.on_last = remote_says_bright;
    const Answer a = b.infer(10);
    CHECK(a.source == Source::kCombined && a.class_index == 2);
    CHECK(a.device_us >= 1600 && a.total_us >= a.device_us && a.total_us < 5000);
}

void requests_follow_the_protocol_and_overlap() {
    Bench b;
    b.link.on_last = remote_says_bright;
    b.link.send_us = 150;
    b.infer(0xE5);
    // 64 symbols of 3 bits are 24 bytes; a fragment of 48 bytes carries 16 of them.
    CHECK(b.link.sent.size() == 2);
    CHECK(b.sent_before_last_row == 1);
    std::uint32_t symbols = 0;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < b.link.sent.size(); ++i) {
        std::string d = b.link.sent[i];
        const bool last = i + 1 == b.link.sent.size();
        CHECK(d.substr(0, 4) == std::string("AN\x01\x01", 4));
        CHECK(field(d, 4, 4) == 0x1A2B3C4D && field(d, 8, 4) == kDeviceId);
        CHECK(field(d, 12, 4) == b.sequence && field(d, 16, 1) == i);
        CHECK(field(d, 17, 1) == (last ? b.link.sent.size() : 0));
        CHECK(field(d, 19, 1) == (last ? 1U : 0U));
        CHECK(field(d, 20, 4) == symbols);
        symbols += field(d, 24, 2);
        const std::uint32_t crc = field(d, 28, 4);
        put(d, 28, 4, 0);
        CHECK(crc32(d) == crc);
        CHECK(d.size() <= 48);
        // Every pixel 0xE5 is symbol 7: nothing but ones.
        CHECK(field(d, 32, 1) == 0xFF);
        bytes += d.size();
    }
    CHECK(symbols == 64);
    CHECK(bytes >= 32 + 2 * 3);
}

void answers_alone_by_the_deadline() {
    Bench b;
    const Answer a = b.infer(10);
    CHECK(a.source == Source::kLocalDeadline && a.class_index == 0);
    CHECK(a.total_us >= 50'000 && a.total_us <= 50'010);
    b.engine.set_deadline_us(7'000);
    CHECK(b.infer(100).total_us <= 7'010);
    CHECK(b.infer(100).class_index == 1);
}

void gives_up_on_a_link_that_is_too_slow() {
    Bench b;
    b.link.send_us = 40'000;
    const Answer a = b.infer(200);
    CHECK(a.source == Source::kLocalDeadline && a.class_index == 2);
    CHECK(a.total_us <= 51'800);  // the rest of the rows is still computed
    b.link.send_us = 500;
    b.link.on_last = remote_says_bright;
    clock_us += 100'000;
    CHECK(b.infer(10).source == Source::kCombined);
}

void says_when_the_link_is_down() {
    Bench b;
    b.link.is_up = false;
    Answer a = b.infer(10);
    CHECK(a.source == Source::kLocalLinkDown && a.total_us < 2'000 && b.link.sent.empty());
    b.link.is_up = true;
    b.link.on_last = [](FakeLink& link, std::uint32_t) { link.is_up = false; };
    a = b.infer(10);
    CHECK(a.source == Source::kLocalLinkDown && a.total_us < 5'000);
}

void scores_tell_how_sure_it_is() {
    Bench b;
    b.engine.set_alpha_q15(8192);  // 0.25
    b.link.on_last = [](FakeLink& link, std::uint32_t sequence) {
        link.incoming.push_back(answer(sequence, {256, -512, 1024}));
    };
    CHECK(b.infer(10).class_index == 2);
    const std::int32_t* scores = b.engine.scores_q23();
    const std::int32_t remote[3] = {256, -512, 1024};
    std::int32_t local[3];
    for (int i = 0; i < 3; ++i) {
        const std::int32_t part = scores[i] - (32768 - 8192) * remote[i];
        CHECK(part % 8192 == 0);
        local[i] = part / 8192;
    }
    CHECK(scores[2] > scores[0] && scores[2] > scores[1]);
    b.link.on_last = nullptr;
    CHECK(b.infer(10).class_index == 0);
    for (int i = 0; i < 3; ++i) CHECK(b.engine.scores_q23()[i] == 32768 * local[i]);
    CHECK(local[0] > local[1] && local[0] > local[2]);
}

// The number on the wire is the application's plus a base, so that a restart does not repeat it.
void sequence_numbers_start_where_they_are_told() {
    Bench b;
    b.link.on_last = remote_says_bright;
    b.engine.set_sequence_base(0xFFFFFFF0U);  // wraps
    CHECK(b.infer(10).source == Source::kCombined);
    CHECK(field(b.link.sent.back(), 12, 4) == 0xFFFFFFF0U + b.sequence);
}

// An answer that comes after its frame's deadline is not taken for the next frame's.
void a_late_answer_is_not_the_next_frames() {
    Bench b;
    CHECK(b.infer(10).source == Source::kLocalDeadline);
    b.link.incoming.push_back(answer(b.sequence, {0, 0, 32767}));
    const Answer a = b.infer(10);
    CHECK(a.source == Source::kLocalDeadline && a.class_index == 0);
    CHECK(b.link.incoming.empty());
}

// The link still holds a buffer from the frame before: the other one is filled, its bytes stay.
void a_held_fragment_is_left_alone() {
    Bench b;
    b.link.send_us = 60'000;  // longer than the deadline
    b.infer(0xE5);
    const std::uint8_t* held = b.link.held();
    CHECK(held != nullptr);
    const std::string before(reinterpret_cast<const char*>(held), 48);
    b.link.sent.clear();
    b.engine.set_deadline_us(1'000);
    b.infer(10);
    CHECK(b.link.held() == held);
    CHECK(std::string(reinterpret_cast<const char*>(held), 48) == before);
}

void says_when_the_server_refuses() {
    Bench b;
    b.link.on_last = [](FakeLink& link, std::uint32_t sequence) {
        link.incoming.push_back(datagram(3, 0x99999999, sequence, {}, 1));
    };
    const Answer a = b.infer(100);
    CHECK(a.source == Source::kLocalRefused && a.class_index == 1 && a.total_us < 5'000);
    CHECK(a.refusal == agilenn::RefusalReason::kUnknownModel);
    b.link.on_last = remote_says_bright;
    CHECK(b.infer(100).refusal == agilenn::RefusalReason::kNone);
}

void returns_to_combined_answers() {
    Bench b;
    for (int round = 0; round < 3; ++round) {
        b.link.on_last = nullptr;
        CHECK(b.infer(10).source == Source::kLocalDeadline);
        b.link.on_last = remote_says_bright;
        CHECK(b.infer(10).source == Source::kCombined);
    }
}

void ignores_what_is_not_its_answer() {
    Bench b;
    b.link.on_last = [](FakeLink& link, std::uint32_t sequence) {
        link.incoming.push_back(answer(sequence - 1, {0, 0, 9999}));
        link.incoming.push_back(datagram(2, 0x1A2B3C4D, sequence, {0, 0, 9999, 5}));
        link.incoming.push_back(datagram(1, 0x1A2B3C4D, sequence, {0, 0, 9999}));
        std::string corrupt = answer(sequence, {0, 0, 9999});
        corrupt[33] = static_cast<char>(corrupt[33] ^ 4);
        link.incoming.push_back(corrupt);
        link.incoming.push_back("AN");
        for (std::size_t cut = 1; cut < 38; ++cut)
            link.incoming.push_back(answer(sequence, {0, 0, 9999}).substr(0, cut));
    };
    const Answer a = b.infer(10);
    CHECK(a.source == Source::kLocalDeadline && a.class_index == 0);
}

void alpha_can_be_changed() {
    Bench b;
    b.link.on_last = remote_says_bright;
    b.engine.set_alpha_q15(32768);  // only the local answer counts
    CHECK(b.infer(10).class_index == 0 && b.infer(10).source == Source::kCombined);
    b.engine.set_alpha_q15(0);
    CHECK(b.infer(10).class_index == 2);
    b.engine.set_alpha_q15(65535);  // saturates at one
    CHECK(b.infer(10).class_index == 0);
}

void console_lines() {
    char line[agilenn::kLineBytes];
    agilenn::format_banner(line, 216'000'000);
    CHECK(std::string(line) == "agilenn digits model=1a2b3c4d clock_hz=216000000\r\n");
    agilenn::format_answer(
        line, 12, {2, Source::kLocalDeadline, agilenn::RefusalReason::kNone, 5310, 50100, 0});
    CHECK(std::string(line) ==
          "answer sequence=12 class=2 source=local-deadline device_us=5310 "
          "total_us=50100 rate=0 name=bright\r\n");
}

// The stand-in has two rates; at rate 1 its symbols are the pixels' upper two bits.
void the_rate_is_chosen_from_frame_to_frame() {
    Bench b;
    b.link.on_last = remote_says_bright;
    CHECK(b.engine.rate() == 0 && b.infer(0xE5).rate == 0);
    CHECK(b.engine.set_rate(1) && b.engine.rate() == 1);
    const Answer coarse = b.infer(0xE5);
    CHECK(coarse.source == Source::kCombined && coarse.rate == 1);
    for (std::size_t i = 0; i < b.link.sent.size(); ++i) {
        const bool last = i + 1 == b.link.sent.size();
        CHECK(field(b.link.sent[i], 19, 1) == (last ? 0x11U : 0x10U));
        CHECK(field(b.link.sent[i], 32, 1) == 0x6D);  // 3, 3, 3 in three bits each: 011 011 01
    }
    CHECK(!b.engine.set_rate(2) && b.engine.rate() == 1);
    CHECK(b.engine.set_rate(0) && b.infer(0xE5).rate == 0);
    CHECK(field(b.link.sent[0], 19, 1) == 0);
}

void a_rate_that_is_set_in_a_frame_waits_for_the_next() {
    Bench b;
    b.link.on_last = remote_says_bright;
    std::uint8_t row[8] = {};
    b.engine.begin(++b.sequence);
    CHECK(b.engine.set_rate(1));
    for (int y = 0; y < 8; ++y) {
        b.engine.push_row(row);
        clock_us += 200;
    }
    CHECK(b.engine.finish().rate == 0);
    CHECK(field(b.link.sent[0], 19, 1) >> 4 == 0);
    CHECK(b.infer(0).rate == 1);
}

const std::map<std::string, void (*)()> kScenarios = {
#define SCENARIO(name) {#name, name}
    SCENARIO(combines),
    SCENARIO(requests_follow_the_protocol_and_overlap),
    SCENARIO(answers_alone_by_the_deadline),
    SCENARIO(gives_up_on_a_link_that_is_too_slow),
    SCENARIO(says_when_the_link_is_down),
    SCENARIO(says_when_the_server_refuses),
    SCENARIO(returns_to_combined_answers),
    SCENARIO(ignores_what_is_not_its_answer),
    SCENARIO(alpha_can_be_changed),
    SCENARIO(scores_tell_how_sure_it_is),
    SCENARIO(sequence_numbers_start_where_they_are_told),
    SCENARIO(a_late_answer_is_not_the_next_frames),
    SCENARIO(a_held_fragment_is_left_alone),
    SCENARIO(console_lines),
    SCENARIO(the_rate_is_chosen_from_frame_to_frame),
    SCENARIO(a_rate_that_is_set_in_a_frame_waits_for_the_next),
#undef SCENARIO
};

}  // namespace

int main(int, char** argv) { kScenarios.at(argv[1])(); }
