"""Estimates against sums worked by hand, from the figures of the STM32F746's datasheet."""

import pytest

from agilenn_cc.report.costs import LinkAssumptions, estimate, interpolate_ma
from agilenn_cc.targets import load_target

TABLE = {216_000_000: 108.0, 180_000_000: 89.0}


@pytest.mark.parametrize(
    ("clock_hz", "expected_ma"),
    [(216_000_000, 108.0), (198_000_000, 98.5), (180_000_000, 89.0), (90_000_000, 44.5)],
)
def test_run_current_is_linear_between_points(clock_hz: int, expected_ma: float) -> None:
    assert interpolate_ma(TABLE, clock_hz) == pytest.approx(expected_ma)


def test_one_inference_by_hand() -> None:
    link = LinkAssumptions(
        air_rate_bps=1_000_000,
        prompt_ms=2.0,
        air_delay_ms=0.5,
        server_ms=3.0,
        tx_ma=100.0,
        rx_ma=50.0,
        module_v=3.0,
    )
    target = load_target("stm32f746")
    result = estimate(
        target, instructions=2_160_000, datagram_bytes=1000, fragments=1, baud=1_000_000, link=link
    )
    # 2.16 M x 1.1 / 216 MHz; UART 10 bits a byte, air 8: 10 + 8 ms; prompt 2; two ways of 0.5.
    assert result.latency_ms.device == pytest.approx(11.0)
    assert result.latency_ms.network == pytest.approx(10 + 8 + 2 + 1)
    assert result.latency_ms.total == pytest.approx(11 + 21 + 3)
    # 11 ms at 108 mA and 24 ms asleep at 35 mA, 3.3 V; radio 8 ms at 100 mA and 16 ms at 50, 3 V.
    assert result.energy_mj.compute == pytest.approx((11 * 108 + 24 * 35) * 3.3 / 1e3)
    assert result.energy_mj.radio == pytest.approx((8 * 100 + 16 * 50) * 3.0 / 1e3)
    assert result.assumptions["server_ms"] == 3.0
