"""Sweeps: which points there are, and the tables and picture of what came of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from agilenn_cc.cli import main
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.pipeline.grid import Axis, combine, parse_axes
from agilenn_cc.pipeline.sweep import Sweep, SweptPoint
from agilenn_cc.pipeline.sweep_picture import sweep_picture
from agilenn_cc.spec import Spec

SPEC = """\
name: swept
dataset: {name: digits, limit: {train: 200, test: 60}}
network:
  extractor: conv 6 3x3 /2 relu6
  remote: |
    gap
    dense classes
training: {epochs: 1, reference_epochs: 1, steps: 1}
"""


def test_axes_are_read_as_yaml_values() -> None:
    assert parse_axes(
        ("split.top=3,5, 7", "payload.rates=[1, 2],[1]", "network.local='a, b',c")
    ) == (
        Axis("split.top", ("3", "5", "7")),
        Axis("payload.rates", ("[1, 2]", "[1]")),
        Axis("network.local", ("'a, b'", "c")),
    )


@pytest.mark.parametrize(
    "texts",
    [(), ("split.top",), ("=3",), ("split.top=",), ("split.top=3,,5",), ("a=1", "a=2")],
)
def test_what_is_no_axis_is_told(texts: tuple[str, ...]) -> None:
    with pytest.raises(AgilennError) as caught:
        parse_axes(texts)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "--over" in (caught.value.diagnostics[0].hint or "")


def test_points_are_combined_or_paired() -> None:
    axes = parse_axes(("a=1,2", "b=x,y"))
    grid = ["".join(value for _key, value in point) for point in combine(axes, zipped=False)]
    assert grid == ["1x", "1y", "2x", "2y"]
    assert [p[0][1] + p[1][1] for p in combine(axes, zipped=True)] == ["1x", "2y"]
    with pytest.raises(AgilennError, match=r"2 of a, 3 of b"):
        combine(parse_axes(("a=1,2", "b=1,2,3")), zipped=True)


def figures(accuracy: float) -> dict[str, float]:
    return {
        "accuracy": accuracy,
        "accuracy_local": accuracy / 2,
        "skewness": 0.8,
        "disorder": 0.1,
        "bytes_lzw": 300.4,
        "bytes_context": 120.0,
    }


def swept(directory: Path) -> Sweep:
    points = (
        SweptPoint((("split.top", "3"), ("seed", "1")), figures(0.5)),
        SweptPoint((("split.top", "99"), ("seed", "1")), error="split.top is too large"),
    )
    axes = (Axis("split.top", ("3", "99")), Axis("seed", ("1",)))
    return Sweep("name", axes, False, None, points, directory)


def test_tables_hold_valid_and_invalid_points(tmp_path: Path) -> None:
    sweep = swept(tmp_path)
    rows = list(csv.DictReader(sweep.to_csv().splitlines()))
    assert [row["split.top"] for row in rows] == ["3", "99"]
    assert [row["accuracy"] for row in rows] == ["0.5", ""]
    assert [row["error"] for row in rows] == ["", "split.top is too large"]
    text = sweep.to_text().splitlines()
    assert text[0].split() == [
        "split.top",
        "seed",
        "accuracy",
        "local",
        "skewness",
        "disorder",
        "B",
        "lzw",
        "B",
        "context",
    ]
    assert text[2].split() == ["3", "1", "50.0%", "25.0%", "80.0%", "10.0%", "300", "120"]
    assert text[3].split() == ["99", "1", *["-"] * 6]
    assert "split.top 99, seed 1: split.top is too large" in text
    assert json.loads(json.dumps(sweep.to_json()))["points"][0]["accuracy"] == 0.5


def test_the_picture_shows_each_point(tmp_path: Path) -> None:
    """Another accuracy moves a marker, so it changes the picture; equal figures do not."""
    axes = (Axis("network.init", ("random", "pca")),)
    points = [((("network.init", value),), figures(0.5)) for value in axes[0].values]
    first = sweep_picture(axes, points, zipped=False)
    assert sweep_picture(axes, points, zipped=False) == first
    moved = [points[0], (points[1][0], figures(0.6))]
    assert sweep_picture(axes, moved, zipped=False) != first
    (tmp_path / "picture.png").write_bytes(first)
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width > 2 * picture.height


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGILENN_CACHE", str(tmp_path / "cache"))
    Path("spec.yaml").write_text(SPEC)
    return "spec.yaml"


class StandIn:
    """In place of training: figures that depend on the spec, and one spec that diverges."""

    def __init__(self) -> None:
        self.specs: list[Spec] = []

    def __call__(self, spec: Spec, *_: object, **__: object) -> StandIn:
        self.specs.append(spec)
        if spec.seed == 13:
            raise AgilennError.of(ExitCode.SPEC, "training.diverged", "training diverged")
        if spec.seed == 99:
            raise AgilennError.of(ExitCode.EXTERNAL, "cache.unwritable", "the disk is full")
        return self

    def row(self) -> dict[str, float]:
        return figures(self.specs[-1].split.top / 10)


def test_invalid_points_are_left_out_but_a_full_disk_ends_it(
    spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = StandIn()
    monkeypatch.setattr("agilenn_cc.pipeline.sweep.run_point", stand_in)
    over = ("--over", "split.top=2,6,3", "--over", "seed=1,13")  # 6 channels leave none to send
    result = run("sweep", spec, *over, "--set", "split.skewness=.5", "-o", "out", "--json")
    assert result.exit_code == 0, result.stderr
    assert [(s.split.top, s.seed) for s in stand_in.specs] == [(2, 1), (2, 13), (3, 1), (3, 13)]
    assert {s.split.skewness for s in stand_in.specs} == {0.5}
    assert "point 3 of 6: split.top 6, seed 1" in result.stderr
    printed = json.loads(result.stdout)
    assert printed == json.loads(Path("out/sweep.json").read_text())
    assert [point.get("accuracy") for point in printed["points"]] == [0.2, *[None] * 3, 0.3, None]
    assert printed["points"][1]["error"] == "training diverged"
    assert "split.top" in printed["points"][2]["error"]
    assert Path("out/sweep.png").read_bytes()[1:4] == b"PNG"

    result = run("sweep", spec, "--over", "seed=1,99,2", "-o", "full")
    assert result.exit_code == 7
    rows = list(csv.DictReader(Path("full/sweep.csv").read_text().splitlines()))
    assert [row["seed"] for row in rows] == ["1"], "what was done is there"


@pytest.mark.slow
def test_a_sweep_goes_on_where_it_was_and_leaves_out_what_is_invalid(spec: str) -> None:
    over = ("--over", "split.top=2,6,3")  # 6 channels leave none to send
    first = run("sweep", spec, "--over", "split.top=2", "--json")
    assert first.exit_code == 0, first.stderr
    result = run("sweep", spec, *over, "--json")
    assert result.exit_code == 0, result.stderr
    assert "train:" not in result.stderr.split("point 2 of 3")[0], "the first point is cached"
    assert "point 2 of 3: split.top 6" in result.stderr
    assert "left out:" in result.stderr
    printed = json.loads(result.stdout)
    assert printed == json.loads(Path("sweep/swept/sweep.json").read_text())
    good, bad, other = printed["points"]
    assert good == json.loads(first.stdout)["points"][0]
    assert "accuracy" not in bad
    assert "split.top" in bad["error"]
    for point in (good, other):
        assert 0 <= point["disorder"] <= 1
        assert point["bytes_context"] > 0
        assert point["bytes_lzw"] > 0
    rows = list(csv.DictReader(Path("sweep/swept/sweep.csv").read_text().splitlines()))
    assert [row["accuracy"] for row in rows] == [str(good["accuracy"]), "", str(other["accuracy"])]
    assert Path("sweep/swept/sweep.png").read_bytes()[1:4] == b"PNG"


def test_a_sweep_without_a_valid_point_fails_as_its_first_point(spec: str) -> None:
    result = run("sweep", spec, "--over", "split.topp=2,3")
    assert result.exit_code == 3
    assert "did you mean `top`?" in result.stderr
    assert not Path("sweep").exists()
    assert run("sweep", spec, "--over", "split.top").exit_code == 2
    assert run("sweep", spec).exit_code == 2
