"""The emitted module as a process of its own, with a real TensorFlow graph."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from agilenn_cc.emit.server import emit_server, module_name
from agilenn_cc.serve import ServeError, ServerMeta, load_module, protocol


@pytest.fixture(scope="module")
def graphdef():
    import tensorflow as tf

    weights = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    graph = tf.Graph()
    with graph.as_default():
        features = tf.compat.v1.placeholder(tf.float32, [None, 4, 5, 3], name="features")
        flat = tf.reshape(features, [-1, 60])
        tf.identity(tf.matmul(flat, tf.constant(weights)), name="logits")
    return graph.as_graph_def().SerializeToString()


@pytest.fixture
def module(meta, graphdef, tmp_path):
    for path, content in emit_server(meta, graphdef).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return tmp_path / "tiny_server"


def start(module, *arguments):
    # Isolated mode would hide the module; an empty PYTHONPATH keeps the checkout out of sight.
    environment = {**os.environ, "PYTHONPATH": ""}
    return subprocess.Popen(
        [sys.executable, "-m", module.name, "--host", "127.0.0.1", *arguments],
        cwd=module.parent,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def ready_port(process):
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    for line in process.stderr:
        if match := re.match(r"ready address=127\.0\.0\.1:(\d+) model=0x12345678", line):
            watchdog.cancel()
            return int(match[1])
    pytest.fail("the server did not start")


def test_it_answers_and_stops_on_sigterm(module, request_of, symbols, expected, connect):
    process = start(module, "--port", "0")
    client = connect(ready_port(process))
    client.send(*request_of(symbols))
    _, logits = protocol.parse_answer(client.receive())
    assert np.abs(logits - expected(symbols)).max() <= 0.51
    process.send_signal(signal.SIGTERM)
    errors = process.stderr.read()
    assert process.wait(20) == 0
    last = errors.strip().splitlines()[-1]
    assert last.startswith("stopped ")
    assert json.loads(last.removeprefix("stopped "))["answered"] == 1
    assert "Traceback" not in errors


def test_a_port_in_use_ends_with_a_hint_and_exit_code_7(module):
    from agilenn_cc.serve import bind

    with bind("127.0.0.1", 0) as taken:
        process = start(module, "--port", str(taken.getsockname()[1]))
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 7
    assert "in use" in errors
    assert "hint: " in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("argument", [["--port", "70000"], ["--gap-ms", "x"], ["--once", "0"]])
def test_wrong_usage_ends_with_exit_code_2(module, argument):
    process = start(module, *argument)
    process.communicate(timeout=60)
    assert process.returncode == 2


def test_the_module_imports_nothing_of_the_package(module):
    for source in module.glob("*.py"):
        assert not re.search(r"^\s*(from|import) agilenn_cc", source.read_text(), re.MULTILINE)


def test_importing_the_runtime_does_not_load_tensorflow():
    code = "import sys, agilenn_cc.serve; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_emission_is_deterministic_and_names_are_importable(meta, graphdef):
    assert emit_server(meta, graphdef) == emit_server(meta, graphdef)
    assert module_name("digits") == "digits_server"
    assert module_name("3-d net").isidentifier()


def test_metadata_survive_the_way_through_the_file(module, meta, graphdef):
    assert load_module(module) == (meta, graphdef)


@pytest.mark.parametrize(
    "damage",
    [
        lambda m: (m / "metadata.json").unlink(),
        lambda m: (m / "remote_net.pb").unlink(),
        lambda m: (m / "metadata.json").write_text("{"),
        lambda m: (m / "metadata.json").write_text("[]"),
        lambda m: (m / "metadata.json").write_bytes(b"\xff\xfe"),
        lambda m: (m / "remote_net.pb").write_bytes(b"other"),
        lambda m: shutil.rmtree(m),
    ],
)
def test_a_damaged_module_says_what_to_do(module, damage):
    damage(module)
    with pytest.raises(ServeError) as caught:
        load_module(module)
    assert "build" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"levels": (1.0, 0.0)}, "ascend"),
        ({"modal_levels": (0, 1)}, "modal level"),
        ({"modal_levels": (0, 1, 4)}, "codebook"),
        ({"codec": "zip"}, "codec"),
        ({"classes": ()}, "classes"),
        ({"model_id": 1 << 32}, "model_id"),
    ],
)
def test_metadata_that_contradict_themselves_are_refused(meta, change, what):
    with pytest.raises(ValueError, match=what):
        ServerMeta(**{**meta.__dict__, **change})


def test_a_graph_that_does_not_fit_its_metadata_is_refused(meta, graphdef):
    from agilenn_cc.serve.model import load_remote_net

    with pytest.raises(ServeError, match="logits"):
        load_remote_net(graphdef, ServerMeta(**{**meta.__dict__, "classes": ("a", "b", "c")}), 1)
    with pytest.raises(ServeError, match="does not take features"):
        load_remote_net(graphdef, ServerMeta(**{**meta.__dict__, "rows": 5}), 1)
    with pytest.raises(ServeError, match="cannot be loaded"):
        load_remote_net(b"no graph", meta, 1)
