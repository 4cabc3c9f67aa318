"""A hand-written network in the place of a compiled one, and the project emitted with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.emit import DeploymentMeta, emit_project, write_tree
from agilenn_cc.targets import load_target

NETWORK_HPP = b"""// Stand-in network: 8 x 8 grey pixels, 3 classes.
#pragma once

#include <stdint.h>

namespace agilenn::network {
inline constexpr uint16_t kInputRows = 8, kInputColumns = 8, kInputChannels = 1, kInputRowBytes = 8;
inline constexpr uint16_t kFeatureRows = 8, kFeatureColumns = 8, kSentChannels = 1;
inline constexpr uint16_t kTopChannels = 1, kClasses = 3;
inline constexpr uint8_t kLevels = 8;
inline constexpr uint32_t kModelId = 0x1A2B3C4D, kSymbolCount = 64;
inline constexpr uint16_t kAlphaQ15 = 16384;
inline constexpr int32_t kLocalScaleQ24 = 1 << 20, kLocalZeroPoint = 0;
extern const char* const kClassNames[kClasses];
using SymbolSink = void (*)(void* context, const uint8_t* symbols, uint16_t count);
void begin_frame();
void push_row(const uint8_t* pixels, SymbolSink sink, void* context);
const int8_t* local_logits();
}  // namespace agilenn::network
"""
NETWORK_CPP = b"""// Stand-in network: symbols are the pixels' upper bits, logits their counts.
#include "network.hpp"

namespace agilenn::network {
const char* const kClassNames[kClasses] = {"dark", "grey", "bright"};
namespace {
int8_t logits[kClasses];
}
void begin_frame() {
    for (int8_t& logit : logits) logit = 0;
}
[[gnu::section(".fast_code.row"), gnu::noinline]] void push_row(const uint8_t* pixels,
                                                                SymbolSink sink, void* context) {
    uint8_t symbols[kInputColumns];
    for (uint16_t x = 0; x < kInputColumns; ++x) {
        symbols[x] = static_cast<uint8_t>(pixels[x] >> 5);
        ++logits[pixels[x] / 86];
    }
    sink(context, symbols, kInputColumns);
}
const int8_t* local_logits() { return logits; }
}  // namespace agilenn::network
"""


@dataclass(frozen=True)
class StandIn:
    files: dict[str, bytes]


def stand_in_program() -> StandIn:
    return StandIn(
        {"Generated/network.hpp": NETWORK_HPP, "Generated/network.cpp": NETWORK_CPP}
    )


def stand_in_meta(**changes: object) -> DeploymentMeta:
    values: dict[str, object] = {
        "name": "digits",
        "model_id": 0x1A2B3C4D,
        "class_names": ("dark", "grey", "bright"),
        "codec": "lzw",
        "levels": 8,
        "fragment_bytes": 1460,
        "server_host": "192.168.1.10",
        "server_port": 5700,
        "deadline_ms": 50.0,
        "baud": 2_000_000,
        "alpha": 0.5,
        "sample_images": np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8, 1),
    }
    return DeploymentMeta(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def program() -> StandIn:
    return stand_in_program()


@pytest.fixture
def meta() -> DeploymentMeta:
    return stand_in_meta()


@pytest.fixture(scope="session", params=["stm32f746g-disco", "nucleo-f746zg"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An emitted project on disk, one per board."""
    directory = tmp_path_factory.mktemp("project") / "firmware"
    write_tree(
        emit_project(stand_in_program(), stand_in_meta(), load_target(request.param)), directory
    )
    return directory
