"""Emits the server: a Python module that runs with nothing but NumPy and TensorFlow."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2

from agilenn_cc import serve
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.resources import templates_dir
from agilenn_cc.serve.metadata import METADATA_FILE, REMOTE_NET_FILE, ServerMeta, to_json

__all__ = ["ServerMeta", "emit_server", "module_name"]


def module_name(name: str) -> str:
    """Return the Python module of the model `name`: `digits` gives `digits_server`."""
    identifier = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"{identifier if not identifier[:1].isdigit() else '_' + identifier}_server"


def emit_server(meta: ServerMeta, remote_graphdef: bytes) -> dict[str, bytes]:
    """Return the files of the server, by path below `server/`.

    `remote_graphdef` is a frozen GraphDef: placeholder `features`, float32 [N, rows, columns,
    channels], to `logits`, float32 [N, classes]. The files depend on the arguments alone. Raises
    `AgilennError` if the graph is empty.
    """
    if not remote_graphdef:
        raise AgilennError.of(
            ExitCode.INTERNAL,
            "emit.server.empty-graph",
            "the remote net was frozen to an empty graph",
            hint="this is a defect of agilenn-cc: report it with the spec",
        )
    module = module_name(meta.name)
    files = {
        "README.md": _render("README.md.j2", meta, module),
        "requirements.txt": _render("requirements.txt.j2", meta, module),
        f"{module}/__main__.py": _render("__main__.py.j2", meta, module),
        f"{module}/{METADATA_FILE}": to_json(meta, remote_graphdef),
        f"{module}/{REMOTE_NET_FILE}": remote_graphdef,
    }
    for source in sorted(Path(serve.__file__).parent.glob("*.py")):
        files[f"{module}/{source.name}"] = source.read_bytes()
    return dict(sorted(files.items()))


def _render(template: str, meta: ServerMeta, module: str) -> bytes:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir() / "server"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    text = environment.get_template(template).render(name=meta.name, meta=meta, module=module)
    return text.encode()
