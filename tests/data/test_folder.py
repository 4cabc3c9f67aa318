"""Folders of images by class: what is found, and what is said when something is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agilenn_cc.data import Dataset, dataset_classes, load_dataset
from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.spec import DatasetSpec

CONFIG = DatasetSpec.model_validate({"images": "pics", "image": "8x8x3"})


def load(base: Path, seed: int = 0) -> Dataset:
    return load_dataset(CONFIG, seed, base)


def fail(base: Path) -> tuple[Diagnostic, ...]:
    with pytest.raises(AgilennError) as caught:
        load(base)
    assert caught.value.exit_code is ExitCode.SPEC
    assert all(diagnostic.hint for diagnostic in caught.value.diagnostics)
    return caught.value.diagnostics


def draw(folder: Path, value: int, count: int) -> None:
    """Write `count` images of odd sizes, kinds and modes whose pixels are all near `value`."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [("L", "png"), ("RGB", "JPG"), ("RGBA", "png"), ("P", "gif"), ("L", "bmp")]
    for number in range(count):
        mode, suffix = kinds[number % len(kinds)]
        image = Image.new("L", (5 + number, 9 + 2 * number), value).convert(mode)
        image.save(folder / f"{number}.{suffix}")


@pytest.fixture
def pics(tmp_path: Path) -> Path:
    for name, value in (("bird", 10), ("ant", 100), ("cat", 200)):
        draw(tmp_path / "pics" / name, value, 10)
    return tmp_path


def test_folders_are_classes(pics: Path) -> None:
    (pics / "pics" / "ant" / "notes.txt").write_text("not an image")
    (pics / "pics" / "cat" / ".hidden.png").write_text("not an image")
    (pics / "pics" / ".git").mkdir()
    (pics / "pics" / "bird" / "more").mkdir()
    (pics / "pics" / "bird" / "0.png").rename(pics / "pics" / "bird" / "more" / "0.png")
    data = load(pics)
    assert data.classes == ("ant", "bird", "cat")
    assert dataset_classes(CONFIG, pics) == data.classes
    assert (len(data.train), len(data.validation), len(data.test)) == (21, 3, 6)
    values = np.array([100, 10, 200])
    for part in (data.train, data.validation, data.test):
        assert part.images.shape[1:] == (8, 8, 3)
        difference = part.images.astype(int) - values[part.labels][:, None, None, None]
        assert np.abs(difference).max() <= 2


def test_order_is_shuffled_by_the_seed_alone(pics: Path) -> None:
    data = load(pics, 1)
    assert (np.diff(data.train.labels) < 0).any()
    assert data.fingerprint == load(pics, 1).fingerprint
    assert data.fingerprint != load(pics, 2).fingerprint


def test_train_test_and_validation_folders(tmp_path: Path) -> None:
    for part, count in (("train", 8), ("test", 3), ("val", 2)):
        draw(tmp_path / "pics" / part / "a", 10, count)
        draw(tmp_path / "pics" / part / "b", 200, count)
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (16, 4, 6)
    draw(tmp_path / "pics" / "test" / "bb", 1, 1)
    (diagnostic,) = fail(tmp_path)
    assert "`bb`" in diagnostic.message
    assert "`b`" in (diagnostic.hint or "")


def test_a_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "pisc").mkdir()
    (diagnostic,) = fail(tmp_path)
    assert diagnostic.code == "data.missing"
    assert str(tmp_path / "pics") in diagnostic.message
    assert "`pisc`" in (diagnostic.hint or "")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "pics").write_text("")
    (diagnostic,) = fail(tmp_path)
    assert "is a file" in diagnostic.message


def test_one_class(tmp_path: Path) -> None:
    draw(tmp_path / "pics" / "cat", 3, 4)
    (diagnostic,) = fail(tmp_path)
    assert diagnostic.code == "data.one-class"
    assert "only the class `cat`" in diagnostic.message


def test_loose_images(tmp_path: Path) -> None:
    draw(tmp_path / "pics", 3, 4)
    (diagnostic,) = fail(tmp_path)
    assert "no class folder" in diagnostic.message
    assert "folder named after its class" in (diagnostic.hint or "")


def test_empty_classes(pics: Path) -> None:
    (pics / "pics" / "dog").mkdir()
    (pics / "pics" / "eel").mkdir()
    diagnostics = fail(pics)
    assert [d.code for d in diagnostics] == ["data.empty-class"] * 2
    assert "`dog`" in diagnostics[0].message
    with pytest.raises(AgilennError):
        dataset_classes(CONFIG, pics)


def test_too_few_images_of_a_class(pics: Path) -> None:
    draw(pics / "pics" / "dog", 3, 2)
    (diagnostic,) = fail(pics)
    assert "`dog`" in diagnostic.message
    assert "three images" in (diagnostic.hint or "")


def test_corrupt_images_are_all_named(pics: Path) -> None:
    (pics / "pics" / "cat" / "text.png").write_text("not an image")
    whole = (pics / "pics" / "cat" / "1.JPG").read_bytes()
    (pics / "pics" / "cat" / "half.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (pics / "pics" / "ant" / "empty.gif").write_bytes(b"")
    found: set[str] = set()
    # Files are reported split by split, so repair until nothing is left.
    for _ in range(3):
        with pytest.raises(AgilennError) as caught:
            load(pics)
        assert caught.value.exit_code is ExitCode.SPEC
        for diagnostic in caught.value.diagnostics:
            assert diagnostic.code == "data.corrupt-image"
            name = next(n for n in ("text.png", "half.jpg", "empty.gif") if n in diagnostic.message)
            found.add(name)
            next(pics.rglob(name)).unlink()
        if len(found) == 3:
            break
    assert found == {"text.png", "half.jpg", "empty.gif"}
    load(pics)
