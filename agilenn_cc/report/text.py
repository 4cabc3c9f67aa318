"""Reports as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agilenn_cc.render import bar, human_bytes, table
from agilenn_cc.report.findings import findings
from agilenn_cc.report.schema import Device, EndToEnd, LayerCost, Payload, Quantised, Report


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{value:.1%}"


def device_text(device: Device) -> str:
    """Return totals, RAM as a spelt-out sum, the layers, and a bar for each memory region."""
    return "\n".join(_device_lines(device))


def _device_lines(device: Device) -> Iterator[str]:
    layers = device.layers
    yield f"parameters      {_count(sum(layer.params for layer in layers))}"
    yield f"MACs            {_count(sum(layer.macs for layer in layers))}"
    yield f"weights         {human_bytes(sum(layer.flash for layer in layers))} of flash"
    if device.flash_parts:
        flash = " + ".join(f"{human_bytes(p.bytes)} {p.name}" for p in device.flash_parts)
        yield f"flash           {human_bytes(device.flash)} = {flash}"
    yield f"row buffers     {human_bytes(sum(layer.ram for layer in layers))} of RAM"
    parts = " + ".join(f"{human_bytes(p.bytes)} {p.name}" for p in device.ram_parts)
    yield f"RAM             {human_bytes(device.ram)} = {parts}"
    yield f"                and {human_bytes(device.input_frame)} for the input frame"
    yield from _run_lines(device)
    if device.placement:
        yield f"placement       {_placement(device)}"
    yield ""
    yield table(
        ("layer", "output", "MACs", "instructions", "RAM", "flash", "kernel"),
        [
            (
                layer.name,
                "x".join(map(str, layer.shape)),
                _count(layer.macs),
                _layer_instructions(device, layer),
                human_bytes(layer.ram),
                human_bytes(layer.flash),
                layer.kernel,
            )
            for layer in layers
        ],
    )
    yield ""
    for region in device.regions:
        used = f"{human_bytes(region.used)} of {human_bytes(region.size)}"
        yield f"{region.name:<6} {bar(region.used, region.size)}  {used}"


def _layer_instructions(device: Device, layer: LayerCost) -> str:
    if device.instructions is None:
        return "-"
    return "fused" if layer.instructions is None else _count(layer.instructions)


def _run_lines(device: Device) -> Iterator[str]:
    counts = device.instructions
    yield f"stack           {_stack(device)}"
    if counts is None or device.stack is None:
        yield "instructions    not counted: the emulator does not know this board"
        return
    yield f"instructions    {_count(counts.total)} for one inference"
    for phase in ("extractor", "local", "quantise", "encode"):
        yield f"  {phase:<13} {_count(getattr(counts, phase))}"


def _placement(device: Device) -> str:
    totals: dict[str, list[int]] = {}
    for item in device.placement:
        totals.setdefault(item.region, []).append(item.bytes)
    return ", ".join(
        f"{human_bytes(sum(sizes))} ({len(sizes)}) in {region}" for region, sizes in totals.items()
    )


def _stack(device: Device) -> str:
    parts = [f"{human_bytes(device.stack_reserved)} reserved"]
    if device.stack_bound is not None:
        parts.append(f"{human_bytes(device.stack_bound)} at most by analysis")
    if device.stack is not None:
        parts.append(f"{human_bytes(device.stack)} seen in the emulator")
    return ", ".join(parts)


def _estimate_lines(report: Report) -> Iterator[str]:
    if report.estimate is None:
        return
    latency, energy = report.estimate.latency_ms, report.estimate.energy_mj
    yield (
        f"latency         {latency.total:.1f} ms estimated: device {latency.device:.1f}, "
        f"network {latency.network:.1f}, remote {latency.remote:.1f}"
    )
    yield (
        f"energy          {energy.total:.2f} mJ estimated: compute {energy.compute:.2f}, "
        f"radio {energy.radio:.2f}"
    )


def analysis_text(report: Report) -> str:
    """Return what `analyze` prints for a spec or a build."""
    head = f"{report.spec} on {report.target}, scheme {report.scheme}"
    return "\n".join(
        [
            head,
            "",
            device_text(report.device),
            "",
            _payload_line(report.payload),
            *_estimate_lines(report),
        ]
    )


def _payload_line(payload: Payload | None) -> str:
    if payload is None:
        return "payload         none: the device answers alone"
    coded = "untrained" if payload.bytes_mean is None else f"{payload.bytes_mean:.0f} B coded"
    return (
        f"payload         {payload.symbols} symbols of {payload.levels} levels, "
        f"{payload.bytes_raw} B packed, {coded} ({payload.codec})"
    )


def summary(report: Report, directory: Path) -> str:
    """Return what `build` prints at its end."""
    lines = []
    training, quantised = report.training, report.quantised
    if training is not None:
        lines.append(
            f"training    accuracy {_percent(training.accuracy_float)}, top {training.k} of "
            f"{training.channels} channels hold {_percent(training.skewness)} of the importance, "
            f"disorder {_percent(training.disorder)}, alpha {training.alpha:.2f}"
        )
        if training.surrogate_skewness is not None and training.surrogate_disorder is not None:
            lines.append(
                "            as training's own attribution sees it: skewness "
                f"{_percent(training.surrogate_skewness)}, disorder "
                f"{_percent(training.surrogate_disorder)}"
            )
        lines.append(
            f"reference   accuracy {_percent(training.accuracy_reference)}, on the final features "
            f"{_percent(training.accuracy_reference_on_features)}"
        )
    if quantised is not None:
        lines.append(_quantised_line(quantised))
    payload, device = report.payload, report.device
    if payload is not None and payload.bytes_mean is not None:
        lines.append(
            f"payload     {payload.bytes_mean:.0f} B on average ({payload.codec}), "
            f"{payload.bytes_raw} B packed; the raw image has {_count(device.input_frame)} B"
        )
        if payload.compared:
            sizes = ", ".join(f"{name} {size:.0f} B" for name, size in payload.compared.items())
            lines.append(f"codecs      the same indices under each: {sizes}")
    lines += [
        f"rate {number:<7}accuracy {_percent(rate.accuracy)}, {rate.bytes_mean:.0f} B on average "
        f"(step x {rate.factor:g})"
        for number, rate in enumerate(report.rates)
    ]
    memory = f"{human_bytes(device.flash)} flash, {human_bytes(device.ram)} RAM"
    if device.instructions is not None and report.estimate is not None:
        milliseconds = report.estimate.latency_ms.device
        counted = f"{_count(device.instructions.total)} instructions, "
        lines.append(f"device      {counted}{memory}; {milliseconds:.1f} ms estimated")
    else:
        lines.append(f"device      {memory}")
    if report.verify is not None:
        lines.append(
            f"proof       {report.verify.mismatches} mismatches in {report.verify.tensors} tensors "
            f"x {report.verify.samples} images: reference = host C++"
            + (
                f" = emulated board ({report.verify.firmware_tensors} tensors are held there)"
                if report.verify.emulated
                else "; the board is not emulated"
            )
        )
    if report.end_to_end is not None:
        by = "board alone" if payload is None else "board and server together"
        lines.append(_end_line(report.end_to_end, by))
    lines += [f"note        {finding}" for finding in findings(report)]
    lines += [
        "",
        f"project     {directory / 'project'}  (STM32CubeIDE: File > Import > Existing Projects)",
        *([] if payload is None else [f"server      agilenn-cc serve {directory}"]),
        f"report      {directory / 'report.html'}",
    ]
    return "\n".join(lines)


def _quantised_line(quantised: Quantised) -> str:
    parts = ""
    if quantised.accuracy_remote is not None:
        parts = (
            f" (local net alone {_percent(quantised.accuracy_local)}, remote net alone "
            f"{_percent(quantised.accuracy_remote)})"
        )
    accuracy = _percent(quantised.accuracy)
    return f"int8        accuracy {accuracy}{parts} on {quantised.samples} held-out images"


def _end_line(end: EndToEnd, by: str) -> str:
    return (
        f"end to end  {end.answered} of {end.frames} frames answered by {by}, {end.agreed} as the "
        f"Python model says, accuracy {_percent(end.accuracy)}"
    )
