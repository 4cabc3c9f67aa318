"""The stage function of each node, and the code that runs it as far as its rows allow."""

from __future__ import annotations

from dataclasses import dataclass

from agilenn_cc.ir.ops import Lookup
from agilenn_cc.ir.types import Padding
from agilenn_cc.passes.memory import symbols_of_row
from agilenn_cc.passes.plan import Plan
from agilenn_cc.passes.stream import Node
from agilenn_cc.passes.text import assignment, condition, fill
from agilenn_cc.passes.vectors import vector_arguments


@dataclass(frozen=True)
class Function:
    """A C++ function: `void name(parameters)` and its indented statements."""

    signature: str
    body: str


@dataclass(frozen=True)
class StageText:
    """C++ of a stage: its functions, and `advance`, which runs it as far as rows allow."""

    functions: tuple[Function, ...]
    advance: str


RATE = ("int rate", "frame_rate")
"""Parameter and argument of a stage whose quantiser has several rates."""


def has_rates(lookup: Node) -> bool:
    """Tell whether the rate of a quantiser is chosen at run time."""
    return isinstance(lookup.op, Lookup) and lookup.op.rates > 1


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _element(plan: Plan, node: Node, index: int = 0) -> str:
    return plan.layouts[node.sources[index].base].element


def _source_name(plan: Plan, tensor: str) -> str:
    return next(node.name for node in plan.stream.nodes if node.output == tensor)


def _row(plan: Plan, tensor: str, row: str, extra: int = 0) -> str:
    """Return the address of a row of a stored tensor, of its first pixel inside the margin."""
    layout = plan.layouts[tensor]
    depth = plan.ring_bytes(tensor) // layout.row_bytes
    start = layout.left * layout.pixel_values + extra
    name = f"{_source_name(plan, tensor)}_rows"
    terms = [name]
    if layout.block_rows > 1:
        run = layout.block_columns * layout.channels
        terms.append(f"{row} % {layout.block_rows} * {run}")
    elif depth > 1:
        terms.append(f"{row} % {depth} * {layout.row_values}")
    if start:
        terms.append(str(start))
    return " + ".join(terms)


def stage_text(plan: Plan, node: Node) -> StageText:
    """Return the C++ of one stage."""
    makers = {
        "input": _input,
        "window": _window,
        "copy": _copy,
        "pad": _pad,
        "add": _add,
        "mean": _mean,
        "image-dense": _image_dense,
        "lookup": _lookup,
    }
    return makers[node.kind](plan, node)


def _followers(plan: Plan, node: Node, indent: int) -> str:
    if node.output is None:
        return ""
    pad = " " * indent
    return "".join(f"{pad}advance_{n.name}();\n" for n in plan.stream.readers(node.output))


def _input(plan: Plan, node: Node) -> StageText:
    assert node.output is not None
    layout = plan.layouts[node.output]
    _, columns, channels = plan.graph.tensors[node.output].shape
    expand = "expand_pixels"
    if layout.block_rows > 1:
        expand = "expand_windows"
        group, step = layout.block_columns * channels, layout.pixel_values
    elif layout.pixel_values == channels:
        group, step = columns * channels, columns * channels
    else:
        group, step = channels, layout.pixel_values
    zero_point = plan.graph.tensors[node.output].zero_point if layout.centred else 0
    sizes = [columns * channels, group, step, *([128 + zero_point] if zero_point else [])]
    arguments = ", ".join(map(str, sizes))
    functions = (
        Function(
            f"void {node.name}_row({layout.element}* out, const uint8_t* pixels)",
            f"    kernels::{expand}<{arguments}>(out, pixels);",
        ),
    )
    advance = f"""\
void advance_{node.name}(const uint8_t* pixels) {{
    {node.name}_row({_row(plan, node.output, f"done.{node.name}")}, pixels);
    ++done.{node.name};
{_followers(plan, node, 4)}}}"""
    return StageText(functions, advance)


def _condition(plan: Plan, node: Node) -> str:
    tests = [f"done.{node.name} < {node.rows}"]
    for view in dict.fromkeys(view.base for view in node.sources):
        height = plan.graph.tensors[view].shape[0]
        use = node.use
        tests.append(
            f"done.{_source_name(plan, view)} >= kernels::rows_needed"
            f"<{use.kernel}, {use.stride}, {use.top}, {height}>(done.{node.name})"
        )
    return condition(4, "while", tests)


def _loop(plan: Plan, node: Node, body: str) -> str:
    step = f"++done.{node.name}" if node.step == 1 else f"done.{node.name} += {node.step}"
    return f"""\
void advance_{node.name}() {{
{_condition(plan, node)}
{body}        {step};
{_followers(plan, node, 8)}    }}
}}"""


def _call(node: Node, *arguments: str) -> str:
    return fill(8, f"{node.name}_row(", arguments, ");\n")


def _padding(node: Node) -> Padding:
    padding: Padding = getattr(node.op, "padding", (0, 0, 0, 0))
    return padding


def _window(plan: Plan, node: Node) -> StageText:
    assert node.output is not None
    source = node.sources[0].base
    layout = plan.layouts[source]
    height = plan.graph.tensors[source].shape[0]
    depth = plan.ring_bytes(source) // layout.row_bytes
    ring = f"{_source_name(plan, source)}_rows"
    layer = _camel(node.name)
    pooled = any(key == "int kMargin" for key, _ in plan.code[node.name].traits)
    start = 0 if pooled else (layout.left - _padding(node)[2]) * layout.pixel_values
    use = node.use
    row = f"done.{node.name}"
    if layout.block_rows > 1:
        kernel_rows = 1
        window = f"        const kernels::Window<1> window{{{{{ring}}}, 0, 1}};"
    else:
        kernel_rows = use.kernel
        shape = (use.kernel, use.top) if node.padded else (use.kernel, use.stride, use.top)
        constants = ", ".join(map(str, (*shape, height, depth, layout.row_values, start)))
        maker = "padded_window_at" if node.padded else "window_at"
        window = assignment(8, "const auto window", f"kernels::{maker}<{constants}>({ring}, {row})")
    element = plan.layouts[node.output].element
    values = "" if layout.centred else ", int8_t"
    window_type = f"kernels::Window<{kernel_rows}{values}>"
    parameters = [(f"{element}* out", _row(plan, node.output, row))]
    if node.quantiser is not None:
        parameters.append(("uint8_t* symbols", f"{node.quantiser.name}_row_symbols"))
    parameters.append((f"const {window_type}& window", "window"))
    if plan.code[node.name].scratch_values:
        parameters.append(("int16_t* scratch", f"{node.name}_scratch"))
    if plan.code[node.name].takes_row:
        parameters.append(("int row", row))
    if node.quantiser is not None and has_rates(node.quantiser):
        parameters.append(RATE)
    functions = (
        Function(
            f"void {node.name}_row({', '.join(declared for declared, _ in parameters)})",
            f"    using Layer = {layer};\n    {plan.code[node.name].body}",
        ),
    )
    body = window + "\n" + _call(node, *(given for _, given in parameters))
    if node.quantiser is not None:
        body += _hand_on(plan, node.quantiser, node.step)
    return StageText(functions, _loop(plan, node, body))


def _hand_on(plan: Plan, lookup: Node, rows: int) -> str:
    """Return the call that hands rows of symbols to the sink."""
    count = symbols_of_row(plan, lookup) * rows
    arguments = ("output.context", f"{lookup.name}_row_symbols", str(count))
    return fill(8, "output.sink(", arguments, ");\n")


def _copy(plan: Plan, node: Node) -> StageText:
    assert node.output is not None
    view = node.sources[0]
    source, output = plan.layouts[view.base], plan.layouts[node.output]
    zero_point = plan.graph.tensors[node.output].zero_point
    offset = (zero_point if source.centred else 0) - (zero_point if output.centred else 0)
    functions = (
        Function(
            f"void {node.name}_row({output.element}* out, const {source.element}* values)",
            f"    kernels::copy_channels<{output.columns}, {view.channels}, {output.pixel_values}, "
            f"{source.pixel_values}, {offset}>(out, values);",
        ),
    )
    row = f"done.{node.name}"
    body = _call(node, _row(plan, node.output, row), _row(plan, view.base, row, view.begin))
    return StageText(functions, _loop(plan, node, body))


def _pad(plan: Plan, node: Node) -> StageText:
    assert node.output is not None
    view = node.sources[0]
    output = plan.layouts[node.output].element
    functions = (
        Function(
            f"void {node.name}_row({output}* out, const {_element(plan, node)}* ring, int row)",
            f"    kernels::pad_row<{_camel(node.name)}>(out, ring, row);",
        ),
    )
    layout = plan.layouts[view.base]
    start = layout.left * layout.pixel_values + view.begin
    ring = f"{_source_name(plan, view.base)}_rows" + (f" + {start}" if start else "")
    row = f"done.{node.name}"
    body = _call(node, _row(plan, node.output, row), ring, row)
    return StageText(functions, _loop(plan, node, body))


def _add(plan: Plan, node: Node) -> StageText:
    assert node.output is not None
    element = plan.layouts[node.output].element
    functions = (
        Function(
            f"void {node.name}_row({element}* out, const {_element(plan, node)}* first, "
            f"const {_element(plan, node, 1)}* second)",
            f"    kernels::add_row<{_camel(node.name)}>(out, first, second);",
        ),
    )
    row = f"done.{node.name}"
    rows = [_row(plan, view.base, row, view.begin) for view in node.sources]
    body = _call(node, _row(plan, node.output, row), *rows)
    return StageText(functions, _loop(plan, node, body))


def _finish(plan: Plan, node: Node) -> str:
    """Return the calls that run once the last row has been summed."""
    lines = [f"{node.name}_finish({node.name}_values, {node.name}_sums);"]
    for name, op in plan.stream.vectors:
        if plan.triggers[name] == node.name:
            operands = ", ".join(vector_arguments(plan.stream, op))
            lines.append(f"{name}_vector({name}_values, {operands});")
    calls = "".join(f"            {line}\n" for line in lines)
    last = f"done.{node.name} + 1 == {node.rows}"
    return f"        if ({last}) {{\n{calls}        }}\n"


def _mean(plan: Plan, node: Node) -> StageText:
    view = node.sources[0]
    layer = _camel(node.name)
    functions = (
        Function(
            f"void {node.name}_add(int32_t* sums, const {_element(plan, node)}* values)",
            f"    kernels::accumulate_channels<{layer}>(sums, values);",
        ),
        Function(
            f"void {node.name}_finish(int8_t* out, const int32_t* sums)",
            f"    for (int channel = 0; channel < {layer}::kChannels; ++channel) {{\n"
            f"        const int32_t sum = sums[channel] + {layer}::kScales[0].start;\n"
            f"        out[channel] = kernels::rescale<{layer}>(sum, {layer}::kScales[0]);\n"
            f"    }}",
        ),
    )
    row = _row(plan, view.base, f"done.{node.name}", view.begin)
    call = fill(8, f"{node.name}_add(", (f"{node.name}_sums", row), ");\n")
    body = call + _finish(plan, node)
    return StageText(functions, _loop(plan, node, body))


def _image_dense(plan: Plan, node: Node) -> StageText:
    view = node.sources[0]
    layer = _camel(node.name)
    functions = (
        Function(
            f"void {node.name}_begin(int32_t* sums)",
            f"    for (int unit = 0; unit < {layer}::kChannels; ++unit) {{\n"
            f"        sums[unit] = {layer}::kScales[unit].start;\n"
            f"    }}",
        ),
        Function(
            f"void {node.name}_add(int32_t* sums, const {_element(plan, node)}* values, int row)",
            f"    kernels::multiply_image_row<{layer}>(sums, values, row);",
        ),
        Function(
            f"void {node.name}_finish(int8_t* out, const int32_t* sums)",
            f"    for (int unit = 0; unit < {layer}::kChannels; ++unit) {{\n"
            f"        out[unit] = kernels::rescale<{layer}>(sums[unit], {layer}::kScales[unit]);\n"
            f"    }}",
        ),
    )
    row = _row(plan, view.base, f"done.{node.name}", view.begin)
    call = fill(8, f"{node.name}_add(", (f"{node.name}_sums", row, f"done.{node.name}"), ");\n")
    body = call + _finish(plan, node)
    return StageText(functions, _loop(plan, node, body))


def _lookup(plan: Plan, node: Node) -> StageText:
    view = node.sources[0]
    layout = plan.layouts[view.base]
    row = _row(plan, view.base, f"done.{node.name}", view.begin)
    parameters = [
        ("uint8_t* symbols", f"{node.name}_row_symbols"),
        (f"const {layout.element}* features", row),
    ]
    passed = "symbols, features"
    if has_rates(node):
        parameters.append(RATE)
        passed += ", rate"
    functions = (
        Function(
            f"void {node.name}_row({', '.join(declared for declared, _ in parameters)})",
            f"    kernels::quantise_row<{_camel(node.name)}>({passed});",
        ),
    )
    body = _call(node, *(given for _, given in parameters)) + _hand_on(plan, node, 1)
    return StageText(functions, _loop(plan, node, body))
