"""The commands that only tell: boards, what is installed, the spec as JSON Schema."""

from __future__ import annotations

import sys

import click

from agilenn_cc.cli.options import json_option
from agilenn_cc.cli.shell import out, out_json
from agilenn_cc.errors import ExitCode
from agilenn_cc.render import human_bytes, table


@click.command()
@json_option
def targets(as_json: bool) -> None:
    """List the boards that firmware can be built for."""
    from agilenn_cc.targets import list_targets

    known = list_targets()
    if as_json:
        out_json([target.model_dump(mode="json") for target in known])
        return
    rows = [
        (
            target.name,
            ", ".join(target.aliases) or "-",
            target.description,
            f"{target.cpu} {target.core_hz // 1_000_000} MHz",
            human_bytes(target.mcu.datasheet.flash),
            human_bytes(target.mcu.datasheet.ram),
        )
        for target in known
    ]
    out(table(("target", "aliases", "board", "core", "flash", "ram"), rows, text_columns=4))


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Tell what is installed, what is missing and what to type."""
    from agilenn_cc.doctor import examine

    findings = tuple(examine())
    if as_json:
        out_json([{**vars(finding), "ok": finding.ok} for finding in findings])
    else:
        for finding in findings:
            mark = click.style("ok", fg="green") if finding.ok else click.style("--", fg="red")
            out(f"{mark}  {finding.name:<32} {finding.found or 'missing: ' + finding.needed_for}")
            if not finding.ok:
                out(f"      {finding.remedy}")
    if any(finding.required and not finding.ok for finding in findings):
        sys.exit(ExitCode.EXTERNAL)


@click.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors that complete and check YAML."""
    from agilenn_cc.spec import spec_json_schema

    out_json(spec_json_schema())
