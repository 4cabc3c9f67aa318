"""What a person reads who wrote a spec wrongly: place, message and hint of each finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from agilenn_cc.errors import Diagnostic

Wrong = Callable[..., tuple[Diagnostic, ...]]
Finding = tuple[int, int, str, str, str]
"""line, column, code, words of the message, words of the hint."""


def check(diagnostics: Sequence[Diagnostic], expected: Sequence[Finding]) -> None:
    places = [
        (d.where.line, d.where.column, d.code) if d.where else (0, 0, d.code) for d in diagnostics
    ]
    assert places == [finding[:3] for finding in expected], diagnostics
    for diagnostic, (_, _, _, message, hint) in zip(diagnostics, expected, strict=True):
        assert message in diagnostic.message
        assert hint in (diagnostic.hint or "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1, 1, "spec.syntax", "empty", "name:")),
        ("- a\n", (1, 1, "spec.syntax", "mapping", "name:")),
        ("a:\n\tb: 1\n", (2, 1, "spec.syntax", "YAML", "tab")),
        ("name: a: b\n", (1, 8, "spec.syntax", "YAML", "quotes")),
        ("split: {top: 3\n", (1, 8, "spec.syntax", "YAML", "bracket")),
        ("name: 'demo\nseed: 3\n", (1, 7, "spec.syntax", "YAML", "quote")),
        ("name: demo\nsplit\n", (2, 1, "spec.syntax", "YAML", "`:`")),
        ("a: 1\n---\nb: 2\n", (2, 1, "spec.syntax", "another document", "---")),
        ("name: &x [*x]\n", (1, 7, "spec.syntax", "alias", "write")),
        ("name: !!python/object:os.system x\n", (1, 7, "spec.syntax", "tag", "remove")),
        ("name: a\nb: \x01\n", (2, 4, "spec.syntax", "control character", "remove")),
        ("name: a\nb: c\u2028d\n", (2, 5, "spec.syntax", "U+2028", "ordinary")),
        ("name: a\nname: b\n", (2, 1, "spec.duplicate-key", "line 1", "keep one")),
        ("? [a]\n: 1\n", (1, 3, "spec.syntax", "plain word", "")),
    ],
)
def test_yaml(wrong: Wrong, text: str, expected: Finding) -> None:
    check(wrong(text), [expected])


def test_aliases_cannot_explode(wrong: Wrong) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (diagnostic,) = wrong("\n".join(lines))
    assert "aliases" in diagnostic.message


def test_all_duplicates_are_reported(wrong: Wrong, smallest: str) -> None:
    check(
        wrong(smallest + "name: x\nsplit: {top: 1, top: 2}\n"),
        [
            (7, 1, "spec.duplicate-key", "`name`", ""),
            (8, 17, "spec.duplicate-key", "`split.top`", ""),
        ],
    )


@pytest.mark.parametrize(
    ("addition", "expected"),
    [
        ("trainng: {}", (7, 1, "spec.unknown-key", "`trainng`", "`training`")),
        ("epochs: 3", (7, 1, "spec.unknown-key", "`epochs`", "`training.epochs`")),
        ("zzz: 3", (7, 1, "spec.unknown-key", "`zzz`", "name, seed, dataset")),
        ("split: {tpo: 3}", (7, 9, "spec.unknown-key", "`split`", "`top`")),
        ("  keras: m.keras", (7, 3, "spec.unknown-key", "`keras`", "extractor, local")),
        ("seed: 1.5", (7, 7, "spec.value", "whole number, not `1.5`", "")),
        ("seed: true", (7, 7, "spec.value", "not `true`", "")),
        ("split: 3", (7, 8, "spec.value", "section", "top, skewness")),
        ("split: [a]", (7, 8, "spec.value", "section", "top, skewness")),
        ("split: {top: }", (7, 9, "spec.value", "no value", "remove")),
        ("split: {skewness: 80}", (7, 19, "spec.value", "less than 1, not 80", "rho")),
        ("split: {skewness: .nan}", (7, 19, "spec.value", "finite", "")),
        ("payload: {levels: 17}", (7, 19, "spec.value", "at most 16", "")),
        ("payload: {levels: 1}", (7, 19, "spec.value", "at least 2", "")),
        ("payload: {codec: lwz}", (7, 18, "spec.value", "`lwz`", "`lzw`")),
        (
            "payload: {codec: zip}",
            (7, 18, "spec.value", "`zip`", "lzw, lzw-variable, context, raw"),
        ),
        ("payload: {rates: [2, 3]}", (7, 18, "spec.value", "finest step is 1", "[1, 1.5")),
        ("payload: {rates: [1, 2, 2]}", (7, 18, "spec.value", "ascend", "[1, 1.5")),
        ("payload: {rates: [1, .nan]}", (7, 18, "spec.value", "ascend", "")),
        ("payload: {rates: [1, 17]}", (7, 18, "spec.value", "above 16", "")),
        ("payload: {rates: []}", (7, 18, "spec.value", "1 to 8", "")),
        ("payload: {rates: 2}", (7, 18, "spec.value", "list of numbers", "")),
        ("payload: {rates: [1, x]}", (7, 18, "spec.value", "list of numbers", "")),
        ("training: {rate_loss: -1}", (7, 23, "spec.value", "at least 0", "")),
        ("training: {channel_dropout: 1}", (7, 29, "spec.value", "less than 1", "")),
        ("  init: pac", (7, 9, "spec.value", "`pac`", "`pca`")),
        ("payload: {fragment: 2 KiB}", (7, 21, "spec.value", "1400 bytes", "")),
        ("training: {optimizer: adma}", (7, 23, "spec.value", "`adma`", "`adam`")),
        ("training: {learning_rate: fast}", (7, 27, "spec.value", "number", "")),
        (
            "training: {attribution: integrated-gradient}",
            (7, 25, "spec.value", "`integrated-gradient`", "`integrated-gradients`"),
        ),
        ("link: {deadline: 50}", (7, 18, "spec.value", "no unit", "50 ms")),
        ("link: {server: 10.0.0.1}", (7, 16, "spec.value", "port", "10.0.0.1:5700")),
        ("budget: {ram: 64 kib}", (7, 15, "spec.value", "`kib`", "64 KiB")),
        ("budget: {ram: 0}", (7, 15, "spec.value", "more than 0", "")),
        ("  local: >\n    gap\n    dense classes", (7, 3, "spec.network", "together", "|")),
        ("  local:\n    - gap", (8, 5, "spec.value", "text", "|")),
        ("  local: gpa", (7, 10, "spec.network", "`gpa`", "`gap`")),
        ("  local: 'gpa'", (7, 11, "spec.network", "`gpa`", "`gap`")),
    ],
)
def test_one_key(wrong: Wrong, smallest: str, addition: str, expected: Finding) -> None:
    check(wrong(smallest + addition + "\n"), [expected])


def test_layers_point_into_the_block(wrong: Wrong) -> None:
    text = (
        "name: demo\ndataset: {name: digits}\nnetwork:\n  extractor: |  # two layers\n\n"
        "      conv 24 3x3 relu6\n      # then\n        cnov 24 3x3\n      conv 24 3x3 relu8\n"
        "  local: |2\n      gap\n      dence classes\n"
    )
    diagnostics = wrong(text)
    check(
        diagnostics,
        [
            (8, 9, "spec.network", "`cnov`", "`conv`"),
            (9, 19, "spec.network", "`relu8`", "`relu"),
            (12, 7, "spec.network", "`dence`", "`dense`"),
        ],
    )
    where = diagnostics[1].where
    assert where is not None
    assert where.text == "      conv 24 3x3 relu8"
    assert where.text[where.column - 1 :][: where.length] == "relu8"


def test_all_of_a_stage_at_once_in_the_order_of_the_file(wrong: Wrong) -> None:
    text = (
        "name: My Net\ndatset: {}\nnetwork:\n  extractor: gapp\nsplit: {top: x}\nlink: {port: 3}\n"
    )
    check(
        wrong(text),
        [
            (1, 7, "spec.value", "`My Net`", "lower-case"),
            (2, 1, "spec.unknown-key", "`datset`", "`dataset`"),
            (4, 14, "spec.network", "`gapp`", "`gap`"),
            (5, 14, "spec.value", "`x`", ""),
            (6, 8, "spec.unknown-key", "`port`", "driver, baud, server, deadline"),
        ],
    )


def test_missing_keys(wrong: Wrong) -> None:
    check(
        wrong("seed: 3\nnetwork: {}\n"),
        [
            (1, 1, "spec.missing-key", "`name`", "name: "),
            (1, 1, "spec.missing-key", "`dataset`", "dataset: "),
        ],
    )


def test_a_network_that_is_nothing(wrong: Wrong) -> None:
    check(
        wrong("name: x\ndataset: {name: digits}\nnetwork: {}\n"),
        [(3, 1, "spec.missing-key", "`extractor`", "`tflite: model.tflite`")],
    )


def test_what_a_finished_network_has_no_use_for(wrong: Wrong) -> None:
    check(
        wrong(
            "name: x\ndataset: {name: digits}\nreference: {model: builtin}\nsplit: {top: 2}\n"
            "training: {epochs: 2}\npayload: {levels: 4}\nlink: {deadline: 5 ms}\n"
            "budget: {ram: 9 KiB, payload: 1 KiB}\n"
            "network:\n  extractor: conv 8 3x3\n  tflite: spec.yaml\n"
        ),
        [
            (3, 12, "spec.inconsistent", "`reference`", "nothing is trained"),
            (4, 8, "spec.inconsistent", "`split`", "as a whole"),
            (5, 11, "spec.inconsistent", "`training`", "trained already"),
            (6, 10, "spec.inconsistent", "`payload`", "sends nothing"),
            (7, 7, "spec.inconsistent", "`link`", "no link"),
            (8, 31, "spec.inconsistent", "`budget.payload`", "sends nothing"),
            (10, 14, "spec.inconsistent", "`network.extractor`", "one of the two"),
        ],
    )


def test_a_tflite_file_that_is_not_there(wrong: Wrong) -> None:
    check(
        wrong("name: x\ndataset: {name: digits}\nnetwork: {tflite: models/a.tflite}\n"),
        [(3, 19, "spec.inconsistent", "models/a.tflite", "the spec's folder")],
    )


def test_a_word_where_a_section_belongs(wrong: Wrong) -> None:
    check(
        wrong("name: x\ndataset: digits\nnetwork: {extractor: conv 24 3x3}\n"),
        [(2, 10, "spec.value", "section", "{name: digits}")],
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("digits", "diggits", (2, 17, "`diggits`", "`digits`")),
        ("{name: digits}", "{image: 8x8x1}", (2, 10, "none of them", "name: digits")),
        ("{name: digits}", "{images: pics}", (2, 10, "lacks `image`", "image:")),
        ("digits}", "digits, npz: a.npz}", (2, 30, "`name` and `npz`", "keep one")),
        ("digits}", "digits, image: 8x8x2}", (2, 32, "not 2", "x1 or x3")),
        ("digits}", "digits, path: x}", (2, 31, "`path`", "remove")),
        ("/2 relu6", "/9 relu6", (6, 5, "stride 9", "smaller")),
        ("/2 relu6", "/2 relu6\n    gap", (7, 5, "`gap`", "`local`")),
        ("24 3x3 /2 relu6", "5 3x3", (4, 3, "`split.top` is 5", "1 to 4")),
    ],
)
def test_between_keys(
    wrong: Wrong, smallest: str, old: str, new: str, expected: tuple[int, int, str, str]
) -> None:
    line, column, message, hint = expected
    if "split.top" in message:
        # The default of split.top has no place of its own.
        line, column = 1, 1
    check(
        wrong(smallest.replace(old, new)),
        [(line, column, "spec.inconsistent", message, hint)],
    )


@pytest.mark.parametrize(
    ("addition", "expected"),
    [
        ("split: {top: 24}", [(7, 14, "24 channels", "1 to 23")]),
        ("  local: dense classes", [(7, 10, "vector", "`gap`")]),
        ("  local: gap", [(7, 10, "must end", "dense classes")]),
        ("  local: |\n    gap\n    dense 10", [(9, 5, "must end", "comes from the data")]),
        (
            "  remote: |\n    gap\n    conv 8 3x3\n    dense classes relu",
            [(9, 5, "feature map", "`dense`"), (10, 5, "must end", "activation")],
        ),
        ("reference: {model: builtin, cut: x}", [(7, 34, "`cut`", "remove")]),
        ("reference: {model: efficientnet}", [(7, 20, "neither", "`efficientnetv2-s`")]),
        ("reference: {model: no/model.keras}", [(7, 20, "no model at", "spec's folder")]),
        ("reference: {model: spec.yaml}", [(7, 20, "needs `cut`", "cut:")]),
        ("payload: {fragment: 16}\nsplit: {top: 1}", []),
    ],
)
def test_between_sections(
    wrong: Wrong,
    load: Callable[..., object],
    smallest: str,
    addition: str,
    expected: list[tuple[int, int, str, str]],
) -> None:
    if not expected:
        load(smallest + addition + "\n")
        return
    check(
        wrong(smallest + addition + "\n"),
        [(line, column, "spec.inconsistent", m, h) for line, column, m, h in expected],
    )


def test_fragments_are_numbered_in_one_byte(wrong: Wrong, load: Callable[..., object]) -> None:
    text = (
        "name: x\ndataset: {name: cifar10, image: 96x96x3}\nnetwork: {extractor: conv 24 3x3 /3}\n"
        "split: {top: 5}\n"
    )
    # LZW: 32 x 32 x 19 symbols of at worst 12 bits: 29,184 bytes, in 256 fragments of at least 114.
    load(text + "payload: {codec: lzw, fragment: 114}\n")
    check(
        wrong(text + "payload: {codec: lzw, fragment: 113}\n"),
        [(5, 33, "spec.inconsistent", "260 fragments of 113", "raise")],
    )


def test_an_override_of_several_lines(wrong: Wrong, smallest: str) -> None:
    (diagnostic,) = wrong(smallest, "network.local=gap\ndence classes")
    where = diagnostic.where
    assert where is not None
    assert (where.line, where.column, where.length, where.text) == (2, 1, 5, "dence classes")


@pytest.mark.parametrize(
    ("override", "column", "code", "hint"),
    [
        ("training.epochs=x", 17, "spec.value", "Epochs"),
        ("training.epoch=5", 1, "spec.unknown-key", "`epochs`"),
        ("budget.ram=64KIB", 12, "spec.value", "64 KiB"),
        ("network.local=gpa", 15, "spec.network", "`gap`"),
        ("split.top=24", 11, "spec.inconsistent", "1 to 23"),
        ("epochs", 1, "spec.override", "training.epochs=5"),
        ("=5", 1, "spec.override", "training.epochs=5"),
        ("training..epochs=5", 1, "spec.override", "training.epochs=5"),
        ("name.x=5", 1, "spec.override", "docs/spec.md"),
        ("split={top: 3", 7, "spec.syntax", "bracket"),
        ("split={tpo: 3}", 8, "spec.unknown-key", "`top`"),
    ],
)
def test_overrides(
    wrong: Wrong, smallest: str, override: str, column: int, code: str, hint: str
) -> None:
    (diagnostic,) = wrong(smallest, override)
    assert diagnostic.code == code
    assert diagnostic.where is not None
    assert diagnostic.where.file == f"--set {override}"
    assert (diagnostic.where.line, diagnostic.where.column) == (1, column)
    assert diagnostic.where.text == override
    assert hint in (diagnostic.hint or "")


@pytest.mark.parametrize(
    ("extractor", "top", "words"),
    [
        ("conv 8 4x4 /4 relu6", 2, "no activation, not with `conv 8 4x4 /4 relu6`"),
        ("conv 8 4x4 /2", 2, "kernel and stride equal"),
        ("dw 4x4 /4", 2, "block convolution"),
        ("conv 24 4x4 /4", 2, "22 principal components, but a block has 16"),
        ("conv 24 4x4 /4", 20, "20 principal components, but a block has 16"),
    ],
)
def test_principal_components_need_a_linear_block_convolution(
    wrong: Wrong, extractor: str, top: int, words: str
) -> None:
    text = (
        "name: demo\ndataset: {name: digits, image: 8x8x1}\nnetwork:\n"
        f"  init: pca\n  extractor: |\n    {extractor}\nsplit: {{top: {top}}}\n"
    )
    found = [d for d in wrong(text) if "principal" in d.message or "pca" in d.message]
    assert len(found) == 1
    assert words in found[0].message
    assert found[0].where is not None
    assert found[0].where.line == 4
