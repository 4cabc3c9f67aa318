"""A package whose entry points cannot be loaded disturbs only who asks for them, and is named."""

from pathlib import Path

import pytest

from agilenn_cc.data import load_dataset
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.kernels.registry import get_kernel, list_kernels
from agilenn_cc.learn.attribution import attribution_names, make_attribution
from agilenn_cc.spec import load_spec

ENTRY_POINTS = """\
[agilenn_cc.datasets]
broken = no_such_module:THING
[agilenn_cc.attributions]
broken = no_such_module:THING
[agilenn_cc.kernels]
broken = json:no_such_name
"""
SPEC = Path(__file__).parents[2] / "examples" / "digits" / "spec.yaml"


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "hapless-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hapless\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))


def ask_for_data() -> object:
    spec = load_spec(SPEC, ("dataset.name=broken",))
    return load_dataset(spec.dataset, spec.seed, spec.base_dir, where=spec.where)


@pytest.mark.parametrize(
    "ask",
    [ask_for_data, lambda: make_attribution("broken", 2), lambda: get_kernel("broken")],
    ids=["dataset", "attribution", "kernels"],
)
def test_a_broken_plugin_is_named(ask) -> None:
    with pytest.raises(AgilennError) as caught:
        ask()
    assert caught.value.exit_code is ExitCode.EXTERNAL
    (found,) = caught.value.diagnostics
    assert "`broken`" in found.message
    assert "hapless" in (found.hint or "")


def test_nobody_else_is_disturbed() -> None:
    assert "broken" in list_kernels()
    assert "broken" in attribution_names()
    assert get_kernel("specialised")
    assert make_attribution("gradient-saliency", 1)
    assert load_spec(SPEC).name == "digits"
