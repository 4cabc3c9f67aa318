"""CIFAR-10 in its two formats, its places, and the checked download."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agilenn_cc.data import Dataset, Request, dataset_classes, download, load_dataset
from agilenn_cc.data.cifar10 import CIFAR10, CLASSES, OFFICIAL, Cifar10
from agilenn_cc.data.download import Archive
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.spec import DatasetSpec

BATCHES = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]


def spec(**keys: Any) -> DatasetSpec:
    return DatasetSpec.model_validate({"name": "cifar10", **keys})


def batch(seed: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Write a batch by its published layout: label, 1,024 red, 1,024 green, 1,024 blue, by rows."""
    generator = np.random.default_rng(seed)
    labels = np.arange(20) % 10
    images = generator.integers(0, 256, (20, 32, 32, 3), np.uint8)
    data = bytearray()
    for label, image in zip(labels, images, strict=True):
        data.append(label)
        for channel in range(3):
            for row in range(32):
                data += image[row, :, channel].tobytes()
    return bytes(data), images, labels


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "served" / OFFICIAL.file_name
    file.parent.mkdir()
    with tarfile.open(file, "w:gz") as tar:
        for seed, name in enumerate(BATCHES):
            data = batch(seed)[0]
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests away from the user's cache and data."""
    monkeypatch.setattr(download, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.delenv("AGILENN_DATA", raising=False)


@pytest.fixture
def served(archive: Path) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(archive.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{archive.name}"
        server.shutdown()


def check_official(data: Dataset) -> None:
    assert data.classes == CLASSES
    assert (data.test.images == batch(5)[1]).all()
    assert (data.test.labels == batch(5)[2]).all()
    originals = {image.tobytes() for seed in range(5) for image in batch(seed)[1]}
    used = [image.tobytes() for part in (data.train, data.validation) for image in part.images]
    assert set(used) == originals
    assert len(used) == 100


def test_the_official_archive(archive: Path) -> None:
    check_official(load_dataset(spec(path=str(archive)), 0))
    check_official(load_dataset(spec(path="served"), 0, archive.parent.parent))


def test_the_unpacked_archive(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for seed, name in enumerate(BATCHES):
        (folder / name).write_bytes(batch(seed)[0])
    check_official(load_dataset(spec(path="out"), 0, tmp_path))
    check_official(load_dataset(spec(path=str(folder)), 0, tmp_path))
    (folder / BATCHES[2]).unlink()
    with pytest.raises(AgilennError, match=r"data_batch_3\.bin cannot be read"):
        load_dataset(spec(path="out"), 0, tmp_path)


def test_a_folder_in_the_environment(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGILENN_DATA", str(archive.parent))
    check_official(load_dataset(spec(), 0))


def test_the_download_is_checked_and_kept(served: str, archive: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    source = Cifar10(Archive(served, digest, archive.name))
    seen: list[tuple[str, int, int]] = []
    request = Request(spec(), 0, tmp_path, lambda *at: seen.append(at))
    raw = source.load(request)
    assert len(raw.train.labels) == 100
    size = archive.stat().st_size
    assert (f"downloading {archive.name}", size, size) in seen
    archive.unlink()
    assert raw.test is not None
    again = source.load(request)
    assert (again.train.labels == raw.train.labels).all()


def test_another_content_is_refused(served: str, archive: Path, tmp_path: Path) -> None:
    source = Cifar10(Archive(served, "0" * 64, archive.name))
    with pytest.raises(AgilennError, match="did not deliver the known file") as caught:
        source.load(Request(spec(), 0, tmp_path))
    assert caught.value.exit_code is ExitCode.EXTERNAL
    assert "dataset.path" in (caught.value.diagnostics[0].hint or "")
    assert not (tmp_path / "cache" / archive.name).exists()


def test_no_network(tmp_path: Path) -> None:
    source = Cifar10(Archive("http://127.0.0.1:9/x.tar.gz", "0" * 64, "x.tar.gz"))
    with pytest.raises(AgilennError, match="could not be downloaded") as caught:
        source.load(Request(spec(), 0, tmp_path))
    assert caught.value.exit_code is ExitCode.EXTERNAL


def test_damaged_archives(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"text"):
        archive.write_bytes(damaged)
        with pytest.raises(AgilennError, match="is not the CIFAR-10 binary archive"):
            load_dataset(spec(path=str(archive)), 0)
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BATCHES:
        (folder / name).write_bytes(b"\x0b" + bytes(3072))
    with pytest.raises(AgilennError, match="holds the label 11"):
        load_dataset(spec(path="bin"), 0, tmp_path)
    (folder / BATCHES[0]).write_bytes(bytes(3072))
    with pytest.raises(AgilennError, match="no whole records"):
        load_dataset(spec(path="bin"), 0, tmp_path)


def test_a_place_without_cifar10(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"")
    for path, words in ((".", "holds no CIFAR-10"), ("a.npz", "holds no"), ("b", "does not exist")):
        with pytest.raises(AgilennError, match=words) as caught:
            load_dataset(spec(path=path), 0, tmp_path)
        assert caught.value.exit_code is ExitCode.SPEC


def write_blob(file: Path, count: int, **changes: Any) -> None:
    encoded = []
    for index in range(count):
        stream = io.BytesIO()
        Image.new("RGB", (32, 32), (index, 100, 200)).save(stream, "PNG")
        encoded.append(stream.getvalue())
    arrays: dict[str, Any] = {
        "blob": np.frombuffer(b"".join(encoded), np.uint8),
        "offsets": np.cumsum([0, *map(len, encoded)]).astype(np.uint32),
        "y": (np.arange(count) % 10).astype(np.uint8),
        "classes": np.array(CLASSES),
    }
    np.savez(file, **(arrays | changes))


def test_the_blob_format(tmp_path: Path) -> None:
    write_blob(tmp_path / "cifar10_jpeg_train.npz", 40)
    write_blob(tmp_path / "cifar10_jpeg_test.npz", 10)
    for path in (".", "cifar10_jpeg_train.npz"):
        data = load_dataset(spec(path=path, image="8x8x3"), 0, tmp_path)
        assert data.test.images.shape == (10, 8, 8, 3)
        assert data.test.images[:, 4, 4, 0].tolist() == list(range(10))
        assert len(data.train) + len(data.validation) == 40
    assert dataset_classes(spec(), tmp_path) == CLASSES
    limited = load_dataset(spec(path=".", limit={"train": 30, "test": 2}), 0, tmp_path)
    assert sorted([*limited.train.images[:, 0, 0, 0], *limited.validation.images[:, 0, 0, 0]]) == (
        list(range(30))
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": np.array(CLASSES[::-1])}, "not a copy of CIFAR-10"),
        ({"offsets": np.zeros(41, np.uint32)}, "not a copy of CIFAR-10"),
        ({"y": np.zeros(3, np.uint8)}, "not a copy of CIFAR-10"),
        ({"blob": np.zeros(9, np.uint8)}, "not a copy of CIFAR-10"),
        ({"blob": np.zeros(100_000, np.uint8)}, "image 0 of .* cannot be read"),
    ],
)
def test_wrong_blobs(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    write_blob(tmp_path / "cifar10_jpeg_train.npz", 40, **changes)
    write_blob(tmp_path / "cifar10_jpeg_test.npz", 10)
    with pytest.raises(AgilennError, match=words) as caught:
        load_dataset(spec(path=".", validation=0.5), 0, tmp_path)
    assert caught.value.exit_code is ExitCode.SPEC


def test_the_built_in_source_downloads_the_official_archive() -> None:
    assert CIFAR10.archive is OFFICIAL
    assert OFFICIAL.url.startswith("https://")
    assert len(bytes.fromhex(OFFICIAL.sha256)) == 32


REAL = Path(os.environ.get("AGILENN_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.mark.skipif(
    not (REAL / "cifar10_jpeg_train.npz").is_file(),
    reason="no cifar10_jpeg_train.npz in AGILENN_DATA",
)
def test_the_real_images() -> None:
    limit = {"train": 1000, "test": 200}
    data = load_dataset(spec(path=str(REAL), image="96x96x3", limit=limit), 3)
    assert data.test.images.shape == (200, 96, 96, 3)
    assert np.bincount(data.train.labels, minlength=10).min() > 50
    # Photographs: neighbouring pixels are alike, and the whole range is used.
    pixels = data.test.images.astype(int)
    assert np.abs(np.diff(pixels, axis=2)).mean() < 10
    assert (pixels.min(), pixels.max()) == (0, 255)
