"""`network.init: pca`: exact against a singular value decomposition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agilenn_cc.learn.joint import build_split
from agilenn_cc.learn.principal_components import (
    begins_with_components,
    has_twins,
    initialise,
    principal_components,
)
from agilenn_cc.learn.standardise import Standardisation
from agilenn_cc.spec import Spec

TEXT = """
name: blocks
dataset: {name: digits}
network:
  init: pca
  extractor: conv 8 2x2 /2
split: {top: 3}
"""


def images(count: int = 300) -> np.ndarray:
    random = np.random.default_rng(0)
    coarse = random.normal(0, 1, (count, 4, 4, 1)).repeat(2, axis=1).repeat(2, axis=2)
    return (0.3 + coarse + random.normal(0, 0.2, (count, 8, 8, 1))).astype(np.float32)


def blocks(values: np.ndarray) -> np.ndarray:
    count = len(values)
    return values.reshape(count, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 4)


def test_components_are_those_of_the_singular_value_decomposition() -> None:
    data = blocks(images()).astype(np.float64)
    found, variances = principal_components(data, 4)
    _, singular, rows = np.linalg.svd(data - data.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(variances, singular**2 / len(data), rtol=1e-9)
    np.testing.assert_allclose(np.abs(rows @ found), np.eye(4), atol=1e-7)
    assert (found[np.abs(found).argmax(axis=0), range(4)] > 0).all()


@pytest.mark.parametrize("training", [False, True])
def test_the_extractor_is_the_projection(make_spec: Callable[..., Spec], training: bool) -> None:
    spec = make_spec("network.extractor=conv 4 2x2 /2", "split.top=1", text=TEXT)
    extractor = build_split(spec, 10).extractor
    values = images()
    initialise(extractor, spec, values)
    data = blocks(values).astype(np.float64)
    found, variances = principal_components(data, 3)
    projected = (data - data.mean(axis=0)) @ found / np.sqrt(variances[0])
    got = extractor(values, training=training).numpy().reshape(-1, 4)
    # Channel 0 stays on the device; the remote net gets components 1 to 3 again.
    np.testing.assert_allclose(got, projected[:, [0, 0, 1, 2]], atol=2e-4)


def test_standardised_pixels_have_components_of_their_own(make_spec: Callable[..., Spec]) -> None:
    spec = make_spec("network.extractor=conv 5 2x2 /2", "split.top=1", text=TEXT)
    raw = np.clip(images() * 20 + 90, 0, 255).astype(np.uint8)
    standardisation = Standardisation.of(raw)
    extractor = build_split(spec, 10, standardisation).extractor
    pixels = (raw.astype(np.float32) - 128) / 128
    initialise(extractor, spec, pixels)
    data = blocks(standardisation.scale[0] * pixels + standardisation.offset[0]).astype(np.float64)
    found, variances = principal_components(data, 4)
    projected = (data - data.mean(axis=0)) @ found / np.sqrt(variances[0])
    got = extractor(pixels, training=False).numpy().reshape(-1, 5)
    np.testing.assert_allclose(got[:, 1:], projected, atol=2e-3)


def test_blocks_are_rebuilt_from_what_is_sent(make_spec: Callable[..., Spec]) -> None:
    spec = make_spec("network.extractor=conv 6 2x2 /2", "split.top=2", text=TEXT)
    extractor = build_split(spec, 10).extractor
    values = images()
    initialise(extractor, spec, values)
    data = blocks(values).astype(np.float64)
    found, variances = principal_components(data, 4)
    sent = extractor(values, training=False).numpy().reshape(-1, 6)[:, 2:]
    rebuilt = sent * np.sqrt(variances[0]) @ found.T + data.mean(axis=0)
    np.testing.assert_allclose(rebuilt, data, atol=1e-3)


def test_before_other_layers_components_come_once(make_spec: Callable[..., Spec]) -> None:
    lines = "conv 4 2x2 /2\nconv 8 3x3 relu6"
    spec = make_spec(f"network.extractor={lines}", text=TEXT)
    extractor = build_split(spec, 10).extractor
    initialise(extractor, spec, images())
    kernel = extractor.layers[1].get_weights()[0].reshape(4, 4)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(4), atol=1e-5)


@pytest.mark.parametrize(
    ("extractor", "begins"),
    [
        ("conv 4 2x2 /2", True),
        ("conv 8 2x2 /2", False),  # 5 sent channels, but a grey block of four values
        ("conv 4 2x2 /2 relu6", False),
        ("conv 4 3x3 /2", False),
        ("conv 8 2x2 /2; conv 8 3x3 relu6", False),
    ],
)
def test_auto_takes_components_where_they_are_the_whole_extractor(
    make_spec: Callable[..., Spec], extractor: str, begins: bool
) -> None:
    text = TEXT.replace("  init: pca\n", "").replace("conv 8 2x2 /2", "EXTRACTOR")
    lines = "".join(f"\n    {line.strip()}" for line in extractor.split(";"))
    spec = make_spec(text=text.replace(" EXTRACTOR", f" |{lines}"))
    assert spec.network.init == "auto"
    assert begins_with_components(spec) is begins
    assert has_twins(spec) is begins
