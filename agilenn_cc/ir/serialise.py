"""A graph to bytes and back: canonical JSON for the structure, then raw little-endian arrays."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir.graph import Graph, verify
from agilenn_cc.ir.ops import OP_TYPES, Op
from agilenn_cc.ir.types import TensorType

MAGIC = b"agilenn-graph 1\n"


def save_graph(graph: Graph) -> bytes:
    """Serialise; equal graphs yield equal bytes, on every machine."""
    blobs: list[bytes] = []
    offset = 0

    def encode(value: Any) -> Any:
        nonlocal offset
        if not isinstance(value, np.ndarray):
            return value
        data = value.astype(value.dtype.newbyteorder("<")).tobytes()
        blobs.append(data)
        reference = {"dtype": value.dtype.name, "shape": list(value.shape), "offset": offset}
        offset += len(data)
        return reference

    document = {
        "name": graph.name,
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "tensors": [[name, dataclasses.asdict(t)] for name, t in graph.tensors.items()],
        "ops": [
            {
                "type": type(op).__name__,
                **{f.name: encode(getattr(op, f.name)) for f in dataclasses.fields(op)},
            }
            for op in graph.ops
        ],
    }
    header = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return MAGIC + len(header).to_bytes(4, "little") + header + b"".join(blobs)


def load_graph(data: bytes) -> Graph:
    """Read what `save_graph` wrote and verify it; AgilennError (exit code 4) if it is damaged."""
    try:
        return verify(_parse(data))
    except (ValueError, KeyError, TypeError) as error:
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "ir.unreadable-graph",
            f"the stored network cannot be read: {error}",
            hint="delete the build folder and build again",
        ) from error


def _parse(data: bytes) -> Graph:
    start = len(MAGIC) + 4
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("it does not begin with the graph signature")
    size = int.from_bytes(data[len(MAGIC) : start], "little")
    document = json.loads(data[start : start + size])
    blob = data[start + size :]

    def decode(value: Any) -> Any:
        if isinstance(value, dict):
            dtype = np.dtype(value["dtype"]).newbyteorder("<")
            count = int(np.prod(value["shape"], dtype=np.int64))
            flat = np.frombuffer(blob, dtype=dtype, count=count, offset=value["offset"])
            return flat.reshape(value["shape"])
        return tuple(value) if isinstance(value, list) else value

    def operator(entry: dict[str, Any]) -> Op:
        fields = {key: decode(value) for key, value in entry.items() if key != "type"}
        return OP_TYPES[entry["type"]](**fields)

    return Graph(
        name=document["name"],
        tensors={
            name: TensorType(**{**fields, "shape": tuple(fields["shape"])})
            for name, fields in document["tensors"]
        },
        ops=tuple(operator(entry) for entry in document["ops"]),
        inputs=tuple(document["inputs"]),
        outputs=tuple(document["outputs"]),
    )
