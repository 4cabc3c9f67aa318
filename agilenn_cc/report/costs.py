"""Estimates of latency and energy from measured counts, with every assumption named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise

from agilenn_cc.report.schema import EnergyEstimate, Estimate, LatencyEstimate
from agilenn_cc.targets import Target


@dataclass(frozen=True)
class LinkAssumptions:
    """What an ESP8266 with AT firmware costs; ms, bits a second, mA and V."""

    air_rate_bps: int = 6_000_000
    prompt_ms: float = 1.0
    air_delay_ms: float = 1.0
    server_ms: float = 2.0
    tx_ma: float = 145.0
    rx_ma: float = 60.0
    module_v: float = 3.3


def interpolate_ma(table: dict[int, float], clock_hz: int) -> float:
    """Return the run current at a clock, linear between the datasheet's points (mA)."""
    points = sorted(table.items())
    if clock_hz <= points[0][0]:
        return points[0][1] * clock_hz / points[0][0]
    for (low_hz, low_ma), (high_hz, high_ma) in pairwise(points):
        if clock_hz <= high_hz:
            return low_ma + (high_ma - low_ma) * (clock_hz - low_hz) / (high_hz - low_hz)
    return points[-1][1] * clock_hz / points[-1][0]


def estimate_alone(target: Target, instructions: float) -> Estimate:
    """Estimate one inference of a device that answers without a server: nothing but computing."""
    figures = target.estimates
    clock_hz = target.core_hz
    device_ms = instructions * figures.cycles_per_instruction / clock_hz * 1e3
    run_ma = interpolate_ma(dict(figures.run_ma_per_clock), clock_hz)
    compute_mj = device_ms * run_ma * figures.supply_v / 1e3
    return Estimate(
        latency_ms=LatencyEstimate(device=device_ms, network=0.0, remote=0.0, total=device_ms),
        energy_mj=EnergyEstimate(compute=compute_mj, radio=0.0, total=compute_mj),
        assumptions={
            "cycles_per_instruction": figures.cycles_per_instruction,
            "clock_hz": clock_hz,
            "run_ma": run_ma,
            "supply_v": figures.supply_v,
        },
    )


def estimate(
    target: Target,
    instructions: float,
    datagram_bytes: float,
    fragments: float,
    baud: int,
    link: LinkAssumptions | None = None,
) -> Estimate:
    """Estimate one inference: computing, sending over UART and air, waiting for the answer.

    Sending is counted as if nothing overlapped with computing, so the estimate is an upper
    bound for streamed networks.
    """
    link = link or LinkAssumptions()
    figures = target.estimates
    clock_hz = target.core_hz
    device_ms = instructions * figures.cycles_per_instruction / clock_hz * 1e3
    uart_ms = datagram_bytes * 10 / baud * 1e3
    air_ms = datagram_bytes * 8 / link.air_rate_bps * 1e3
    network_ms = uart_ms + fragments * link.prompt_ms + air_ms + 2 * link.air_delay_ms
    run_ma = interpolate_ma(dict(figures.run_ma_per_clock), clock_hz)
    waiting_ms = network_ms + link.server_ms
    compute_mj = (device_ms * run_ma + waiting_ms * figures.sleep_ma) * figures.supply_v / 1e3
    radio_mj = (air_ms * link.tx_ma + (waiting_ms - air_ms) * link.rx_ma) * link.module_v / 1e3
    return Estimate(
        latency_ms=LatencyEstimate(
            device=device_ms,
            network=network_ms,
            remote=link.server_ms,
            total=device_ms + waiting_ms,
        ),
        energy_mj=EnergyEstimate(compute=compute_mj, radio=radio_mj, total=compute_mj + radio_mj),
        assumptions={
            "cycles_per_instruction": figures.cycles_per_instruction,
            "clock_hz": clock_hz,
            "run_ma": run_ma,
            "sleep_ma": figures.sleep_ma,
            "supply_v": figures.supply_v,
            "baud": baud,
            **asdict(link),
        },
    )
