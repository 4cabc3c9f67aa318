"""Experiments on networks that are made up: specs they ask for, tables, verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn.history import EpochRecord
from agilenn_cc.pipeline.grid import parse_axes
from agilenn_cc.reproduce import lab as lab_module
from agilenn_cc.reproduce.baselines import ImagePoint
from agilenn_cc.reproduce.figures import EXPERIMENTS, convergence, extractor_depth, rate, weights
from agilenn_cc.reproduce.figures.skewness import top_channels
from agilenn_cc.reproduce.lab import Lab
from agilenn_cc.reproduce.run import ReproduceRequest, reproduce
from agilenn_cc.reproduce.tables import Measured, Table, percent
from agilenn_cc.spec import Spec, load_spec


def made_up_point(spec: Spec, *_rest: Any, **_named: Any) -> Any:
    """Return a point whose figures follow from its spec: accuracy from seed, skewness from rho."""
    accuracy = 0.6 + 0.02 * spec.seed
    row = dict.fromkeys(
        (
            "accuracy", "accuracy_local", "accuracy_remote", "accuracy_reference_on_features",
        ),
        accuracy,
    )  # fmt: skip
    row |= {"skewness": spec.split.skewness, "disorder": 0.05, "alpha": 0.5}
    row |= {"latency_ms_estimate": 7.5, "seconds": 9.0}
    rates = [
        SimpleNamespace(
            factor=factor,
            accuracy=accuracy - 0.1 * index,
            bytes_mean={"context": 80.0 / factor, "lzw": 200.0 / factor},
        )
        for index, factor in enumerate((1.0, 2.0))
    ]
    latency = SimpleNamespace(network=3.25)
    return SimpleNamespace(
        row=lambda: row,
        rates=rates,
        report=SimpleNamespace(estimate=SimpleNamespace(latency_ms=latency)),
        history=[
            EpochRecord("joint", epoch + 1, {"validation_accuracy": value, "prediction": 1.0})
            for epoch, value in enumerate((0.5, 0.4, 0.6))
        ],
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Spec]:
    """Replace training by `made_up_point`; return the specs that were asked for."""
    specs: list[Spec] = []

    def run_point(spec: Spec, *rest: Any, **named: Any) -> Any:
        specs.append(spec)
        return made_up_point(spec, *rest, **named)

    monkeypatch.setattr(lab_module, "run_point", run_point)
    return specs


def run(figure: str, tmp_path: Path, *overrides: str, **named: Any) -> dict[str, Any]:
    request = ReproduceRequest(
        figure, "svhn", overrides=overrides, output=tmp_path / "out", cache_root=tmp_path, **named
    )
    done = reproduce(request, lambda _event: None)
    written = {path.name for path in done.directory.iterdir() if not path.name.startswith(".")}
    assert written == {"figure.svg", "figure.png", "table.md", "table.json"}
    told: dict[str, Any] = json.loads((done.directory / "table.json").read_text())
    assert told == json.loads(json.dumps(done.to_json()))
    return told


def test_figure_24_stands_beside_the_papers_values(asked: list[Spec], tmp_path: Path) -> None:
    told = run("24", tmp_path, seeds=(1, 3))
    assert [spec.training.attribution for spec in asked] == [
        *["gradient-saliency"] * 2, *["integrated-gradients"] * 2,
    ]  # fmt: skip
    assert [spec.seed for spec in asked] == [1, 3, 1, 3]
    first, second = told["rows"]
    assert first["accuracy %"]["values"] == pytest.approx([62.0, 66.0])
    assert first["accuracy %"]["mean"] == pytest.approx(64.0)
    assert first["accuracy %"]["spread"] == pytest.approx(8**0.5)
    assert (first["paper, SVHN, %"], second["paper, SVHN, %"]) == ("95.2", "96.1")
    assert (first["paper, SVHN, ms"], second["paper, SVHN, ms"]) == ("13.8", "13.5")
    assert told["scale"]["dataset"] == "svhn"
    assert "doi:10.1145/3495243.3560551" in told["paper"]["source"]


def test_figure_21_trains_the_papers_nine_settings(asked: list[Spec], tmp_path: Path) -> None:
    told = run("21", tmp_path)
    settings = [(spec.split.skewness, spec.split.top) for spec in asked]
    assert settings == [(rho, k) for rho in (0.7, 0.8, 0.9) for k in (3, 5, 7)]
    assert [row["ours, skewness %"]["mean"] for row in told["rows"]] == pytest.approx(
        [70, 70, 70, 80, 80, 80, 90, 90, 90]
    )
    assert told["rows"][4]["paper, SVHN, skewness %"] == "89.5"
    assert told["rows"][4]["ours, network ms"]["mean"] == 3.25


@pytest.mark.parametrize("channels", [8, 24, 48])
def test_top_channels_grow_with_the_ratio(channels: int) -> None:
    found = [top_channels(ratio, channels) for ratio in (10, 20, 30)]
    assert found == {8: [1, 2, 2], 24: [3, 5, 7], 48: [6, 10, 14]}[channels]


def test_figure_6_keeps_the_shapes_at_every_depth(asked: list[Spec], tmp_path: Path) -> None:
    told = run("6", tmp_path)
    assert [len(spec.network.extractor) for spec in asked] == list(extractor_depth.DEPTHS)
    assert {spec.feature_shape for spec in asked} == {(8, 8, 24)}
    assert not any(spec.training.preprocessing for spec in asked)
    # .5, .4, .6: the second epoch loses 10 points, the third none.
    fall = told["rows"][0]["mean fall an epoch, points"]["mean"]
    assert fall == pytest.approx(5.0)


def test_the_other_figures_vary_one_thing(
    asked: list[Spec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = SimpleNamespace(accuracy=0.7, curve=lambda _metric: [1.0, 2.0])
    monkeypatch.setattr(convergence, "plain_runs", lambda lab: (plain,))
    monkeypatch.setattr(weights, "accuracy_by_alpha", lambda point, data, alphas: list(alphas))
    seen = {}
    for figure in ("8b", "9b", "10", "11", "15", "18"):
        asked.clear()
        told = run(figure, tmp_path)
        seen[figure] = (len(told["rows"]), len(set(asked)))
    assert seen == {
        "8b": (6, 6), "9b": (3, 3), "10": (6, 6), "11": (2, 2), "15": (3, 2), "18": (9, 1),
    }  # fmt: skip


def made_up_jpeg(_lab: Lab, _seed: int, half: bool) -> tuple[ImagePoint, ...]:
    name = "half size" if half else "native"
    settings = (("clean", 0.9, 3072.0), ("q 5", 0.4, 40.0), ("q 50", 0.8, 160.0))
    return tuple(
        ImagePoint(f"JPEG, {name}", setting, accuracy - 0.3 * half, size, size + 600)
        for setting, accuracy, size in settings
    )


def test_rate_says_who_needs_fewer_bytes(
    asked: list[Spec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate, "jpeg_points", made_up_jpeg)
    lossless = ImagePoint("raw", "lossless", 0.9, 3072.0, 3072.0)
    monkeypatch.setattr(rate, "lossless_points", lambda lab, seed, accuracy: (lossless,))
    told = run("rate", tmp_path, over=("training.rate_loss=0,0.1",))
    assert [spec.training.rate_loss for spec in asked] == [0.0, 0.1]
    # At .6 JPEG needs sqrt(40 * 160) = 80 bytes, at .5 it needs 40 * 4 ** .25 = 56.6; we 80, 40.
    verdicts = [text for text in told["remarks"] if "fewer bytes with" in text]
    assert verdicts[0] == "rate_loss 0, step x 1: ratio 1.00, fewer bytes with 0 of 1 seeds"
    assert verdicts[1] == "rate_loss 0, step x 2: ratio 0.71, fewer bytes with 1 of 1 seeds"
    rows = [(row["scheme"], row["setting"]) for row in told["rows"]]
    assert ("ours, lzw", "rate_loss 0.1, step x 2") in rows
    assert ("JPEG, native", "clean") not in rows
    assert rows[-1] == ("raw", "lossless")


def test_rate_without_axes_is_the_spec_itself() -> None:
    lab = SimpleNamespace(over=())
    assert [variant.overrides for variant in rate.variants(lab)] == [()]  # type: ignore[arg-type]
    lab = SimpleNamespace(over=parse_axes(["a.b=1,2", "c=3,4"]))
    found = rate.variants(lab)  # type: ignore[arg-type]
    assert [variant.label for variant in found] == ["b 1, c 3", "b 1, c 4", "b 2, c 3", "b 2, c 4"]
    assert found[2].overrides == ("a.b=2", "c=3")


def test_all_specs_of_the_room_are_valid() -> None:
    for file in (Path(lab_module.__file__).parent / "data").glob("*.yaml"):
        assert load_spec(file).feature_shape == (8, 8, 24)


def test_unknown_figures_and_boards_without_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AgilennError) as caught:
        run("7", tmp_path)
    assert caught.value.exit_code is ExitCode.USAGE
    assert all(figure in (caught.value.diagnostics[0].hint or "") for figure in EXPERIMENTS)
    with pytest.raises(AgilennError) as caught:
        run("24", tmp_path, target="mps2-an500")
    assert caught.value.exit_code is ExitCode.UNSUPPORTED


def test_tables_know_mean_and_spread() -> None:
    table = Table(("a", "b %"), (("x", percent((0.5, 0.75))), ("y", None)))
    assert table.markdown() == "| a | b % |\n| --- | --- |\n| x | 62.5 ± 17.7 |\n| y |  |\n"
    assert table.to_json()[1] == {"a": "y", "b %": None}
    assert str(Measured((2.0,), 2)) == "2.00"
    with pytest.raises(ValueError, match="1 cells"):
        Table(("a", "b"), (("x",),))
