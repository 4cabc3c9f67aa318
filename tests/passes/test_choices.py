"""The choice of kernels by measured instructions, with costs that are laid down here."""

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir import GraphBuilder
from agilenn_cc.passes import choose_kernels
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.targets import load_target

TARGET = load_target("stm32f746")
LAYERS = ("Conv/A", "Conv/B")
KERNELS = ("specialised", "portable")


def network():
    builder = GraphBuilder("net")
    tensor = builder.input((4, 4, 2))
    for name in LAYERS:
        weights = np.ones((2, 1, 1, 2))
        tensor = builder.conv2d(
            name, tensor, weights, np.ones(2), np.zeros(2), scale=1, zero_point=0
        )
    builder.mean("logits", tensor, scale=1, zero_point=0)
    return builder.finish(("logits",))


def compiled(chosen=None, choices=()):
    return compile_network(
        network(),
        TARGET,
        model_id=1,
        alpha=1.0,
        classes=("a", "b"),
        levels=2,
        chosen=chosen,
        choices=choices,
    )


def measured_by(table, mixture_extra=0):
    """Return a measurement: cost by (layer, kernel), more where kernels are mixed."""
    programs = []

    def measure(program):
        programs.append(program)
        used = {s.layer: s.kernel for s in program.stages if s.layer in LAYERS}
        extra = mixture_extra if len(set(used.values())) > 1 else 0
        return {
            stage.function: table.get((stage.layer, stage.kernel), 5) + extra
            for stage in program.stages
        }

    return measure, programs


COSTS = {
    ("Conv/A", "specialised"): 100,
    ("Conv/A", "portable"): 90,
    ("Conv/B", "specialised"): 50,
    ("Conv/B", "portable"): 80,
}


def test_each_layer_gets_its_cheapest():
    measure, programs = measured_by(COSTS)
    choices = choose_kernels(LAYERS, KERNELS, compiled, measure)
    assert [(c.layer, c.kernel) for c in choices] == [
        ("Conv/A", "portable"),
        ("Conv/B", "specialised"),
    ]
    assert dict(choices[0].instructions) == {"specialised": 100, "portable": 90}
    assert len(programs) == 3
    program = compiled(choices=choices)
    assert program.choices == choices
    assert program.files == programs[-1].files
    assert [s.kernel for s in program.stages if s.layer in LAYERS] == ["portable", "specialised"]


def test_a_mixture_that_costs_more_is_not_taken():
    measure, _ = measured_by(COSTS, mixture_extra=10)
    choices = choose_kernels(LAYERS, KERNELS, compiled, measure)
    assert {c.kernel for c in choices} == {"specialised"}


def test_equal_costs_keep_the_first_named():
    measure, programs = measured_by({})
    choices = choose_kernels(LAYERS, ("portable", "specialised"), compiled, measure)
    assert {c.kernel for c in choices} == {"portable"}
    assert len(programs) == 2


def test_no_kernels_at_all():
    with pytest.raises(AgilennError) as raised:
        choose_kernels(LAYERS, (), compiled, lambda program: {})
    assert raised.value.exit_code is ExitCode.USAGE
