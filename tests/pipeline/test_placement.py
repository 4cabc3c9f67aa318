"""Hot code and tables in the core's own memories, as the linked firmware has them."""

from pathlib import Path

import pytest

from agilenn_cc.cache import Cache
from agilenn_cc.pipeline.analysis import analyze
from agilenn_cc.spec import load_spec
from agilenn_cc.targets import load_target

SPEC = Path(__file__).parents[2] / "benchmarks" / "device" / "b.yaml"
BUDGET = 48 * 1024


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    cache = Cache(tmp_path_factory.mktemp("cache"))

    def analyzed(target, *overrides):
        spec = load_spec(SPEC, overrides)
        return analyze(spec, load_target(target), cache, lambda event: None).device

    return analyzed


def used(device, region):
    return next(r.used for r in device.regions if r.name == region)


def placed(device, region):
    return {item.name for item in device.placement if item.region == region}


def test_what_a_frame_executes_most_lies_in_instruction_memory(device):
    plain = device("stm32f746")
    names = placed(plain, "ITCM")
    assert {"agilenn::network::push_row", "agilenn::network::features_row"} <= names
    # The tables stay in flash: nothing says that RAM may be spent.
    assert placed(plain, "DTCM") == set()
    assert used(plain, "ITCM") <= 16 * 1024
    # Start-up code copies them, so it cannot be among them; nor what runs outside of frames.
    assert not {"Reset_Handler", "main", "memcpy", "agilenn::EspAt::poll"} & names


def test_a_budget_lets_tables_into_data_memory(device):
    plain, budgeted = device("stm32f746"), device("stm32f746", f"budget.ram={BUDGET}")
    tables = [item for item in budgeted.placement if item.region == "DTCM"]
    assert "agilenn::network::features::kWeightTable" in {item.name for item in tables}
    assert plain.ram < budgeted.ram <= BUDGET - budgeted.input_frame
    grown = budgeted.ram - plain.ram
    assert 0 <= grown - sum(item.bytes for item in tables) < 8 * len(tables)
    # Loaded from flash once, as before.
    assert abs(budgeted.flash - plain.flash) <= 8 * len(tables)
    assert budgeted.instructions == plain.instructions


def test_a_board_with_the_same_core_takes_the_counts(device):
    large = device("nucleo-h743zi")
    assert placed(large, "ITCM") >= {"agilenn::network::features_row"}
    assert large.instructions is None


def test_a_core_without_such_memory_places_nothing(device):
    assert device("nucleo-f446re").placement == ()
