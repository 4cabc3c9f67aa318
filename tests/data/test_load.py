"""Splits, limits, fingerprints and the bundled digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agilenn_cc.data import Dataset, dataset_classes, load_dataset
from agilenn_cc.errors import AgilennError, ExitCode, Position
from agilenn_cc.spec import DatasetSpec


def spec(**keys: Any) -> DatasetSpec:
    return DatasetSpec.model_validate(keys)


def digits(seed: int = 7, **keys: Any) -> Dataset:
    return load_dataset(spec(name="digits", **keys), seed)


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    data = digits()
    assert data.classes == tuple("0123456789")
    assert data.classes == dataset_classes(spec(name="digits"))
    parts = (data.train, data.validation, data.test)
    assert sum(len(part) for part in parts) == 1797
    # Every original image is there once: values 0, 8 and 16 become 0, 127 and 255.
    table = np.array([value * 255 // 16 for value in range(17)])
    assert table[[0, 8, 16]].tolist() == [0, 127, 255]
    wanted = sorted(
        (int(label), tuple(table[image.astype(int)].ravel()))
        for image, label in zip(bunch.images, bunch.target, strict=True)
    )
    found = sorted(
        (int(label), tuple(image.ravel()))
        for part in parts
        for image, label in zip(part.images, part.labels, strict=True)
    )
    assert found == wanted


def test_types_and_read_only() -> None:
    data = digits()
    for part in (data.train, data.validation, data.test):
        assert part.images.dtype == np.uint8
        assert part.labels.dtype == np.int64
        assert part.images.shape[1:] == (8, 8, 1)
        with pytest.raises(ValueError, match="read-only"):
            part.images[0] = 0


def test_splits_are_stratified() -> None:
    data = digits(test=0.25, validation=0.2)
    everything = np.concatenate([data.train.labels, data.validation.labels, data.test.labels])
    total = np.bincount(everything)
    for part, fraction in ((data.test, 0.25), (data.validation, 0.75 * 0.2)):
        assert np.abs(np.bincount(part.labels) - fraction * total).max() <= 1


def test_the_seed_decides() -> None:
    assert digits(7).fingerprint == digits(7).fingerprint
    assert digits(7).fingerprint != digits(8).fingerprint
    assert digits(7).fingerprint != digits(7, validation=0.2).fingerprint


def test_a_changed_pixel_changes_the_fingerprint(tmp_path: Path) -> None:
    images = np.zeros((12, 4, 4, 1), np.uint8)
    labels = np.arange(12) % 2
    prints = set()
    for change in range(3):
        images[5, 0, 0, 0] = change
        np.savez(tmp_path / "data.npz", x=images, y=labels)
        prints.add(load_dataset(spec(npz="data.npz", image="4x4x1"), 0, tmp_path).fingerprint)
    assert len(prints) == 3


def test_resizing_and_colour() -> None:
    data = digits(image="16x12x3")
    assert data.train.images.shape[1:] == (16, 12, 3)
    assert (data.train.images[..., 0] == data.train.images[..., 2]).all()


def test_limits() -> None:
    whole, data = digits(), digits(limit={"train": 200, "test": 30})
    assert len(data.train) + len(data.validation) == 200
    assert len(data.test) == 30
    assert (data.test.images == whole.test.images[:30]).all()


def test_a_limit_that_loses_a_class() -> None:
    with pytest.raises(AgilennError) as caught:
        digits(limit={"train": 8})
    assert caught.value.exit_code is ExitCode.SPEC
    (diagnostic,) = caught.value.diagnostics
    assert "`2`" in diagnostic.message
    assert "dataset.limit.train" in (diagnostic.hint or "")


def test_progress_comes_to_its_end() -> None:
    seen: list[tuple[str, int, int]] = []
    load_dataset(spec(name="digits", image="9x9x1"), 0, progress=lambda *at: seen.append(at))
    assert ("resizing images", 359, 359) in seen
    assert all(done <= total for _, done, total in seen)


def test_diagnostics_point_at_the_spec(tmp_path: Path) -> None:
    place = Position("spec.yaml", 3, 4)
    with pytest.raises(AgilennError) as caught:
        load_dataset(
            spec(npz="none.npz", image="4x4x1"),
            0,
            tmp_path,
            where=lambda key: place if key == "dataset.npz" else None,
        )
    assert caught.value.diagnostics[0].where == place


class TestNpz:
    def test_x_and_y(self, tmp_path: Path) -> None:
        images = np.random.default_rng(0).integers(0, 256, (40, 6, 5), np.uint8)
        np.savez(tmp_path / "a.npz", x=images, y=np.arange(40).reshape(40, 1) % 4)
        config = spec(npz="a.npz", image="6x5x1")
        data = load_dataset(config, 1, tmp_path)
        assert (data.name, data.classes) == ("a", ("0", "1", "2", "3"))
        assert (len(data.train), len(data.validation), len(data.test)) == (28, 4, 8)
        assert dataset_classes(config, tmp_path) == data.classes

    def test_a_test_set_and_names(self, tmp_path: Path) -> None:
        images = np.arange(20 * 16, dtype=np.int32).reshape(20, 4, 4, 1) % 256
        labels = np.arange(20) % 2
        np.savez(
            tmp_path / "a.npz",
            x_train=images,
            y_train=labels,
            x_test=images[:3],
            y_test=labels[:3],
            classes=["cat", "dog"],
        )
        data = load_dataset(spec(npz="a.npz", image="4x4x1"), 1, tmp_path)
        assert data.classes == ("cat", "dog")
        assert (data.test.images == images[:3]).all()
        assert len(data.train) + len(data.validation) == 20

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({"x": np.zeros((4, 2, 2), np.uint8)}, "holds x"),
            ({"x": np.zeros((4, 2, 2)), "y": np.arange(4)}, "must be uint8"),
            ({"x": np.zeros((4, 2), np.uint8), "y": np.arange(4)}, r"not uint8 \[4, 2\]"),
            ({"x": np.full((4, 2, 2), 300), "y": np.arange(4)}, "outside 0 to 255"),
            ({"x": np.zeros((3, 2, 2), np.uint8), "y": np.arange(4)}, "3 images and `y` 4"),
            ({"x": np.zeros((4, 2, 2), np.uint8), "y": np.arange(4) / 2}, "whole numbers"),
            ({"x": np.zeros((4, 2, 2), np.uint8), "y": np.arange(4) - 1}, "negative"),
            ({"x": np.zeros((4, 2, 2), np.uint8), "y": np.zeros(4, int)}, "one class"),
            ({"x": np.zeros((9, 2, 2), np.uint8), "y": np.repeat([0, 2, 3], 3)}, "class `1`"),
            ({"x": np.zeros((4, 2, 2), np.uint8), "y": np.array([0, 0, 0, 1])}, "class `1`"),
            (
                {"x": np.zeros((4, 2, 2), np.uint8), "y": np.arange(4), "classes": ["a"]},
                "label 3 has no name",
            ),
            ({"x": np.array([None] * 4), "y": np.arange(4)}, "`x` of .* cannot be read"),
        ],
    )
    def test_wrong_arrays(self, tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(AgilennError, match=words) as caught:
            load_dataset(spec(npz="a.npz", image="2x2x1"), 0, tmp_path)
        assert caught.value.exit_code is ExitCode.SPEC
        assert all(d.hint for d in caught.value.diagnostics)

    def test_wrong_files(self, tmp_path: Path) -> None:
        (tmp_path / "text.npz").write_text("no archive")
        np.save(tmp_path / "single.npy", np.zeros(3))
        for name, words in (
            ("none.npz", "no file"),
            ("text.npz", "not a NumPy archive"),
            ("single.npy", "single array"),
        ):
            with pytest.raises(AgilennError, match=words):
                load_dataset(spec(npz=name, image="2x2x1"), 0, tmp_path)
