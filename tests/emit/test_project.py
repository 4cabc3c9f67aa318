"""The emitted project as files: reproducible, relative, ids unique and resolved."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.emit import DeploymentMeta, emit_project, write_tree
from agilenn_cc.emit.project import EmittedProgram
from agilenn_cc.emit.render import cpp_string
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.targets import list_targets, load_target

MakeMeta = Callable[..., DeploymentMeta]


def test_two_emissions_are_equal(program: EmittedProgram, make_meta: MakeMeta) -> None:
    target = load_target("stm32f746")
    first = emit_project(program, make_meta(), target)
    second = emit_project(program, make_meta(), target)
    assert first == second
    assert list(first) == sorted(first)


def test_nothing_of_this_machine_is_emitted(program: EmittedProgram, meta: DeploymentMeta) -> None:
    root = str(Path(__file__).resolve().parents[2]).encode()
    for target in list_targets():
        for path, content in emit_project(program, meta, target).items():
            assert root not in content, path
            assert b"{{" not in content or path.endswith(".cpp"), path
            assert re.search(rb"20[2-9]\d-\d\d-\d\d", content) is None, path


def test_emitting_again_keeps_the_application(
    project: Path, program: EmittedProgram, make_meta: MakeMeta
) -> None:
    name = ET.parse(project / ".project").getroot().findtext("name") or ""
    target = load_target(name.removeprefix("digits-"))
    main = project / "App/main.cpp"
    original = main.read_bytes()
    main.write_bytes(original + b"// mine\n")
    try:
        report = write_tree(emit_project(program, make_meta(deadline_ms=7.0), target), project)
        assert report.written == ("Generated/deployment.hpp",)
        assert main.read_bytes().endswith(b"// mine\n")
    finally:
        main.write_bytes(original)
        write_tree(emit_project(program, make_meta(), target), project)


def _elements(project: Path) -> list[ET.Element]:
    return list(ET.parse(project / ".cproject").getroot().iter())


def test_ids_are_unique_and_resolve(project: Path) -> None:
    elements = _elements(project)
    owned = [
        e.get("id", "")
        for e in elements
        if e.get("id") and e.tag in {"option", "tool", "toolChain", "inputType", "builder",
                                     "targetPlatform", "folderInfo", "cconfiguration", "project"}
    ]  # fmt: skip
    assert len(owned) == len(set(owned))
    numbers = [i.rsplit(".", 1)[1] for i in owned if i.rsplit(".", 1)[1].isdigit()]
    assert len(numbers) == len(set(numbers))
    for element in elements:
        parent_class = element.get("superClass") or element.get("parent")
        if parent_class and element.get("id"):
            assert element.get("id", "").startswith(parent_class + "."), element.get("id")
        for part in element.get("instanceId", "").split(";"):
            assert part == "" or part in owned, part
    configurations = {e.get("id") for e in elements if e.tag == "configuration" and e.get("id")}
    launch = next(project.glob("*.launch"))
    referred = re.search(r'BUILD_CONFIG_ID_ATTR" value="([^"]+)"', launch.read_text())
    assert referred is not None
    assert referred[1] in configurations


def test_configurations_and_natures(project: Path) -> None:
    names = [e.get("name") for e in _elements(project) if e.tag == "configuration" and e.get("id")]
    assert names == ["Debug", "Release"]
    natures = [e.text for e in ET.parse(project / ".project").getroot().iter("nature")]
    assert "org.eclipse.cdt.core.ccnature" in natures
    assert "com.st.stm32cube.ide.mcu.MCURootProjectNature" in natures
    assert not any("Advanced" in (n or "") for n in natures)


def test_paths_exist_and_are_relative(project: Path) -> None:
    text = (project / ".cproject").read_text()
    assert re.search(r'value="(/|[A-Za-z]:\\)', text) is None
    for element in _elements(project):
        if element.tag == "entry":
            assert (project / element.get("name", "?")).is_dir()
        value = element.get("value", "")
        if element.tag == "listOptionValue" and value.startswith("../"):
            assert (project / value.removeprefix("../")).is_dir(), value
            assert " " not in value
        if "option.script" in element.get("superClass", ""):
            script = value.removeprefix("${workspace_loc:/${ProjName}/").removesuffix("}")
            assert (project / script).is_file(), script


def test_tables_of_the_read_me_end_before_the_text(project: Path) -> None:
    lines = (project / "README.md").read_text(encoding="utf-8").splitlines()
    behind = [below for line, below in pairwise(lines) if line.startswith("|") and below[:1] != "|"]
    assert behind
    assert set(behind) == {""}, "Markdown takes a line behind a row for another row"


def test_sources_follow_the_style(project: Path) -> None:
    style = Path(__file__).resolve().parents[2] / ".clang-format"
    sources = [
        str(path)
        for path in sorted(project.rglob("*.?pp"))
        if "Generated/network" not in path.as_posix()
    ]
    subprocess.run(
        ["clang-format", f"--style=file:{style}", "--dry-run", "-Werror", *sources], check=True
    )


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a b"},
        {"codec": "zip"},
        {"levels": 1},
        {"fragment_bytes": 2000},
        {"server_host": 'x", rm'},
        {"server_port": 0},
        {"deadline_ms": 0.0},
        {"baud": 10_000_000},
        {"alpha": 1.5},
        {"class_names": ()},
        {"stack_bytes": 1001},
        {"sample_images": np.zeros((2, 8, 8), np.uint8)},
    ],
)
def test_values_that_cannot_be_emitted_are_refused(
    change: dict[str, object], make_meta: MakeMeta
) -> None:
    with pytest.raises(AgilennError) as caught:
        make_meta(**change)
    assert caught.value.exit_code == ExitCode.SPEC


def test_strings_survive_the_compiler(tmp_path: Path) -> None:
    text = 'quote " backslash \\ percent %s Käse \n7'
    source = tmp_path / "text.cpp"
    source.write_text(
        f"#include <cstdio>\nint main() {{ std::fputs({cpp_string(text)}, stdout); }}\n"
    )
    subprocess.run(["g++", "-o", tmp_path / "text", source], check=True)
    assert (
        subprocess.run([tmp_path / "text"], capture_output=True, check=True).stdout == text.encode()
    )
