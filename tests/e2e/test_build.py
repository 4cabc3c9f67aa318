"""A build from end to end: proven, reproducible, cached, interruptible, sparing the user's code."""

from __future__ import annotations

import os
import signal
from pathlib import Path

WITH_WALL_TIMES = {"report.json", "report.html", ".agilenn-files.json"}


def files(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def cached(result) -> dict[str, bool]:
    return {stage["name"]: stage["cached"] for stage in result["stages"]}


def test_every_tensor_and_every_frame_agrees(built) -> None:
    report = built.result["report"]
    frames = len(built.held_out.images)
    assert report["verify"]["mismatches"] == 0
    assert report["verify"]["samples"] == frames
    assert report["verify"]["tensors"] >= 6  # features that only pass through registers are none
    assert report["verify"]["tflite"]["worse"] == 0
    end = report["end_to_end"]
    assert end["frames"] == end["answered"] == end["agreed"] == frames
    quantised, training = report["quantised"], report["training"]
    assert abs(quantised["accuracy"] - training["accuracy_float"]) < 0.05
    assert quantised["accuracy"] > 0.3  # learned: chance is 0.1


def test_nothing_is_trained_written_or_proven_twice(built) -> None:
    before = times(built.folder)
    again = built.place.build("--target", "stm32f746")
    assert times(built.folder) == before
    assert again["report"] == built.result["report"]
    stages = cached(again)
    assert all(stages[name] for name in ("train", "quantise", "link", "verify", "simulate"))


def test_a_second_target_trains_nothing(built) -> None:
    other = built.place.build("--target", "stm32f746-nucleo", "--stop-after", "link")
    stages = cached(other)
    assert stages["train"]
    assert stages["quantise"]
    assert not stages["link"]
    assert not (built.place.folder / "build" / "tiny-stm32f746-nucleo").exists()


def test_an_interrupted_build_elsewhere_gives_the_same_bytes(built, second_place) -> None:
    process = second_place.start("build", "spec.yaml", "--frames", "20", "--target", "stm32f746")
    assert process.stderr is not None
    for line in process.stderr:
        if "joint 2/4" in line:
            process.send_signal(signal.SIGINT)
            break
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "same command again" in said
    assert "Traceback" not in said
    assert not (second_place.folder / "build").exists()

    done = second_place.run("build", "spec.yaml", "--frames", "20", "--target", "stm32f746")
    assert "train: reference" not in done.stderr
    assert "joint 1/4" not in done.stderr
    assert "joint 4/4" in done.stderr
    mine, theirs = files(built.folder), files(second_place.folder / "build" / "tiny-stm32f746")
    assert mine.keys() == theirs.keys()
    assert {name for name in mine if mine[name] != theirs[name]} <= WITH_WALL_TIMES
    assert not list((second_place.cache / "unfinished").rglob("*.safetensors"))


def test_the_users_code_survives_and_the_rest_is_mended(built) -> None:
    project = built.folder / "project"
    camera, network = project / "App" / "camera.cpp", project / "Generated" / "network.cpp"
    original, generated = camera.read_bytes(), network.read_bytes()
    mine = original + b"// our own sensor\n"
    extra = project / "App" / "sensor.cpp"
    try:
        camera.write_bytes(mine)
        extra.write_text("int sensor_offset = 3;\n")
        network.write_text("// damaged\n")
        (built.folder / "server" / "tiny_server" / "metadata.json").unlink()
        built.place.build("--target", "stm32f746")
        assert camera.read_bytes() == mine
        assert extra.exists()
        assert network.read_bytes() == generated
        assert (built.folder / "server" / "tiny_server" / "metadata.json").exists()
    finally:
        camera.write_bytes(original)
        extra.unlink()


def test_damaged_cache_entries_are_computed_anew_to_the_same_bytes(built) -> None:
    before = files(built.folder)
    for stage, name in (("train", "model.safetensors"), ("link", "firmware.elf")):
        for path in (built.place.cache / stage).glob(f"*/{name}"):
            os.truncate(path, 100)
    again = built.place.build("--target", "stm32f746")
    stages = cached(again)
    assert not stages["train"]
    assert not stages["link"]
    assert stages["quantise"]  # what it was made from came out as before
    after = files(built.folder)
    assert {name for name in before if before[name] != after[name]} <= WITH_WALL_TIMES
