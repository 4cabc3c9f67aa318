"""Checkouts of CMSIS-NN: version read, other APIs refused with what is expected."""

import os
from pathlib import Path

import pytest

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.kernels.cmsis_nn import find_checkout
from agilenn_cc.kernels.cmsis_nn.checkout import FUNCTIONS, STRUCTS, VARIABLE


def functions_header(skip=(), **changes):
    """Declare the functions with names for their parameters, as a header would."""
    lines = ["/* Title: functions", " * $Revision:    V.17.2.0", " */"]
    for name, types in FUNCTIONS.items():
        parameters = changes.get(name, types).split(", ")
        named = ",\n        ".join(f"{kind} p{i}" for i, kind in enumerate(parameters))
        result = "int32_t" if name.endswith("size") else "arm_cmsis_nn_status"
        if name not in skip:
            lines.append(f"/** Calls {name}(it); */\n{result} {name}({named});")
    return "\n".join(lines).replace("* p", "*p")


def types_header(**changes):
    structs = []
    for name, members in STRUCTS.items():
        body = "".join(f"    {m}; /**< a; b */\n" for m in changes.get(name, members).split(", "))
        structs.append(f"typedef struct\n{{\n{body}}} {name};")
    return "\n".join(structs)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "Include").mkdir()

    def write(functions, types):
        (tmp_path / "Include" / "arm_nnfunctions.h").write_text(functions)
        (tmp_path / "Include" / "arm_nn_types.h").write_text(types)
        return tmp_path

    return write


def test_version_and_folder(checkout):
    found = find_checkout(checkout(functions_header(), types_header()))
    assert found.version == "V.17.2.0"
    assert (found.include / "arm_nnfunctions.h").is_file()


def test_environment_names_a_checkout_and_an_argument_wins(checkout, monkeypatch, tmp_path):
    path = checkout(functions_header(), types_header())
    assert find_checkout() is None
    monkeypatch.setenv(VARIABLE, str(path))
    assert find_checkout().path == path
    with pytest.raises(AgilennError):
        find_checkout(tmp_path / "elsewhere")


def test_every_difference_is_listed_with_what_is_expected(checkout):
    functions = functions_header(
        skip=("arm_max_pool_s8",), arm_avgpool_s8_get_buffer_size="const int"
    )
    types = types_header(cmsis_nn_dims="int32_t h, int32_t w, int32_t n, int32_t c")
    with pytest.raises(AgilennError) as raised:
        find_checkout(checkout(functions, types))
    assert raised.value.exit_code is ExitCode.UNSUPPORTED
    messages = [d.message for d in raised.value.diagnostics]
    assert len(messages) == 3
    assert all(m.startswith("CMSIS-NN V.17.2.0: ") for m in messages)
    assert "has (const int); expected (const int, const int)" in messages[0]
    assert "arm_max_pool_s8 is not declared" in messages[1]
    assert "cmsis_nn_dims has (int32_t h, int32_t w, int32_t n, int32_t c)" in messages[2]


def test_no_checkout_there(tmp_path):
    with pytest.raises(AgilennError, match=r"arm_nnfunctions\.h cannot be read") as raised:
        find_checkout(tmp_path)
    assert raised.value.exit_code is ExitCode.EXTERNAL


@pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} names no checkout")
def test_headers_of_the_real_library():
    assert find_checkout(Path(os.environ[VARIABLE])).version.startswith("V.")
