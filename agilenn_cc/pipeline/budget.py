"""Holds a report against the budgets of its spec."""

from __future__ import annotations

from collections.abc import Iterator

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.render import human_bytes
from agilenn_cc.report.schema import Report
from agilenn_cc.spec import Spec

_HELP = {
    "flash": "fewer filters, or dw/sep layers, shrink the weights",
    "ram": "a larger stride early, fewer filters or a smaller image shrink the row buffers",
    "payload": "a larger stride, fewer filters or levels, or a larger split.top send less",
    "latency": "a larger stride early or sep layers compute less; a higher baud sends faster",
}


def check_budget(spec: Spec, report: Report) -> None:
    """Raise AgilennError (exit code 5) with every exceeded budget, by how much, and what helps.

    For an untrained network only what does not depend on training is checked.
    """
    exceeded = tuple(_exceeded(spec, report))
    if exceeded:
        raise AgilennError(ExitCode.BUDGET, exceeded)


def _exceeded(spec: Spec, report: Report) -> Iterator[Diagnostic]:
    budget, device, payload = spec.budget, report.device, report.payload
    for key, used, limit in (
        ("flash", device.flash, budget.flash),
        ("ram", device.ram + device.input_frame, budget.ram),
        ("payload", _largest_payload(report), budget.payload),
    ):
        if limit is not None and used is not None and used > limit:
            over = f"{human_bytes(used)} are {human_bytes(used - limit)} over {human_bytes(limit)}"
            yield _diagnostic(spec, key, over)
    trained = payload is None or payload.bytes_mean is not None
    if not trained or report.estimate is None or budget.latency_ms is None:
        return
    latency = report.estimate.latency_ms.total
    if latency > budget.latency_ms:
        over = (
            f"{latency:.1f} ms (estimate) are {latency - budget.latency_ms:.1f} ms over "
            f"{budget.latency_ms:g} ms"
        )
        yield _diagnostic(spec, "latency", over)


def _largest_payload(report: Report) -> float | None:
    """Return the mean bytes of the rate that sends most."""
    if report.rates:
        return max(rate.bytes_mean for rate in report.rates)
    return None if report.payload is None else report.payload.bytes_mean


def _diagnostic(spec: Spec, key: str, over: str) -> Diagnostic:
    return Diagnostic(
        code=f"budget.{key}",
        message=f"the {key} budget is exceeded: {over}",
        where=spec.where(f"budget.{key}"),
        hint=_HELP[key],
    )
