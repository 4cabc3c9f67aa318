"""Experiments end to end on a few digits: everything real, and small."""

from __future__ import annotations

from pathlib import Path

import pytest

from agilenn_cc.pipeline.events import StageDone
from agilenn_cc.reproduce.run import ReproduceRequest, Reproduction, reproduce

SPEC = """
name: tiny
dataset: {name: digits, limit: {train: 240, test: 60}}
network:
  extractor: "conv 8 3x3 /2 relu6"
  local: "gap\\ndense classes"
  remote: "conv 8 3x3 relu6\\ngap\\ndense classes"
split: {top: 2, skewness: 0.6}
training: {epochs: 1, reference_epochs: 1, batch: 32, steps: 1, learning_rate: 1e-2}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduce")
    (folder / "spec.yaml").write_text(SPEC)
    return folder


def run(figure: str, place: Path, seen: list[object] | None = None) -> Reproduction:
    request = ReproduceRequest(
        figure, spec=place / "spec.yaml", output=place / figure, cache_root=place / "cache"
    )
    return reproduce(request, (seen if seen is not None else []).append)


def test_figure_18_trains_once_and_then_uses_the_cache(place: Path) -> None:
    first = run("18", place)
    seen: list[object] = []
    picture = (place / "18" / "figure.svg").read_bytes()
    again = run("18", place, seen)
    assert all(event.cached for event in seen if isinstance(event, StageDone))
    assert again.finding.table == first.finding.table
    assert (place / "18" / "figure.svg").read_bytes() == picture
    assert [row["alpha"] for row in first.to_json()["rows"]] == [f"0.{n}" for n in range(1, 10)]


@pytest.mark.slow  # trains two more networks
def test_rate_trains_the_baselines(place: Path) -> None:
    rows = {(row["scheme"], row["setting"]): row for row in run("rate", place).to_json()["rows"]}
    raw = rows["raw", "lossless"]
    assert raw["bytes"]["mean"] == 64
    small = rows["JPEG, half size", "q 50"]
    assert small["bytes"]["mean"] < rows["JPEG, native", "q 50"]["bytes"]["mean"]
    assert small["bytes of whole files"]["mean"] > small["bytes"]["mean"] + 300  # its tables
    assert rows["ours, context", "spec, step x 1"]["bytes"]["mean"] > 0
