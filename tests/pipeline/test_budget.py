"""Budgets: every exceeded one is named, with how much and what helps."""

from pathlib import Path

import pytest

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.pipeline.budget import check_budget
from agilenn_cc.report.schema import Rate, Report
from agilenn_cc.spec import Spec, load_spec

SPEC = """\
name: tiny
dataset: {name: digits}
network:
  extractor: conv 8 3x3 relu6
  remote: |
    gap
    dense classes
split: {top: 2}
budget: {%s}
"""


def spec(tmp_path: Path, budget: str) -> Spec:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC % budget)
    return load_spec(path)


def test_within_every_budget(tmp_path: Path, report: Report) -> None:
    budget = "flash: 40000, ram: 31024, payload: 200, latency: 6 ms"
    check_budget(spec(tmp_path, budget), report)


@pytest.mark.parametrize(
    ("budget", "code", "over"),
    [
        ("flash: 39000", "budget.flash", "1000 B over"),
        ("ram: 31000", "budget.ram", "24 B over"),
        ("payload: 150", "budget.payload", "50 B over"),
        ("latency: 4 ms", "budget.latency", "2.0 ms over"),
    ],
)
def test_one_over(tmp_path: Path, report: Report, budget: str, code: str, over: str) -> None:
    with pytest.raises(AgilennError) as caught:
        check_budget(spec(tmp_path, budget), report)
    assert caught.value.exit_code == ExitCode.BUDGET
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert over in diagnostic.message
    assert diagnostic.hint
    assert diagnostic.where is not None
    assert diagnostic.where.line == 9


def test_all_that_are_over_are_named(tmp_path: Path, report: Report) -> None:
    with pytest.raises(AgilennError) as caught:
        check_budget(spec(tmp_path, "flash: 1 KiB, ram: 1 KiB"), report)
    assert [d.code for d in caught.value.diagnostics] == ["budget.flash", "budget.ram"]


def test_an_untrained_network_is_not_held_to_what_training_decides(
    tmp_path: Path, report: Report
) -> None:
    untrained = report.payload.model_copy(update={"bytes_mean": None})
    check_budget(
        spec(tmp_path, "payload: 16, latency: 1 ms"),
        report.model_copy(update={"payload": untrained}),
    )


def test_the_rate_that_sends_most_counts(tmp_path: Path, report: Report) -> None:
    sizes = (120.0, 160.0)
    rates = tuple(
        Rate(
            factor=1.0 + number,
            accuracy=0.9,
            accuracy_remote=0.9,
            bytes_mean=size,
            bytes_p95=size,
            fragments_mean=1.0,
        )
        for number, size in enumerate(sizes)
    )
    several = report.model_copy(update={"rates": rates})
    check_budget(spec(tmp_path, "payload: 170"), several)
    with pytest.raises(AgilennError) as caught:
        check_budget(spec(tmp_path, "payload: 150"), several)
    assert "10 B over" in str(caught.value)
