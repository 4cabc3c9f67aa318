"""Writes the C++ of a plan: `network.hpp`, `network.cpp` and one weights file a layer."""

from __future__ import annotations

from dataclasses import dataclass

from agilenn_cc.ir.combine import local_scale_q24
from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import Op
from agilenn_cc.kernels.base import StageCode
from agilenn_cc.passes.costs import macs, parameters
from agilenn_cc.passes.memory import Memory
from agilenn_cc.passes.plan import Plan
from agilenn_cc.passes.stages import Function, stage_text
from agilenn_cc.passes.stream import Node
from agilenn_cc.passes.text import fill
from agilenn_cc.passes.vectors import vector_body, vector_signature


@dataclass(frozen=True)
class Interface:
    """The constants of `network.hpp` that the graph does not hold."""

    model_id: int
    alpha_q15: int
    classes: tuple[str, ...]
    levels: int
    top_channels: int
    sent_channels: int
    feature_shape: tuple[int, int, int]


_BEGIN_FRAME = "void begin_frame(uint8_t rate = 0)"


def camel(name: str) -> str:
    """Return a snake-case identifier as a CamelCase one."""
    return "".join(part.capitalize() for part in name.split("_"))


def _quoted(text: str) -> str:
    encoded = []
    for byte in text.encode("utf-8"):
        char = chr(byte)
        if char in '"\\' or char == "?":
            encoded.append("\\" + char)
        elif 32 <= byte < 127:
            encoded.append(char)
        else:
            encoded.append(f"\\{byte:03o}")
    return '"' + "".join(encoded) + '"'


def network_header(graph: Graph, interface: Interface) -> str:
    """Return `network.hpp`."""
    rows, columns, channels = graph.tensors[graph.inputs[0]].shape
    logits = graph.tensors[graph.outputs[0]]
    feature_rows, feature_columns, _ = interface.feature_shape
    symbols = feature_rows * feature_columns * interface.sent_channels
    rates, begin = _rates(graph, interface)
    return f"""\
// The network '{graph.name}': pixel rows in, symbols and local logits out.
#pragma once

#include <stdint.h>

namespace agilenn::network {{

inline constexpr uint16_t kInputRows = {rows};
inline constexpr uint16_t kInputColumns = {columns};
inline constexpr uint16_t kInputChannels = {channels};
inline constexpr uint16_t kInputRowBytes = {columns * channels};
inline constexpr uint16_t kFeatureRows = {feature_rows};
inline constexpr uint16_t kFeatureColumns = {feature_columns};
inline constexpr uint16_t kSentChannels = {interface.sent_channels};
inline constexpr uint16_t kTopChannels = {interface.top_channels};
inline constexpr uint16_t kClasses = {len(interface.classes)};
inline constexpr uint8_t kLevels = {interface.levels};{rates}
inline constexpr uint32_t kModelId = 0x{interface.model_id:08x};

// Symbols of a frame: rows x columns x sent channels.
inline constexpr uint32_t kSymbolCount = {symbols};

// Weight of the local answer, in units of 2^-15.
inline constexpr uint16_t kAlphaQ15 = {interface.alpha_q15};

// A local logit is (q - zero point) * scale; the scale is in units of 2^-24.
inline constexpr int32_t kLocalScaleQ24 = {local_scale_q24(logits.scale)};
inline constexpr int32_t kLocalZeroPoint = {logits.zero_point};

extern const char* const kClassNames[kClasses];

// Receives the symbols of a feature row: channel after channel, each from left to right.
using SymbolSink = void (*)(void* context, const uint8_t* symbols, uint16_t count);

{begin}

// Takes the next row of raw pixels (kInputRowBytes) and runs every layer as far as rows allow.
void push_row(const uint8_t* pixels, SymbolSink sink, void* context);

// The local answer, kClasses values; valid after row kInputRows - 1.
const int8_t* local_logits();

}}  // namespace agilenn::network
"""


def _rates(graph: Graph, interface: Interface) -> tuple[str, str]:
    """Return the constant that follows kLevels, and the declaration of begin_frame."""
    if not interface.sent_channels:
        constant = "\ninline constexpr uint8_t kRates = 1;  // nothing is quantised to be sent"
        return constant, "// Forgets the previous frame.\nvoid begin_frame();"
    constant = f"\ninline constexpr uint8_t kRates = {graph.rates};"
    if graph.rates == 1:
        return constant, f"// Forgets the previous frame; there is no rate but 0.\n{_BEGIN_FRAME};"
    return (
        f"{constant}  // of the quantiser, 0 is the finest",
        f"""\
// Forgets the previous frame. `rate`, below kRates (else it counts as 0), says how coarsely the
// features of the new one are quantised.
{_BEGIN_FRAME};""",
    )


def weights_header(layer: str, op: Op, code: StageCode) -> str:
    """Return a layer's constants."""
    return f"""\
// Constants of layer '{op.name}'.
#pragma once

#include "row_kernels.hpp"

namespace agilenn::network::{layer} {{

{code.tables.rstrip()}

}}  // namespace agilenn::network::{layer}
"""


def _table(plan: Plan) -> list[str]:
    lines = [f"//   {'layer':<16} {'kind':<16} {'output':>12} {'MACs':>12} {'parameters':>12}"]
    for op in plan.graph.ops:
        shape = "x".join(str(n) for n in plan.graph.tensors[op.output].shape)
        kind = type(op).__name__
        lines.append(
            f"//   {op.name:<16} {kind:<16} {shape:>12} {macs(plan.graph, op):>12,}"
            f" {parameters(op):>12,}"
        )
    return lines


def _struct(name: str, code: StageCode, output: str | None) -> str:
    lines = [f"struct {camel(name)} {{"]
    if output is not None:
        lines.append(f"    using Output = {output};")
    for declaration, value in code.traits:
        lines.append(f"    static constexpr {declaration} = {value};")
    for member, element, table in (
        ("kWeights", "int16_t", "kWeightTable"),
        ("kWeights", "int8_t", "kWeightTable"),
        ("kScales", "kernels::ChannelScale", "kScaleTable"),
        ("kIndexTable", "uint8_t", "kIndexTable"),
        ("kScales", "kernels::Line", "kScaleTable"),
        ("kSteps", "kernels::Line", "kStepTable"),
        ("kLevelTable", "uint8_t", "kLevelTable"),
    ):
        if f"{element} {table}[" in code.tables:
            lines.append(f"    static constexpr const {element}* {member} = {name}::{table};")
    return "\n".join([*lines, "};"])


def _output_type(plan: Plan, node: Node) -> str | None:
    if node.kind in ("window", "add", "pad"):
        assert node.output is not None
        return plan.layouts[node.output].element
    return "int8_t" if node.kind in ("mean", "image-dense") else None


def _functions(plan: Plan) -> list[Function]:
    functions = [f for node in plan.stream.nodes for f in stage_text(plan, node).functions]
    for name, op in plan.stream.vectors:
        functions.append(Function(vector_signature(name, op), vector_body(camel(name), op)))
    return functions


def _signature(prefix: str, function: Function, end: str) -> str:
    head, _, parameters = function.signature.partition("(")
    return fill(0, f"{prefix}{head}(", parameters.removesuffix(")").split(", "), f"){end}")


def layers_header(plan: Plan) -> str:
    """Return `layers.hpp`: the stage functions, in the order in which rows pass."""
    declarations = "\n".join(_signature("", f, ";") for f in _functions(plan))
    return f"""\
// The layers of network '{plan.graph.name}': each function computes one row of one layer.
#pragma once

#include <stdint.h>

#include "row_kernels.hpp"

namespace agilenn::network {{

{declarations}

}}  // namespace agilenn::network
"""


def layers_source(plan: Plan) -> str:
    """Return `layers.cpp`: what the kernels know of each layer, and the stage functions."""
    with_tables = sorted(name for name, code in plan.code.items() if code.tables)
    structs = []
    for node in plan.stream.nodes:
        code = plan.code.get(node.name)
        if code is not None and code.traits:
            structs.append(_struct(node.name, code, _output_type(plan, node)))
    structs += [_struct(name, plan.code[name], "int8_t") for name, _ in plan.stream.vectors]
    stages = [_signature("AGILENN_STAGE ", f, " {") + f"\n{f.body}\n}}" for f in _functions(plan)]
    own = ["row_kernels.hpp", *plan.headers, *(f"weights_{name}.hpp" for name in with_tables)]
    includes = "".join(f'#include "{header}"\n' for header in sorted(own))
    parts = [
        f"// The layers of network '{plan.graph.name}', specialised for their shapes.\n"
        '#include "layers.hpp"\n\n#include <stdint.h>\n\n' + includes,
        "namespace agilenn::network {\n\nnamespace {",
        *structs,
        "}  // namespace",
        *stages,
        "}  // namespace agilenn::network",
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def network_source(plan: Plan, interface: Interface, memory: Memory) -> str:
    """Return `network.cpp`: the rows in memory, and which layer runs when."""
    stages = [stage_text(plan, node) for node in plan.stream.nodes]
    parts = [
        f"// The row stream of network '{plan.graph.name}'.\n//\n" + "\n".join(_table(plan)),
        '#include "network.hpp"\n\n#include <stdint.h>\n\n#include "layers.hpp"\n'
        '#include "row_kernels.hpp"',
        "namespace agilenn::network {",
        "// clang-format off\nconst char* const kClassNames[kClasses] = {\n"
        + "\n".join(f"    {_quoted(name)}," for name in interface.classes)
        + "\n};\n// clang-format on",
        "namespace {",
        *_state(plan, memory),
        *(stage.advance for stage in reversed(stages)),
        "}  // namespace",
        _interface_functions(plan),
        "}  // namespace agilenn::network",
    ]
    # The table above the includes is the file's comment, so no blank line parts them.
    return "\n".join(parts[:2]) + "\n\n" + "\n\n".join(parts[2:]) + "\n"


def _state(plan: Plan, memory: Memory) -> list[str]:
    rates = plan.graph.rates > 1
    own = "\n".join(buffer.declaration for buffer in memory.own)
    counters = "\n".join(f"    int16_t {node.name};" for node in plan.stream.nodes)
    return [
        "// Rolling rows, running sums and vectors.\n" + own,
        *_shared(memory),
        *(["// Rate of the quantiser in this frame.\nuint8_t frame_rate = 0;"] if rates else []),
        f"// Rows finished in this frame.\nstruct Progress {{\n{counters}\n}};\nProgress done;",
        "// Where symbols go while a row is pushed.\n"
        "struct Output {\n    SymbolSink sink;\n    void* context;\n};\nOutput output;",
    ]


def _shared(memory: Memory) -> list[str]:
    """Return the union of the input rows and of what later layers need during a call."""
    if memory.input_rows is None:
        return []
    names = [(buffer, f"shared.later.scratch.{buffer.name}") for buffer in memory.scratch]
    lines = [
        "// Input rows are read as soon as a block of them is complete; what later layers need",
        "// during a call lies in the same place.",
    ]
    later = []
    if memory.scratch:
        members = "\n".join(f"    {buffer.declaration}" for buffer in memory.scratch)
        lines.append(f"union Scratch {{\n{members}\n}};")
        later.append("    Scratch scratch;")
    if memory.symbols is not None:
        later.append(f"    {memory.symbols.declaration}")
        names.append((memory.symbols, f"shared.later.{memory.symbols.name}"))
    if later:
        lines.append("struct Later {\n" + "\n".join(later) + "\n};")
    members = f"    {memory.input_rows.declaration}\n" + ("    Later later;\n" if later else "")
    lines.append(f"union Shared {{\n{members}}};\n{memory.section}Shared shared;")
    names.insert(0, (memory.input_rows, f"shared.{memory.input_rows.name}"))
    lines += [f"auto& {buffer.name} = {place};" for buffer, place in names]
    return ["\n".join(lines)]


def _interface_functions(plan: Plan) -> str:
    source = plan.stream.nodes[0]
    resets = []
    for node in plan.stream.nodes:
        if node.kind == "mean" and node.op is not None:
            channels = plan.graph.tensors[node.op.output].channels
            resets.append(f"    kernels::clear({node.name}_sums, {channels});")
        elif node.kind == "image-dense":
            resets.append(f"    {node.name}_begin({node.name}_sums);")
    reset = "".join(line + "\n" for line in resets)
    begin = "void begin_frame()"
    if plan.graph.rates > 1:
        begin = "void begin_frame(uint8_t rate)"
        reset += "    frame_rate = rate < kRates ? rate : 0;\n"
    elif plan.stream.lookup is not None:
        begin = "void begin_frame(uint8_t)"
    return f"""\
{begin} {{
    done = Progress{{}};
{reset}}}

void push_row(const uint8_t* pixels, SymbolSink sink, void* context) {{
    if (done.{source.name} >= kInputRows) {{
        return;
    }}
    output = Output{{sink, context}};
    advance_{source.name}(pixels);
}}

const int8_t* local_logits() {{ return {logits_buffer(plan)}; }}"""


def logits_buffer(plan: Plan) -> str:
    """Return the name of the vector that holds the logits."""
    wanted = plan.graph.outputs[0]
    for name, op in plan.stream.vectors:
        if op.output == wanted:
            return f"{name}_values"
    for node in plan.stream.nodes:
        if node.op is not None and node.op.output == wanted:
            return f"{node.name}_values"
    raise KeyError(wanted)
