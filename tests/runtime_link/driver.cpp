// Host program that runs the device's link code on commands from standard input, one a line.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "agilenn/combine.hpp"
#include "agilenn/context_encoder.hpp"
#include "agilenn/crc32.hpp"
#include "agilenn/fragment_writer.hpp"
#include "agilenn/lzw_encoder.hpp"
#include "agilenn/protocol.hpp"
#include "agilenn/raw_encoder.hpp"

using Bytes = std::vector<uint8_t>;

static Bytes from_hex(const std::string& text) {
    Bytes bytes;
    for (size_t i = 0; text != "-" && i + 1 < text.size(); i += 2) {
        bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

static std::string to_hex(const uint8_t* data, size_t size) {
    std::string text = size == 0 ? "-" : "";
    char pair[3];
    for (size_t i = 0; i < size; ++i) {
        std::snprintf(pair, sizeof pair, "%02x", data[i]);
        text += pair;
    }
    return text;
}

// Fragments as "payload:count"; buffers are exactly as large as allowed, so that the address
// sanitizer sees every byte too many. With `run` 0, symbols are pushed one by one.
template <class Encoder>
static std::string encode(uint16_t capacity, uint16_t run, const Bytes& symbols) {
    auto encoder = std::make_unique<Encoder>();
    std::string result;
    size_t done = 0;
    while (done < symbols.size()) {
        Bytes out(capacity);
        encoder->begin(out.data(), capacity);
        const size_t first = done;
        while (done < symbols.size()) {
            if (run == 0) {
                if (!encoder->push(symbols[done])) break;
                ++done;
                continue;
            }
            const size_t rest = symbols.size() - done;
            const auto count = static_cast<uint16_t>(rest < run ? rest : run);
            const Bytes part(symbols.begin() + done, symbols.begin() + done + count);
            const uint16_t taken = encoder->push_run(part.data(), count);
            done += taken;
            if (taken < count) break;
        }
        const uint16_t size = encoder->finish();
        result += to_hex(out.data(), size) + ":" + std::to_string(done - first) + " ";
    }
    return result;
}

struct Collector {
    std::vector<std::string> datagrams;
    Bytes buffer;
    size_t buffer_bytes;
    size_t accept;  // how many datagrams until the request is abandoned
};

static uint8_t* collect(void* context, uint8_t* datagram, uint16_t length) {
    auto* collector = static_cast<Collector*>(context);
    collector->datagrams.push_back(to_hex(datagram, length));
    if (collector->datagrams.size() == collector->accept) return nullptr;
    collector->buffer = Bytes(collector->buffer_bytes, 0xEE);
    return collector->buffer.data();
}

template <class Writer, uint8_t kRate = 0>
static std::string request(std::istringstream& in) {
    agilenn::RequestId id{};
    id.rate = kRate;
    uint16_t run = 0;
    Collector collector{{}, Bytes(Writer::kDatagramBytes, 0xEE), Writer::kDatagramBytes, 0};
    std::string hex;
    in >> id.model_id >> id.device_id >> id.sequence >> run >> collector.accept >> hex;
    const Bytes symbols = from_hex(hex);
    auto writer = std::make_unique<Writer>();
    writer->begin(id, collector.buffer.data(), collect, &collector);
    for (size_t i = 0; i < symbols.size(); i += run) {
        const size_t rest = symbols.size() - i;
        Writer::push_symbols(writer.get(), symbols.data() + i,
                             static_cast<uint16_t>(rest < run ? rest : run));
    }
    std::string result = writer->finish() ? "ok" : "failed";
    for (const auto& datagram : collector.datagrams) result += " " + datagram;
    return result;
}

template <uint8_t kLevels, uint16_t kCapacity>
static void add(
    std::map<std::string, std::string (*)(uint16_t, uint16_t, const Bytes&)>& encoders) {
    const std::string size = "/" + std::to_string(kLevels) + "/" + std::to_string(kCapacity);
    encoders["lzw" + size] = encode<agilenn::LzwEncoder<kLevels, kCapacity>>;
    encoders["lzw-variable" + size] = encode<agilenn::VariableLzwEncoder<kLevels, kCapacity>>;
    encoders["raw" + size] = encode<agilenn::RawEncoder<kLevels, kCapacity>>;
}

// Tables of the codec `context` that a command can change.
template <uint8_t kLevelCount, uint16_t kRowCount, uint16_t kColumnCount, uint16_t kChannelCount,
          uint8_t kRateCount = 1>
struct LoadedTables {
    static constexpr uint8_t kLevels = kLevelCount;
    static constexpr uint16_t kRows = kRowCount;
    static constexpr uint16_t kColumns = kColumnCount;
    static constexpr uint16_t kChannels = kChannelCount;
    static constexpr uint8_t kRates = kRateCount;
    struct OfChannel {
        uint8_t ranks[kLevels];
        uint8_t classes[kLevels];
        uint8_t symbol_map[8][8];
        uint8_t pattern_map[3][96];
        uint32_t modal;
        bool by_symbol;
    };
    static inline OfChannel kOfChannel[kRates * kChannels];
    static inline uint16_t kPatternStarts[4][16];
    static inline uint16_t kRankStarts[4][kLevels - 1];
    static inline uint32_t kSymbols[4][kLevels];
};

// Loads tables: for each channel modal level, ranks, classes, maps, and whether it has no patterns;
// then all distributions.
template <class Tables>
static void load(const Bytes& bytes) {
    const uint8_t* next = bytes.data();
    const auto take = [&next](void* to, size_t size) {
        std::memcpy(to, next, size);
        next += size;
    };
    for (auto& channel : Tables::kOfChannel) {
        channel.modal = *next++ * 0x01010101U;
        take(channel.ranks, sizeof channel.ranks);
        take(channel.classes, sizeof channel.classes);
        take(channel.symbol_map, sizeof channel.symbol_map);
        take(channel.pattern_map, sizeof channel.pattern_map);
        channel.by_symbol = *next++ != 0;
    }
    take(Tables::kPatternStarts, sizeof Tables::kPatternStarts);
    take(Tables::kRankStarts, sizeof Tables::kRankStarts);
    take(Tables::kSymbols, sizeof Tables::kSymbols);
    if (next != bytes.data() + bytes.size()) std::abort();
}

// As `encode`, for a codec that takes whole rows and must know where a fragment begins.
template <class Tables, uint8_t kRate = 0>
static std::string context(std::istringstream& in) {
    std::string tables, hex;
    uint16_t capacity = 0, run = 0;
    in >> tables >> capacity >> run >> hex;
    load<Tables>(from_hex(tables));
    const Bytes symbols = from_hex(hex);
    auto encoder = std::make_unique<agilenn::ContextEncoder<Tables, 1400>>();
    std::string result;
    size_t done = 0, pushed = 0;
    while (done < symbols.size()) {
        Bytes out(capacity);
        encoder->begin(out.data(), capacity, static_cast<uint32_t>(done), kRate);
        const size_t first = done;
        while (done < symbols.size()) {
            if (pushed == done) {
                pushed = run < symbols.size() - done ? done + run : symbols.size();
            }
            const size_t room = 65535 - (done - first);
            const size_t count = pushed - done < room ? pushed - done : room;
            const Bytes part(symbols.begin() + done, symbols.begin() + done + count);
            done += encoder->push_run(part.data(), static_cast<uint16_t>(count));
            if (done != pushed) break;
        }
        const uint16_t size = encoder->finish();
        result += to_hex(out.data(), size) + ":" + std::to_string(done - first) + " ";
    }
    return result;
}

static std::string answer(std::istringstream& in) {
    agilenn::RequestId id{};
    uint16_t classes = 0;
    std::string hex;
    in >> id.model_id >> id.device_id >> id.sequence >> classes >> hex;
    const Bytes datagram = from_hex(hex);
    std::vector<int16_t> logits(classes, 99);
    const auto report = agilenn::parse_answer(
        datagram.data(), static_cast<uint16_t>(datagram.size()), id, classes, logits.data());
    std::string result = std::to_string(static_cast<int>(report.status)) + " " +
                         std::to_string(static_cast<int>(report.reason));
    for (const int16_t logit : logits) result += " " + std::to_string(logit);
    return result;
}

static std::string combine(std::istringstream& in) {
    agilenn::CombinationRule rule{};
    int classes = 0;
    in >> rule.alpha_q15 >> rule.local_scale_q24 >> rule.local_zero_point >> classes;
    std::vector<int8_t> local;
    std::vector<int16_t> remote;
    std::string q8;
    for (int i = 0, value = 0; i < classes && in >> value; ++i) {
        local.push_back(static_cast<int8_t>(value));
        q8 += " " + std::to_string(agilenn::local_logit_q8(rule, local.back()));
    }
    for (int i = 0, value = 0; i < classes && in >> value; ++i) {
        remote.push_back(static_cast<int16_t>(value));
    }
    const auto count = static_cast<uint16_t>(classes);
    std::vector<int32_t> scores(count), local_scores(count);
    std::string result =
        std::to_string(agilenn::combine(rule, local.data(), remote.data(), count, scores.data()));
    result +=
        " " + std::to_string(agilenn::local_answer(rule, local.data(), count, local_scores.data()));
    result += q8;
    for (const int32_t score : scores) result += " " + std::to_string(score);
    for (const int32_t score : local_scores) result += " " + std::to_string(score);
    return result;
}

int main() {
    std::map<std::string, std::string (*)(uint16_t, uint16_t, const Bytes&)> encoders;
    add<2, 2>(encoders);
    add<4, 30>(encoders);
    add<5, 24>(encoders);
    add<6, 64>(encoders);
    add<8, 1400>(encoders);
    add<16, 7000>(encoders);  // fills the dictionary: 4,096 codes
    add<27, 64>(encoders);    // sibling list
    add<255, 1428>(encoders);
    std::map<std::string, std::string (*)(std::istringstream&)> commands;
    using agilenn::FragmentWriter;
    commands["crc"] = [](std::istringstream& in) {
        std::string hex;
        in >> hex;
        const Bytes data = from_hex(hex);
        return std::to_string(agilenn::crc32(data.data(), static_cast<uint16_t>(data.size())));
    };
    commands["context/8/3/8/5"] = context<LoadedTables<8, 3, 8, 5>>;
    commands["context/2/1/4/1"] = context<LoadedTables<2, 1, 4, 1>>;
    commands["context/2/2/4/1"] = context<LoadedTables<2, 2, 4, 1>>;
    commands["context/5/1/7/3"] = context<LoadedTables<5, 1, 7, 3>>;
    commands["context/8/5/3/2"] = context<LoadedTables<8, 5, 3, 2>>;
    commands["context/16/2/1/4"] = context<LoadedTables<16, 2, 1, 4>>;
    commands["context/255/2/14/2"] = context<LoadedTables<255, 2, 14, 2>>;
    commands["context/8/3/8/5/rate-0-of-3"] = context<LoadedTables<8, 3, 8, 5, 3>, 0>;
    commands["context/8/3/8/5/rate-2-of-3"] = context<LoadedTables<8, 3, 8, 5, 3>, 2>;
    commands["context/8/70/31/32"] = context<LoadedTables<8, 70, 31, 32>>;
    commands["answer"] = answer;
    commands["combine"] = combine;
    commands["request/lzw/4/30/60/2"] = request<FragmentWriter<agilenn::LzwEncoder<4, 30>, 60, 2>>;
    commands["request/lzw/4/30/60/2/rate-3-of-4"] =
        request<FragmentWriter<agilenn::LzwEncoder<4, 30>, 60, 2, 4>, 3>;
    commands["request/lzw/4/30/3/200"] =
        request<FragmentWriter<agilenn::LzwEncoder<4, 30>, 3, 200>>;
    commands["request/lzw/8/1400/70000/10"] =
        request<FragmentWriter<agilenn::LzwEncoder<8, 1400>, 70000, 10>>;
    commands["request/context/8/3/8/5"] =
        request<FragmentWriter<agilenn::ContextEncoder<LoadedTables<8, 3, 8, 5>, 40>, 120, 10>>;
    commands["request/raw/5/24/1000/60"] =
        request<FragmentWriter<agilenn::RawEncoder<5, 24>, 1000, 60>>;
    commands["request/lzw-variable/6/64/500/10"] =
        request<FragmentWriter<agilenn::VariableLzwEncoder<6, 64>, 500, 10>>;

    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream in(line);
        std::string command;
        in >> command;
        if (command == "encode") {
            std::string name, hex;
            uint16_t capacity = 0, run = 0;
            in >> name >> capacity >> run >> hex;
            std::cout << encoders.at(name)(capacity, run, from_hex(hex)) << std::endl;
        } else {
            std::cout << commands.at(command)(in) << std::endl;
        }
    }
}
