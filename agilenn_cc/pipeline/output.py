"""Writes a proven build: firmware project, server, held-out frames, report, manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from agilenn_cc.cache import digest_bytes
from agilenn_cc.emit.writer import write_tree
from agilenn_cc.pipeline.device import Firmware
from agilenn_cc.pipeline.held_out import FILE as HELD_OUT_FILE
from agilenn_cc.pipeline.held_out import HeldOut
from agilenn_cc.pipeline.identity import ModelIdentity
from agilenn_cc.pipeline.versions import versions
from agilenn_cc.report.html import render_html
from agilenn_cc.report.pictures import Picture
from agilenn_cc.report.schema import Report
from agilenn_cc.spec import Spec
from agilenn_cc.targets import Target


def write_build(
    directory: Path,
    spec: Spec,
    target: Target,
    identity: ModelIdentity,
    firmware: Firmware,
    server: Mapping[str, bytes],
    held_out: HeldOut,
    report: Report,
    timeline: str,
    pictures: Sequence[Picture] = (),
) -> None:
    """Write a build directory as a whole; `server` is empty where the device answers alone."""
    files = {f"project/{name}": data for name, data in firmware.files.items()}
    files |= {f"server/{name}": data for name, data in server.items()}
    files[HELD_OUT_FILE] = held_out.to_bytes()
    manifest = {
        "format": 1,
        "name": spec.name,
        "scheme": report.scheme,
        "target": target.name,
        "seed": spec.seed,
        "model": asdict(identity),
        "model_id": f"{identity.model_id:08x}",
        "spec": spec.canonical(),
        "versions": versions(),
        "phases": dict(firmware.program.phases),
        "files": {name: digest_bytes(data) for name, data in sorted(files.items())},
    }
    files["report.json"] = report.to_json().encode()
    files["report.html"] = render_html(report, timeline, pictures).encode()
    files["manifest.json"] = (json.dumps(manifest, indent=2) + "\n").encode()
    write_tree(files, directory, keep=("project/App/",))
