"""A report must say what speaks against the build, and only that."""

from typing import Any

import pytest

from agilenn_cc.report.findings import findings
from agilenn_cc.report.schema import Report


def changed(report: Report, section: str, **values: Any) -> Report:
    part = getattr(report, section).model_copy(update=values)
    return report.model_copy(update={section: part})


def test_a_good_build_has_nothing_against_it(report: Report) -> None:
    assert findings(report) == ()


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("payload", {"bytes_mean": 1_024.0, "bytes_raw": 2_000}, "raw image (1024 B)"),
        ("payload", {"bytes_mean": 375.0}, "expands the indices"),
        ("payload", {"compared": {"raw": 375.0, "context": 81.2}}, "context would send 81 B"),
        ("training", {"accuracy_reference_on_features": 0.85}, "deserve little trust"),
        ("training", {"accuracy_float": 0.3}, "train longer, or with another learning rate"),
        ("training", {"skewness": 0.7}, "hold 70.0% of the importance, not the 80%"),
        ("training", {"disorder": 0.108}, "In 10.8% of the images"),
        ("quantised", {"accuracy_remote": 0.97}, "remote net alone (97.0%) beats"),
        ("quantised", {"accuracy_local": 0.953}, "offloading gains nothing"),
        ("quantised", {"samples": 100}, "100 images only"),
    ],
)
def test_each_weakness_is_said(
    report: Report, section: str, values: dict[str, Any], said: str
) -> None:
    (sentence,) = findings(changed(report, section, **values))
    assert said in sentence


def test_the_smallest_codec_has_no_better_one(report: Report) -> None:
    sizes = {"context": 199.8, "lzw": 200.0, "raw": 375.0}
    assert findings(changed(report, "payload", compared=sizes)) == ()


def test_an_untrained_network_is_not_judged(report: Report) -> None:
    untrained = changed(report, "payload", bytes_mean=None).model_copy(
        update={"training": None, "quantised": None}
    )
    assert findings(untrained) == ()
