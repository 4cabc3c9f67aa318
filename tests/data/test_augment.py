"""Augmentation: each operation against hand-computed cases, equal bytes from equal seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.data import augment
from agilenn_cc.data.augment import brighten, change_contrast, cut_out, flip, shift
from agilenn_cc.errors import AgilennError
from agilenn_cc.spec import Spec, load_spec
from agilenn_cc.spec.augmentation import (
    Augmentation,
    Brightness,
    Contrast,
    Cutout,
    Flip,
    Shift,
    format_augmentation,
    parse_augmentation,
)

ALL: tuple[Augmentation, ...] = (
    Flip(),
    Shift(2),
    Brightness(0.1),
    Contrast(0.2),
    Cutout(3),
)


def grey(*rows: list[int]) -> npt.NDArray[np.uint8]:
    """Make one image of one channel."""
    return np.array(rows, np.uint8)[None, :, :, None]


def test_flip_mirrors_columns_of_the_chosen_images() -> None:
    images = np.concatenate([grey([1, 2, 3], [4, 5, 6])] * 2)
    flipped = flip(images, np.array([True, False]))
    assert flipped[0, :, :, 0].tolist() == [[3, 2, 1], [6, 5, 4]]
    assert flipped[1].tolist() == images[1].tolist()


def test_flip_keeps_colours_together() -> None:
    image = np.array([[[[1, 2, 3], [4, 5, 6]]]], np.uint8)
    assert flip(image, np.array([True])).tolist() == [[[[4, 5, 6], [1, 2, 3]]]]


@pytest.mark.parametrize(
    ("down", "right", "expected"),
    [
        (0, 0, [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
        (1, 0, [[4, 5, 6], [1, 2, 3], [4, 5, 6]]),
        (-1, 0, [[4, 5, 6], [7, 8, 9], [4, 5, 6]]),
        (0, 1, [[2, 1, 2], [5, 4, 5], [8, 7, 8]]),
        (1, -1, [[5, 6, 5], [2, 3, 2], [5, 6, 5]]),
    ],
)
def test_shift_mirrors_what_comes_in(down: int, right: int, expected: list[list[int]]) -> None:
    image = grey([1, 2, 3], [4, 5, 6], [7, 8, 9])
    moved = shift(image, np.array([down]), np.array([right]), 1)
    assert moved[0, :, :, 0].tolist() == expected


def test_shift_moves_each_image_and_its_colours_by_itself() -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 7, 5, 3), np.uint8)
    down, right = np.array([2, -1, 0]), np.array([-2, 0, 1])
    moved = shift(images, down, right, 2)
    assert moved[0, 2:, :-2].tolist() == images[0, :-2, 2:].tolist()
    assert moved[1, :-1].tolist() == images[1, 1:].tolist()
    assert moved[2, :, 1:].tolist() == images[2, :, :-1].tolist()


def test_brightness_is_a_part_of_the_full_scale_and_saturates() -> None:
    images = np.concatenate([grey([0, 100, 250])] * 2)
    changed = brighten(images, np.array([0.1, -0.1]))  # 25.5 rounds to 26, to the even
    assert changed[:, 0, :, 0].tolist() == [[26, 126, 255], [0, 74, 224]]


def test_contrast_keeps_the_mean_and_saturates() -> None:
    images = np.concatenate([grey([40, 60, 80]), grey([0, 10, 255])])  # means 60 and 88.33
    changed = change_contrast(images, np.array([0.5, 2.0]))
    assert changed[:, 0, :, 0].tolist() == [[50, 60, 70], [0, 0, 255]]


@pytest.mark.parametrize(
    ("row", "column", "size", "painted"),
    [(1, 1, 1, {(1, 1)}), (0, 3, 2, {(0, 2), (0, 3)}), (2, 0, 3, {(1, 0), (2, 0), (1, 1), (2, 1)})],
)
def test_cutout_paints_a_square_cut_at_the_border(
    row: int, column: int, size: int, painted: set[tuple[int, int]]
) -> None:
    image = np.zeros((1, 3, 4, 2), np.uint8)
    cut = cut_out(image, np.array([row]), np.array([column]), size)
    assert set(zip(*(cut[0, :, :, 0] == 128).nonzero(), strict=True)) == painted
    assert (cut[..., 0] == cut[..., 1]).all()


def test_equal_seeds_give_equal_bytes_and_the_batch_is_kept() -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 12, 10, 3), np.uint8)
    before = images.copy()
    images.flags.writeable = False
    first, again, other = (augment(images, ALL, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first.dtype == np.uint8
    assert first.shape == images.shape
    assert first.tobytes() == again.tobytes() != other.tobytes()
    assert images.tobytes() == before.tobytes()
    assert augment(images, (), np.random.default_rng(0)) is images


def test_every_shift_and_both_mirrorings_occur() -> None:
    images = np.zeros((4000, 9, 9, 1), np.uint8)
    images[:, 4, 4] = 255
    moved = augment(images, (Shift(2),), np.random.default_rng(0))[..., 0]
    _, rows, columns = (moved == 255).nonzero()
    counts = np.histogram2d(rows, columns, bins=np.arange(1.5, 7.5))[0]
    assert counts.sum() == 4000
    assert counts.min() > 100  # 160 expected in each of 25 places
    images[:, 4, 4], images[:, 4, 0] = 0, 255
    share = (augment(images, (Flip(),), np.random.default_rng(0))[:, 4, 8] == 255).mean()
    assert 0.45 < share < 0.55


_ENTRIES = st.one_of(
    st.just(Flip()),
    st.builds(Shift, st.integers(1, 1024)),
    st.builds(Cutout, st.integers(1, 1024)),
    st.builds(Brightness, st.integers(1, 99).map(lambda n: n / 100)),
    st.builds(Contrast, st.integers(1, 99).map(lambda n: n / 100)),
)


@given(st.lists(_ENTRIES, unique_by=type).map(tuple))
def test_what_is_written_is_what_is_read(entries: tuple[Augmentation, ...]) -> None:
    assert parse_augmentation(format_augmentation(entries)) == entries


SPEC = "name: x\ndataset: {%s}\nnetwork: {extractor: conv 8 3x3 /2 relu6}\nsplit: {top: 2}\n"


def spec(folder: Path, dataset: str) -> Spec:
    file = folder / "spec.yaml"
    file.write_text(SPEC % dataset, encoding="utf-8")
    return load_spec(file)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("name: cifar10", (Flip(), Shift(4))),
        ("name: cifar100, image: 48x64x3", (Flip(), Shift(6))),
        ("name: imagenet200", (Flip(), Shift(8))),
        ("images: photos, image: 96x96x3", (Flip(), Shift(12))),
        ("images: scans, image: 96x96x1", ()),
        ("name: digits", ()),
        ("name: svhn", ()),
        ("audio: sounds, image: 32x40x1", ()),
        ("npz: a.npz, image: 32x32x3", ()),
        ("name: cifar10, augmentation: none", ()),
        ("name: cifar10, augmentation: flip", (Flip(),)),
        ("name: digits, augmentation: [shift 1, contrast 0.25]", (Shift(1), Contrast(0.25))),
    ],
)
def test_defaults_and_lists(
    tmp_path: Path, dataset: str, expected: tuple[Augmentation, ...]
) -> None:
    assert spec(tmp_path, dataset).dataset.augmentations == expected


def test_it_is_part_of_the_canonical_spec(tmp_path: Path) -> None:
    texts = ("auto", "none", "[flip, shift 4]")
    written = [spec(tmp_path, f"name: cifar10, augmentation: {text}").canonical() for text in texts]
    assert [each["dataset"]["augmentation"] for each in written] == [
        "auto",
        [],
        ["flip", "shift 4"],
    ]


@pytest.mark.parametrize(
    ("dataset", "message", "hint"),
    [
        ("name: digits, augmentation: [flp]", "`flp` is not", "did you mean `flip`?"),
        ("name: digits, augmentation: [rotate 5]", "`rotate 5` is not", "shift N"),
        ("name: digits, augmentation: [shift]", "not complete", "the form is: shift N"),
        ("name: digits, augmentation: [flip 2]", "too long", "the form is: flip"),
        ("name: digits, augmentation: [shift 0.1]", "number of pixels", "shift 4"),
        ("name: digits, augmentation: [brightness 2]", "between 0 and 1", "brightness 0.1"),
        ("name: digits, augmentation: [flip, flip]", "given twice", "keep one"),
        ("name: digits, augmentation: 3", "no list", "[flip, shift 4"),
        ("name: digits, augmentation: [{flip: 1}]", "not an augmentation", "shift N"),
        ("name: digits, augmentation: [shift 5]", "too much for images of 8x8x1", "at most 4"),
        ("name: digits, augmentation: [cutout 9]", "too much for images of 8x8x1", "at most 8"),
        ("audio: a, image: 32x40x1, augmentation: [flip]", "mirror the frequencies", "remove it"),
        ("name: digits, clip: 1 s", "`clip` is the length of recordings", "`audio`"),
    ],
)
def test_wrong_lists(tmp_path: Path, dataset: str, message: str, hint: str) -> None:
    with pytest.raises(AgilennError) as caught:
        spec(tmp_path, dataset)
    (diagnostic,) = caught.value.diagnostics
    assert message in diagnostic.message
    assert hint in (diagnostic.hint or "")
    assert diagnostic.where is not None
    assert diagnostic.where.line == 2
