"""Data sets by name: plugins from installed packages, and what is said when one is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from agilenn_cc.data import dataset_classes, load_dataset
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.spec import DatasetSpec, load_spec

PLUGIN = """\
import numpy as np
from agilenn_cc.data import RawDataset, Records

class Pixels:
    def load(self, indices, request):
        across = np.zeros(request.shape, np.uint8)
        across[::2] = 255
        both = (across, np.swapaxes(across, 0, 1))
        return np.stack([both[index % 2] for index in indices])

class Stripes:
    def classes(self, request):
        return ("across", "down")

    def load(self, request):
        return RawDataset(self.classes(request), Records(np.arange(40) % 2, Pixels()))

STRIPES = Stripes()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a package with two data sets on the path, one of them broken, as pip would."""
    site = tmp_path / "site"
    info = site / "stripes-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "stripes_data.py").write_text(PLUGIN)
    (site / "broken_data.py").write_text("import a_module_that_is_not_there\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stripes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[agilenn_cc.datasets]\nstripes = stripes_data:STRIPES\nbroken = broken_data:X\n"
    )
    monkeypatch.syspath_prepend(str(site))


def config(name: str) -> DatasetSpec:
    return DatasetSpec.model_validate({"name": name, "image": "8x8x1"})


@pytest.mark.usefixtures("install")
def test_a_plugin(tmp_path: Path) -> None:
    data = load_dataset(config("stripes"), 0)
    assert data.classes == dataset_classes(config("stripes")) == ("across", "down")
    assert (len(data.train), len(data.validation), len(data.test)) == (28, 4, 8)
    across = data.test.images[data.test.labels == 0]
    assert (across[:, 0] == 255).all()
    assert (across[:, 1] == 0).all()
    file = tmp_path / "spec.yaml"
    file.write_text(
        "name: a\ndataset: {name: stripes, image: 8x8x1}\nnetwork: {extractor: conv 8 3x3}\n"
    )
    assert load_spec(file).dataset.name == "stripes"


@pytest.mark.usefixtures("install")
def test_a_broken_plugin_is_named() -> None:
    with pytest.raises(AgilennError, match="a_module_that_is_not_there") as caught:
        load_dataset(config("broken"), 0)
    (diagnostic,) = caught.value.diagnostics
    assert caught.value.exit_code is ExitCode.EXTERNAL
    assert "`broken` (broken_data:X)" in diagnostic.message
    assert "stripes" in (diagnostic.hint or "")


def test_an_unknown_name() -> None:
    with pytest.raises(AgilennError, match="`cifar_10`") as caught:
        load_dataset(config("cifar_10"), 0)
    assert "`cifar10`" in (caught.value.diagnostics[0].hint or "")
