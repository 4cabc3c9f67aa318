"""Accuracy under lost fragments against networks whose answers can be told by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from agilenn_cc.data import Split
from agilenn_cc.ir import reference
from agilenn_cc.pipeline.lost_fragments import accuracy_with_losses
from agilenn_cc.quantise import QuantisedModel
from agilenn_cc.quantise.untrained import untrained
from agilenn_cc.spec import Spec, load_spec

IMAGES = 400
MODAL = (2, 1, 0)
TEXT = """
name: tiny
dataset: {{name: digits}}
network:
  extractor: conv 5 3x3 /2
split: {{top: 2}}
payload: {{codec: raw, levels: 8, fragment: {fragment}}}
"""


@pytest.fixture
def make(tmp_path: Path) -> Callable[[int], tuple[Spec, QuantisedModel, Split]]:
    def build(fragment: int) -> tuple[Spec, QuantisedModel, Split]:
        path = tmp_path / "spec.yaml"
        path.write_text(TEXT.format(fragment=fragment))
        spec = load_spec(path)
        model = untrained(spec, [str(digit) for digit in range(10)])
        images = np.random.default_rng(0).integers(0, 256, (IMAGES, 8, 8, 1)).astype(np.uint8)
        local = reference.run(model.graph, images)["logits"].reshape(IMAGES, -1).argmax(axis=1)
        return spec, model, Split(images, ((local + 1) % 10).astype(np.int64))

    return build


def test_a_silent_server_leaves_the_local_answer(
    make: Callable[[int], tuple[Spec, QuantisedModel, Split]],
) -> None:
    spec, model, split = make(1400)  # one fragment holds all: lost means the server hears nothing
    seen = iter(range(0, IMAGES, 64))

    def right(_features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        start = next(seen)
        logits: npt.NDArray[np.float32] = 100.0 * np.eye(10, dtype=np.float32)
        return logits[split.labels[start : start + 64]]

    found = accuracy_with_losses(spec, model, right, split, b"", MODAL, loss=0.25)
    assert found == pytest.approx(0.75, abs=0.09)  # four standard errors


@pytest.mark.parametrize("loss", [0.0, 0.5])
def test_missing_symbols_are_modal(
    make: Callable[[int], tuple[Spec, QuantisedModel, Split]], loss: float
) -> None:
    spec, model, split = make(16)  # 48 symbols of 3 bits: a fragment of 42 symbols and one of 6
    modal = model.levels[np.asarray(MODAL)]
    sent = model.levels[reference.run(model.graph, split.images)["indices"]]
    arrived: list[npt.NDArray[np.float32]] = []

    def watch(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        arrived.append(features)
        return np.zeros((len(features), 10), np.float32)

    accuracy_with_losses(spec, model, watch, split, b"", MODAL, loss=loss)
    got = np.concatenate(arrived)
    kept = (got == sent).all(axis=3)
    # Symbols travel by row, channel, column: the first 42 are rows 0 to 2 and half of row 3.
    first, last = kept[:, :3].all(axis=(1, 2)), kept[:, 3].all(axis=1)
    assert (got[~first][:, :3] == modal).all()
    if loss == 0.0:
        assert kept.all()
    else:
        assert 0.4 < first.mean() < 0.6
        assert 0.2 < (first & ~last).mean() < 0.3
