"""CIFAR-100, SVHN and ImageNet-200 in their official formats, their places, wrong files."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from agilenn_cc.data import Dataset, DatasetSource, dataset_classes, download, load_dataset
from agilenn_cc.data.cifar100 import CIFAR100, Cifar100
from agilenn_cc.data.download import Archive
from agilenn_cc.data.imagenet200 import IMAGENET200, OFFICIAL, ImageNet200
from agilenn_cc.data.registry import find_source
from agilenn_cc.data.source import Request
from agilenn_cc.data.svhn import SVHN, Svhn
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.spec import DatasetSpec
from agilenn_cc.spec.model import KNOWN_IMAGES


def spec(name: str, **keys: Any) -> DatasetSpec:
    return DatasetSpec.model_validate({"name": name, **keys})


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests away from the user's cache and data."""
    monkeypatch.setattr(download, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.delenv("AGILENN_DATA", raising=False)


def refuse(config: DatasetSpec, words: str, base: Path = Path()) -> None:
    with pytest.raises(AgilennError, match=words) as caught:
        load_dataset(config, 0, base)
    assert caught.value.exit_code is ExitCode.SPEC
    assert all(diagnostic.hint for diagnostic in caught.value.diagnostics)


@pytest.mark.parametrize(
    ("name", "source"), [("cifar100", CIFAR100), ("svhn", SVHN), ("imagenet200", IMAGENET200)]
)
def test_each_is_found_by_name(name: str, source: DatasetSource, tmp_path: Path) -> None:
    request = Request(spec(name), 0, tmp_path)
    assert find_source(request) is source
    assert request.shape == KNOWN_IMAGES[name]
    for path, words in ((".", "holds no|no file"), ("none", "does not exist|no file")):
        refuse(spec(name, path=path), words, tmp_path)


@pytest.mark.parametrize("kind", [Cifar100, Svhn, ImageNet200])
def test_the_download_is_checked(
    kind: Callable[[Archive], DatasetSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[str] = []

    def retrieve(url: str, known_hash: str, **others: Any) -> str:
        wanted.append(known_hash)
        raise ValueError("another hash")

    monkeypatch.setattr("pooch.retrieve", retrieve)
    source = kind(Archive("http://127.0.0.1:9/x", "ab" * 32, "x"))
    with pytest.raises(AgilennError, match="did not deliver the known file") as caught:
        source.load(Request(spec("svhn"), 0, tmp_path))
    assert wanted == ["sha256:" + "ab" * 32]
    assert caught.value.exit_code is ExitCode.EXTERNAL


# CIFAR-100: <1 x coarse label><1 x fine label><3072 x pixel>, red, green, blue planes.


def cifar_part(seed: int, count: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)
    fine = np.arange(count) % 100
    data = b"".join(
        bytes([label // 5, label]) + image.transpose(2, 0, 1).tobytes()
        for label, image in zip(fine, images, strict=True)
    )
    return data, images, fine


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    file = tmp_path / "data" / "cifar-100-binary.tar.gz"
    file.parent.mkdir()
    with tarfile.open(file, "w:gz") as tar:
        for name, data in (("train", cifar_part(1, 300)[0]), ("test", cifar_part(2, 100)[0])):
            member = tarfile.TarInfo(f"cifar-100-binary/{name}.bin")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file


def check_cifar(data: Dataset) -> None:
    _, images, fine = cifar_part(2, 100)
    assert (data.test.images == images).all()
    assert (data.test.labels == fine).all()
    assert len(data.train) + len(data.validation) == 300
    assert (data.classes[0], data.classes[41], data.classes[99]) == ("apple", "lawn_mower", "worm")
    assert len(set(data.classes)) == 100


def test_cifar100(cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_dataset(spec("cifar100", path=str(cifar)), 0)
    check_cifar(first)
    with tarfile.open(cifar) as tar:
        for member in tar.getmembers():
            target = tmp_path / "unpacked" / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            stream = tar.extractfile(member)
            assert stream is not None
            target.write_bytes(stream.read())
    for path in ("unpacked", "unpacked/cifar-100-binary"):
        again = load_dataset(spec("cifar100", path=path), 0, tmp_path)
        assert again.fingerprint == first.fingerprint
    monkeypatch.setenv("AGILENN_DATA", str(cifar.parent))
    assert load_dataset(spec("cifar100"), 0).fingerprint == first.fingerprint
    assert dataset_classes(spec("cifar100")) == first.classes


def test_wrong_cifar100(cifar: Path, tmp_path: Path) -> None:
    whole = cifar.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"text"):
        cifar.write_bytes(damaged)
        refuse(spec("cifar100", path=str(cifar)), "is not the CIFAR-100 binary archive")
    good = bytes([19, 99]) + bytes(3072)
    for data, words in ((good[:-1], "no whole records"), (b"\x00\x64" + bytes(3072), "label 100")):
        (tmp_path / "train.bin").write_bytes(data)
        (tmp_path / "test.bin").write_bytes(good)
        refuse(spec("cifar100", path="."), words, tmp_path)


# SVHN: X uint8 [32,32,3,N], y [N,1] with 10 for the digit 0.


def svhn_part(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)
    return images, np.arange(count) % 10


def write_svhn(folder: Path, **changes: Any) -> None:
    for seed, (name, count) in enumerate((("train", 50), ("test", 20))):
        images, digits = svhn_part(seed, count)
        arrays: dict[str, Any] = {
            "X": np.stack(list(images), axis=3),
            "y": np.array([[digit or 10] for digit in digits], np.uint8),
        }
        arrays = {key: value for key, value in (arrays | changes).items() if value is not None}
        savemat(folder / f"{name}_32x32.mat", arrays, do_compression=True)


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path)
    monkeypatch.setenv("AGILENN_DATA", str(tmp_path))
    data = load_dataset(spec("svhn"), 0)
    images, digits = svhn_part(1, 20)
    assert (data.test.images == images).all()
    assert (data.test.labels == digits).all()
    assert data.classes == dataset_classes(spec("svhn")) == tuple("0123456789")
    assert len(data.train) + len(data.validation) == 50
    monkeypatch.delenv("AGILENN_DATA")
    for path in (".", "train_32x32.mat", "test_32x32.mat"):
        again = load_dataset(spec("svhn", path=path), 0, tmp_path)
        assert again.fingerprint == data.fingerprint
    (tmp_path / "test_32x32.mat").unlink()
    refuse(spec("svhn", path="."), r"no file .*test_32x32\.mat", tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y": None}, "lacks the variable `y`"),
        ({"X": None}, "lacks the variable `X`"),
        ({"X": np.zeros((32, 32, 3, 9), np.uint8)}, "is not SVHN"),
        ({"X": np.zeros((32, 32, 3, 50))}, "is not SVHN"),
        ({"y": np.zeros((50, 1), np.uint8)}, "whole numbers of 1 to 10"),
    ],
)
def test_wrong_svhn(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    write_svhn(tmp_path, **changes)
    refuse(spec("svhn", path="."), words, tmp_path)


def test_a_damaged_svhn_file(tmp_path: Path) -> None:
    write_svhn(tmp_path)
    file = tmp_path / "train_32x32.mat"
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:200], whole[:100], b"", b"text" * 99):
        file.write_bytes(damaged)
        refuse(spec("svhn", path="."), r"train_32x32\.mat (cannot be read|lacks)", tmp_path)


# ImageNet-200: train/<wnid>/images/*.JPEG, val/images/*.JPEG, val_annotations.txt, wnids.txt.

IDS = ("n02124075", "n01443537", "n03126707", "n02012849")
WORDS = "n00001740\tentity\n" + "\n".join(
    f"{number}\t{text}"
    for number, text in zip(
        IDS, ("Egyptian cat", "goldfish, Carassius auratus", "crane", "crane"), strict=True
    )
)
NAMES = ("Egyptian cat", "goldfish", "n03126707", "n02012849")


def jpeg(label: int) -> bytes:
    stream = io.BytesIO()
    mode, value = ("L", 60 * label) if label == 3 else ("RGB", (60 * label,) * 3)
    Image.new(mode, (64, 64), value).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    root = tmp_path / "tiny-imagenet-200"
    annotations = []
    for label, number in enumerate(IDS):
        for index in range(10):
            file = root / "train" / number / "images" / f"{number}_{index}.JPEG"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(jpeg(label))
        (file.parents[1] / f"{number}_boxes.txt").write_text("x\t0\t0\t9\t9\n")
    (root / "val" / "images").mkdir(parents=True)
    for index in range(12):
        name = f"val_{index}.JPEG"
        (root / "val" / "images" / name).write_bytes(jpeg(index % 4))
        annotations.append(f"{name}\t{IDS[index % 4]}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(annotations))
    (root / "wnids.txt").write_text("\n".join(IDS) + "\n")
    (root / "words.txt").write_text(WORDS)
    return root


def pack(root: Path) -> Path:
    file = root.parent / OFFICIAL.file_name
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(root.parent))
    return file


def check_tiny(data: Dataset) -> None:
    assert (len(data.train), len(data.validation), len(data.test)) == (36, 4, 12)
    for part in (data.train, data.validation, data.test):
        assert part.images.shape[1:] == (64, 64, 3)
        wanted = 60 * part.labels[:, None, None, None]
        assert np.abs(part.images.astype(int) - wanted).max() <= 2
        assert not (np.diff(part.labels) >= 0).all() or len(part) == 4
    assert np.bincount(data.test.labels).tolist() == [3] * 4


def test_imagenet200(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_dataset(spec("imagenet200", path=str(tiny)), 0)
    check_tiny(first)
    assert first.classes == dataset_classes(spec("imagenet200", path="."), tmp_path) == NAMES
    file = pack(tiny)
    shutil.rmtree(tiny)
    monkeypatch.setenv("AGILENN_DATA", str(tmp_path))
    for keys in ({"path": str(file)}, {}):
        again = load_dataset(spec("imagenet200", **keys), 0)
        assert again.fingerprint == first.fingerprint
    limited = load_dataset(spec("imagenet200", limit={"train": 30, "test": 8}), 0)
    assert len(set(limited.test.labels)) > 1


def test_names_without_words(tiny: Path) -> None:
    (tiny / "words.txt").unlink()
    assert dataset_classes(spec("imagenet200", path=str(tiny))) == IDS


def test_wrong_imagenet200(tiny: Path, tmp_path: Path) -> None:
    config = spec("imagenet200", path=str(tiny))
    annotations = tiny / "val" / "val_annotations.txt"
    right = annotations.read_text()
    annotations.write_text(right + "val_0.JPEG\tn9\t0\t0\t0\t0\n")
    refuse(config, "line 13 of .* an unknown class")
    annotations.write_text(right + f"val_99.JPEG\t{IDS[0]}\t0\t0\t0\t0\n")
    refuse(config, r"line 13 of .* the missing image val_99\.JPEG")
    annotations.unlink()
    refuse(config, r"lacks val/val_annotations\.txt")
    annotations.write_text(right)
    shutil.rmtree(tiny / "train" / IDS[2])
    refuse(config, f"no image in train/{IDS[2]}/images")
    (tiny / "wnids.txt").write_text(f"{IDS[0]}\n{IDS[0]}\n")
    refuse(config, "one of them twice")


def test_a_damaged_zip(tiny: Path) -> None:
    file = pack(tiny)
    whole = file.read_bytes()
    config = spec("imagenet200", path=str(file))
    for damaged in (whole[: len(whole) // 2], b"", b"text"):
        file.write_bytes(damaged)
        refuse(config, "is not a sound ZIP archive")
    body = whole.index(jpeg(1))
    file.write_bytes(whole[:body] + bytes(300) + whole[body + 300 :])
    refuse(config, r"train/.*\.JPEG in .* cannot be read")


def write_tiny_blobs(file: Path, **changes: Any) -> None:
    arrays: dict[str, Any] = {"wnids": np.array(IDS)}
    for name, count in (("train", 40), ("val", 12)):
        labels = np.sort(np.arange(count) % 4)
        encoded = [jpeg(int(label)) for label in labels]
        arrays[f"{name}_blob"] = np.frombuffer(b"".join(encoded), np.uint8)
        arrays[f"{name}_offsets"] = np.cumsum([0, *map(len, encoded)])
        arrays[f"y_{name}"] = labels.astype(np.uint8)
    arrays |= changes
    np.savez(file, **{key: value for key, value in arrays.items() if value is not None})


def test_the_blobs_of_imagenet200(tmp_path: Path) -> None:
    file = tmp_path / "tinyimagenet_jpeg_200c_90_20.npz"
    write_tiny_blobs(file)
    for path in (".", file.name):
        data = load_dataset(spec("imagenet200", path=path), 0, tmp_path)
        check_tiny(data)
        assert data.classes == dataset_classes(spec("imagenet200", path=path), tmp_path) == IDS
    for changes, words in (
        ({"y_val": None}, "cannot be read"),
        ({"train_offsets": np.zeros(41, int)}, "`train` do not fit"),
        ({"y_train": np.full(40, 9)}, "`train` do not fit"),
        ({"wnids": None}, "cannot be read"),
    ):
        write_tiny_blobs(file, **changes)
        refuse(spec("imagenet200", path=str(file)), words)


REAL = Path(os.environ.get("AGILENN_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.mark.skipif(
    not (REAL / "tinyimagenet_jpeg_200c_90_20.npz").is_file(),
    reason="no tinyimagenet_jpeg_200c_90_20.npz in AGILENN_DATA",
)
def test_the_real_images_of_imagenet200() -> None:
    limit = {"train": 6000, "test": 100}
    data = load_dataset(spec("imagenet200", path=str(REAL), image="8x8x3", limit=limit), 1)
    assert len(data.classes) == 200
    assert len(set(data.test.labels)) > 50
    assert data.test.images.std() > 30
