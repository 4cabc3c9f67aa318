"""The example camera shows the sample images at the network's size, large ones magnified."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.emit.meta import DeploymentMeta
from agilenn_cc.emit.project import _sample_scale, _samples
from agilenn_cc.resources import templates_dir

NETWORK = """\
#pragma once
#include <stdint.h>
namespace agilenn::network {{
inline constexpr uint16_t kInputRows = {0}, kInputColumns = {1}, kInputChannels = {2};
}}
"""
MAIN = """\
#include <stdio.h>
#include "camera.hpp"
#include "network.hpp"
using namespace agilenn::network;
int main() {
    static uint8_t frame[kInputRows * kInputColumns * kInputChannels];
    for (int shot = 0; shot < 3; ++shot) {
        capture_frame(frame);
        fwrite(frame, 1, sizeof frame, stdout);
    }
}
"""


@pytest.mark.parametrize(
    ("shape", "scale"),
    [((8, 8, 1), 1), ((32, 32, 3), 1), ((96, 96, 3), 3), ((64, 48, 3), 2), ((97, 97, 3), 97)],
)
def test_the_least_magnification_that_makes_an_image_small(
    shape: tuple[int, int, int], scale: int
) -> None:
    assert _sample_scale(*shape) == scale


@pytest.mark.parametrize("shape", [(8, 8, 1), (48, 64, 3)])
def test_frames_are_the_samples_in_turn(shape: tuple[int, int, int], tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, *shape), dtype=np.uint8)
    scale = _sample_scale(*shape)
    shown = images[:, ::scale, ::scale].repeat(scale, axis=1).repeat(scale, axis=2)
    meta = DeploymentMeta(
        name="camera",
        model_id=1,
        class_names=("a", "b"),
        codec="lzw",
        levels=8,
        fragment_bytes=1432,
        server_host="192.168.1.10",
        server_port=5700,
        deadline_ms=50.0,
        baud=921_600,
        alpha=0.5,
        sample_images=images,
    )
    for path, data in _samples(meta).items():
        (tmp_path / Path(path).name).write_bytes(data)
    (tmp_path / "network.hpp").write_text(NETWORK.format(*shape))
    (tmp_path / "main.cpp").write_text(MAIN)
    app = templates_dir() / "firmware" / "App"
    sources = [tmp_path / "main.cpp", tmp_path / "sample_images.cpp", app / "camera.cpp"]
    flags = ["-std=gnu++17", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]
    subprocess.run(
        ["g++", *flags, f"-I{tmp_path}", f"-I{app}", *sources, "-o", tmp_path / "camera"],
        check=True,
    )
    out = subprocess.run([tmp_path / "camera"], check=True, capture_output=True).stdout
    frames = np.frombuffer(out, dtype=np.uint8).reshape(3, *shape)
    stored = 8 * 1024 // (images[0].size // scale**2)
    assert np.array_equal(frames, shown[np.arange(3) % min(2, stored)])
