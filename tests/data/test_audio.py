"""WAV files by class: every sample format, the spectrogram's formula, and wrong files."""

from __future__ import annotations

import cmath
import contextlib
import math
import struct
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile

from agilenn_cc.data import dataset_classes, load_dataset
from agilenn_cc.data.melspectrogram import MAX_BANDS, fit_clip, log_mel, mel_filters
from agilenn_cc.data.wav import WavError, read_wav
from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.spec import DatasetSpec, load_spec


def tone(frequency: float, seconds: float = 0.5, rate: int = 16_000) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def write(file: Path, data: bytes, width: int = 2, channels: int = 1, rate: int = 16_000) -> Path:
    with wave.open(str(file), "wb") as out:
        out.setparams((channels, width, rate, 0, "NONE", ""))
        out.writeframes(data)
    return file


def write_tone(file: Path, frequency: float, **keys: Any) -> Path:
    values = np.round(0.5 * 32767 * tone(frequency, **keys)).astype("<i2")
    return write(file, values.tobytes(), rate=keys.get("rate", 16_000))


@pytest.mark.parametrize(
    ("width", "data", "values"),
    [
        (1, b"\x00\x80\xc0\xff", [-1, 0, 0.5, 127 / 128]),
        (2, b"\x00\x80\x00\x00\x00\x40\x01\x00", [-1, 0, 0.5, 1 / 32768]),
        (3, b"\x00\x00\x80\x00\x00\x40\x01\x00\x00", [-1, 0.5, 2**-23]),
        (4, b"\x00\x00\x00\x80\x00\x00\x00\x40", [-1, 0.5]),
    ],
)
def test_pcm(tmp_path: Path, width: int, data: bytes, values: list[float]) -> None:
    assert read_wav(write(tmp_path / "a.wav", data, width)).tolist() == values


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_float(tmp_path: Path, dtype: str) -> None:
    file = tmp_path / "a.wav"
    wavfile.write(file, 16_000, np.array([-1, 0.25, 0], dtype))
    assert read_wav(file).tolist() == [-1, 0.25, 0]
    wavfile.write(file, 16_000, np.array([0, np.nan], dtype))
    with pytest.raises(WavError, match="not finite"):
        read_wav(file)


def test_channels_are_averaged_and_other_chunks_skipped(tmp_path: Path) -> None:
    file = write(tmp_path / "a.wav", struct.pack("<4h", 16384, -16384, 16384, 0), channels=2)
    assert read_wav(file).tolist() == [0, 0.25]
    whole = file.read_bytes()
    # A chunk of odd length is followed by a byte of padding.
    file.write_bytes(whole[:12] + b"LIST\x03\x00\x00\x00abc\x00" + whole[12:])
    assert read_wav(file).tolist() == [0, 0.25]


def test_the_extensible_format(tmp_path: Path) -> None:
    guid = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4) + guid
    body = b"fmt " + struct.pack("<I", len(form)) + form + b"data\x02\x00\x00\x00\x00\x40"
    file = tmp_path / "a.wav"
    file.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
    assert read_wav(file).tolist() == [0.5]


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_converted(tmp_path: Path, rate: int) -> None:
    found = read_wav(write_tone(tmp_path / "a.wav", 440, rate=rate))
    assert len(found) == pytest.approx(8_000, abs=1)
    inner = slice(500, 7_500)
    assert np.abs(found[inner] - 0.5 * tone(440)[inner]).max() < 2e-3


def test_what_cannot_be_heard_at_16_khz_is_filtered_out(tmp_path: Path) -> None:
    found = read_wav(write_tone(tmp_path / "a.wav", 12_000, rate=48_000))
    assert np.abs(found[500:7_500]).max() < 0.01


def changed(whole: bytes, place: int, form: str, value: int) -> bytes:
    changed = bytearray(whole)
    struct.pack_into(form, changed, place, value)
    return bytes(changed)


def test_wrong_wav_files(tmp_path: Path) -> None:
    file = write_tone(tmp_path / "a.wav", 440)
    whole = file.read_bytes()
    for data, words in (
        (whole[:1000], "it is cut off: 956 of 16000 bytes"),
        (b"", "not a WAV"),
        (b"OggS" + whole[4:], "not a WAV"),
        (whole[:12], "its format chunk is missing"),
        (whole[:36], "its data chunk is missing"),
        (changed(whole, 20, "<H", 0x11), r"compressed \(format 0x11\)"),
        (changed(whole, 34, "<H", 4), "PCM of 4 bits"),
        (changed(whole, 22, "<H", 0), "contradicts itself"),
        (changed(whole, 24, "<I", 1), "sampling rate is 1 Hz"),
        (changed(whole[:44], 40, "<I", 0), "holds no sample"),
    ):
        file.write_bytes(data)
        with pytest.raises(WavError, match=words):
            read_wav(file)


@given(st.dictionaries(st.integers(0, 59), st.integers(0, 255), max_size=6), st.integers(0, 60))
def test_no_damage_ends_in_another_error(changes: dict[int, int], length: int) -> None:
    form = struct.pack("<HHIIHH", 1, 2, 16_000, 64_000, 4, 16)
    data = bytearray(b"RIFF\x34\0\0\0WAVEfmt \x10\0\0\0" + form + b"data\x10\0\0\0" + bytes(16))
    for place, value in changes.items():
        data[place] = value
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.wav"
        file.write_bytes(data[:length])
        with contextlib.suppress(WavError):
            assert np.isfinite(read_wav(file)).all()


def test_the_mel_scale() -> None:
    # 2595 log10(1 + 1000 / 700) = 999.99: 1 kHz is 1000 mel.
    corners = [20.0, 8000.0]
    low, high = (2595 * math.log10(1 + corner / 700) for corner in corners)
    peak = 700 * (10 ** ((low + high) / 2 / 2595) - 1)
    (triangle,) = mel_filters(1)
    for k in (1, 2, 50, 117, 118, 400, 511):
        frequency = k * 15.625
        rising, falling = (frequency - 20) / (peak - 20), (8000 - frequency) / (8000 - peak)
        assert triangle[k] == pytest.approx(max(0, min(rising, falling)), abs=1e-12)


@pytest.mark.parametrize("bands", [2, 40, 64, MAX_BANDS])
def test_the_triangles(bands: int) -> None:
    filters = mel_filters(bands)
    assert filters.shape == (bands, 513)
    assert (filters.max(axis=1) > 0.2).all()
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) > 0).all()
    # Neighbours overlap so that between the outer peaks all power counts once.
    assert np.allclose(filters.sum(axis=0)[peaks[0] + 1 : peaks[-1]], 1)


def test_a_pixel_against_the_formula() -> None:
    """One frame by sums over its definition, without FFT."""
    clip = np.random.default_rng(3).uniform(-0.5, 0.5, 512) * np.linspace(0, 1, 512)
    window = [0.5 - 0.5 * math.cos(2 * math.pi * n / 512) for n in range(512)]
    assert sum(window) == pytest.approx(256)
    power = []
    for k in range(513):
        turn = cmath.exp(-2j * math.pi * k / 1024)
        total = sum(clip[n] * window[n] * turn**n for n in range(512))
        power.append(abs(total) ** 2 / 256**2)
    image = log_mel(clip, 1, 5)
    assert image.shape == (1, 5, 1)
    for band, triangle in enumerate(mel_filters(5)):
        energy = sum(weight * value for weight, value in zip(triangle, power, strict=True))
        level = 255 * (10 * math.log10(energy) + 80) / 80
        assert image[0, band, 0] == math.floor(level + 0.5)
        assert 0 < image[0, band, 0] < 255


def test_loudness_is_kept() -> None:
    loud = log_mel(tone(1000), 10, 40).astype(int)
    assert len({int(row.argmax()) for row in loud[:, :, 0]}) == 1
    # -20 dB are 255 / 4 steps of grey.
    quiet = log_mel(0.1 * tone(1000), 10, 40).astype(int)
    peak = loud[0, :, 0].argmax()
    assert abs((loud - quiet)[:, peak, 0] - 63.75).max() <= 1
    assert not log_mel(np.zeros(8_000), 10, 40).any()


def test_where_a_click_is_seen() -> None:
    clip = np.zeros(512 + 4 * 1000)
    clip[2 * 1000 + 256] = 1
    image = log_mel(clip, 5, 8)
    assert image.any(axis=(1, 2)).tolist() == [False, False, True, False, False]


def test_clips() -> None:
    samples = np.arange(1.0, 6.0)
    assert fit_clip(samples, 3).tolist() == [2, 3, 4]
    assert fit_clip(samples, 5).tolist() == [1, 2, 3, 4, 5]
    assert fit_clip(samples, 8).tolist() == [0, 1, 2, 3, 4, 5, 0, 0]


CONFIG = {"audio": "sounds", "image": "24x20x1", "clip": "250 ms"}


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    for name, frequency in (("low", 300), ("high", 3000)):
        folder = tmp_path / "sounds" / name
        folder.mkdir(parents=True)
        for index in range(10):
            rate = (16_000, 44_100)[index % 2]
            write_tone(folder / f"{index}.WAV", frequency + 5 * index, rate=rate)
    return tmp_path


def test_folders_of_recordings(sounds: Path) -> None:
    config = DatasetSpec.model_validate(CONFIG)
    data = load_dataset(config, 0, sounds)
    assert data.name == "sounds"
    assert data.classes == dataset_classes(config, sounds) == ("high", "low")
    assert data.train.images.shape == (14, 24, 20, 1)
    for part in (data.train, data.validation, data.test):
        bands = part.images.astype(int).sum(axis=(1, 3)).argmax(axis=1)
        assert ((bands > 9) == (part.labels == 0)).all()
    assert load_dataset(config, 0, sounds).fingerprint == data.fingerprint
    assert load_dataset(config, 1, sounds).fingerprint != data.fingerprint


def test_a_spec_with_recordings(sounds: Path) -> None:
    file = sounds / "spec.yaml"
    network = "network: {extractor: conv 8 3x3 /2}\n"
    file.write_text(f"name: a\ndataset: {{audio: sounds, image: 24x20x1}}\n{network}")
    spec = load_spec(file)
    assert (spec.dataset.clip_ms, spec.input_shape) == (1000, (24, 20, 1))
    changed = load_spec(file, ["dataset.clip=0.5 s"])
    assert changed.dataset.clip_ms == 500
    file.write_text(f"name: a\ndataset: {{audio: a, npz: b, image: 8x8x1}}\n{network}")
    with pytest.raises(AgilennError, match="`npz` and `audio`"):
        load_spec(file)


def fail(base: Path, **changes: Any) -> tuple[Diagnostic, ...]:
    with pytest.raises(AgilennError) as caught:
        load_dataset(DatasetSpec.model_validate(CONFIG | changes), 0, base)
    assert caught.value.exit_code is ExitCode.SPEC
    assert all(diagnostic.hint for diagnostic in caught.value.diagnostics)
    return caught.value.diagnostics


@pytest.mark.parametrize(
    ("changes", "words", "hint"),
    [
        ({"image": "24x20x3"}, "one channel", "24x20x1"),
        ({"image": "24x129x1"}, "129 mel bands", "24x128x1"),
        ({"image": "90x20x1", "clip": "32 ms"}, "too short for 90 frames", "38 ms"),
        ({"audio": "sound"}, "there is no folder", "`sounds`"),
        ({"audio": "sounds/low"}, "has no class folder", "move each into a folder"),
    ],
)
def test_wrong_sections(sounds: Path, changes: dict[str, Any], words: str, hint: str) -> None:
    (diagnostic,) = fail(sounds, **changes)
    assert words in diagnostic.message
    assert hint in (diagnostic.hint or "")


def test_wrong_folders(sounds: Path) -> None:
    low = sounds / "sounds" / "low"
    for index in (3, 4):
        (low / f"{index}.WAV").write_bytes(b"ID3 mp3")
    broken = fail(sounds)
    assert len(broken) == 2
    assert all("not a WAV (RIFF) file" in diagnostic.message for diagnostic in broken)
    for file in low.iterdir():
        file.unlink()
    (diagnostic,) = fail(sounds)
    assert "the class `low` has no recording" in diagnostic.message
    assert ".wav" in (diagnostic.hint or "")
    low.rmdir()
    (diagnostic,) = fail(sounds)
    assert "has only the class `high`" in diagnostic.message
    assert diagnostic.code == "data.one-class"
