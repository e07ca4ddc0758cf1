"""The backend: known before Keras is imported, imported without side packages, and what TensorFlow is told."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from glueft.errors import TrainingError
from glueft.recipe import load_recipe
from glueft.training import backend, engine_choice, machine
from glueft.training.backend import JitDecision, decide_jit_compile, keras_backend, missing, use_backend
from glueft.training.engine_choice import RunEngine
from glueft.training.progress import Progress
from glueft.training.session import read_session
from python_process import run_python


def forget_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if neither Keras was imported in this process, nor a backend chosen."""
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr("glueft.training.backend._chosen", None)


def test_what_is_compiled() -> None:
    decision = decide_jit_compile("auto")
    assert decision.compiled == (keras.backend.backend() == "jax")
    assert keras.backend.backend() in decision.reason.lower()
    for wish in (True, False):
        assert decide_jit_compile(wish) == JitDecision(wish, "the recipe says so")


def test_a_gpu_gets_fewer_padded_lengths(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe(
        "mrpc", ["engine.jit_compile=true", "training.epochs=40"], sample=True, checkpoint=str(tiny_bert)
    )
    counts = []
    for cuda in (set(), {keras_backend()}):
        monkeypatch.setattr(
            backend, "facts_here", lambda cuda=cuda: replace(engine_choice.facts_here(), cuda=tuple(cuda))
        )
        lengths = read_session(recipe, Progress()).batches.buckets
        assert lengths is not None
        counts.append(len(lengths))
    assert counts[0] > counts[1] >= 1


def test_padded_lengths_without_a_compiler(tiny_bert: Path) -> None:
    """Some training batches share one, so that oneDNN has less to prepare; a run from before that keeps its own."""
    recipe = load_recipe("mrpc", ["engine.jit_compile=false"], sample=True, checkpoint=str(tiny_bert))
    session = read_session(recipe, Progress())
    described = session.describe_engine()
    assert described["widths"] is None and described["training_widths"] == session.batches.buckets.tolist()
    assert all(batches.buckets is None for batches in session.evaluation.values())

    own = read_session(recipe, Progress(), run=RunEngine(keras_backend(), "float32", goes_on=True))
    assert own.batches.buckets is None and own.describe_engine()["training_widths"] is None
    assert 1 < len(described["training_widths"]) < len(np.unique(own.batches.shapes()[:, 1]))
    begun = RunEngine(keras_backend(), "float32", None, described["training_widths"], goes_on=True)
    again = read_session(recipe, Progress(), run=begun).describe_engine()
    assert {name: again[name] for name in ("widths", "training_widths")} == {
        "widths": None,
        "training_widths": described["training_widths"],
    }


@pytest.mark.filterwarnings("ignore:Model doesn't support `jit_compile=True`")
def test_a_model_that_keras_cannot_compile_is_told(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras.src.trainers.trainer.model_supports_jit", lambda model: False)
    wish = ["engine.jit_compile=true", "data.limit_train=8", "data.limit_validation=8"]
    session = read_session(load_recipe("mrpc", wish, checkpoint=str(tiny_bert), sample=True), Progress())
    session.load()
    assert not session.model.jit_compile
    described = session.describe_engine()
    assert described["jit_compile"] is False and "cannot compile" in described["jit_compile_reason"]


@pytest.mark.parametrize(
    ("named", "configured", "backend"),
    [
        (None, None, "tensorflow"),
        (None, '{"backend": "torch"}', "torch"),
        (None, '{"backend": "tensorflow"}', "tensorflow"),
        ("", '{"backend": "torch"}', "torch"),
        ("jax", '{"backend": "torch"}', "jax"),
        ("jax", None, "jax"),
        (None, '{"floatx": "float32"}', "tensorflow"),
        (None, "no JSON", "tensorflow"),
    ],
)
def test_the_backend_is_known_before_keras_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, configured: str | None, backend: str
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if named is not None:
        monkeypatch.setenv("KERAS_BACKEND", named)
    if configured is not None:
        (tmp_path / "keras.json").write_text(configured)
    forget_keras(monkeypatch)
    assert keras_backend() == backend


def test_it_is_the_one_that_keras_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keras_backend() == keras.backend.backend()
    forget_keras(monkeypatch)
    assert keras_backend() == keras.backend.backend()


IMPORTED = """
import json, sys
from glueft.training.backend import SIDE_PACKAGES, import_backend
import_backend()
import_backend()
told = [sys.modules["keras"].backend.backend(), [name for name in SIDE_PACKAGES if name in sys.modules]]
"""
# What run.json says of oneDNN, and whether TensorFlow uses it.
ONEDNN = """
from glueft.training.backend import Choice, describe_backend
from tensorflow.python.util import _pywrap_util_port
told_of = describe_backend(Choice("tensorflow", ""), Choice("float32", ""), jit_compile=False)
onednn = [told_of["onednn"], _pywrap_util_port.IsMklEnabled()]
"""
USABLE = """
import keras, matplotlib.pyplot, sklearn.metrics
usable = [sklearn.metrics.accuracy_score([1, 0], [1, 1]), keras.visualization is not None]
print(json.dumps([told, usable, onednn]))
"""


@pytest.mark.parametrize(
    ("name", "received"),
    [
        ("torch", "one that is not installed"),
        ("numpy", "one that does not train"),
        ("theano", "none of Keras's backends"),
    ],
)
def test_a_backend_that_cannot_be_had(name: str, received: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_keras(monkeypatch)
    monkeypatch.setenv("KERAS_BACKEND", name)
    monkeypatch.setattr("glueft.training.engine_choice.is_installed", lambda name: name != "torch")
    with pytest.raises(TrainingError, match=f'Keras cannot use the backend "{name}" here') as caught:
        use_backend("auto")
    assert caught.value.received == f"{received} (KERAS_BACKEND says so)" and "KERAS_BACKEND" in str(caught.value.fix)
    assert ("pip install torch" in caught.value.fix) == (name == "torch")


@pytest.mark.parametrize("limit", ["KERAS_MAX_EPOCHS=2", "KERAS_MAX_STEPS_PER_EPOCH=5", "KERAS_MAX_EPOCHS="])
def test_a_keras_that_is_to_end_early_is_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_keras(monkeypatch)
    name, _, value = limit.partition("=")
    monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match="Keras is told to end trainings early") as caught:
        use_backend("auto")
    assert caught.value.received == limit and caught.value.fix.startswith("unset it")
    monkeypatch.setenv(name, "0")  # Keras's own word for no limit
    use_backend("tensorflow")


def test_a_keras_that_was_told_in_this_process_to_end_early_is_refused() -> None:
    keras.config.set_max_epochs(2)
    try:
        with pytest.raises(TrainingError, match="Keras is told to end trainings early") as caught:
            use_backend("auto")
    finally:
        keras.config.set_max_epochs(None)
    assert caught.value.received == "KERAS_MAX_EPOCHS=2" and "set_max_epochs(None)" in caught.value.fix


def test_a_run_does_not_go_on_without_its_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_keras(monkeypatch)
    monkeypatch.setattr("glueft.training.engine_choice.is_installed", lambda name: name != "torch")
    with pytest.raises(TrainingError, match='cannot use the backend "torch" here') as caught:
        use_backend("auto", RunEngine("torch", "float32", goes_on=True))
    assert caught.value.received == "one that is not installed (the run was begun with it)"
    assert caught.value.fix == "install it: pip install torch; or start a new run: glueft run RECIPE"


@pytest.mark.slow
def test_tensorflow_comes_alone_with_onednn_and_the_others_can_be_imported_after_it() -> None:
    assert run_python(IMPORTED + ONEDNN + USABLE) == [["tensorflow", []], [0.5, True], ["1", True]]


@pytest.mark.slow  # a process that imports TensorFlow
def test_what_the_user_imported_before_or_chose_stays() -> None:
    """Keras finds the package, and oneDNN is off."""
    found = "sys.modules['keras.src.visualization.plot_image_gallery'].plt is before"
    code = f"import matplotlib.pyplot as before\n{IMPORTED}{ONEDNN}\nprint(json.dumps([told, {found}, onednn]))"
    told = run_python(code, TF_ENABLE_ONEDNN_OPTS="0")
    assert told == [["tensorflow", ["matplotlib"]], True, ["0", False]]


def test_jax_is_imported_where_it_is_the_backend() -> None:
    pytest.importorskip("jax")
    code = f"{IMPORTED}\nimport os\nprint(json.dumps([*told, os.environ['XLA_PYTHON_CLIENT_PREALLOCATE']]))"
    assert run_python(code, KERAS_BACKEND="jax") == ["jax", ["jax"], "false"]


def test_missing_lasts_as_long_as_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with pytest.raises(ZeroDivisionError), missing("colorsys", "json"):
        assert json.loads("1") == 1  # imported before
        with pytest.raises(ModuleNotFoundError):
            import colorsys
        raise ZeroDivisionError
    import colorsys

    assert sys.modules["colorsys"] is colorsys and sys.modules["json"] is json


PREPARED = "from glueft.training.backend import prepare_tensorflow; prepare_tensorflow()"

# Blocks taken and freed by a thread, as those of TensorFlow do it in each step. XLA takes one large one.
PAGES_OF_A_STEP = """
blocks_of_a_step, size = 400, 100 << 10
import ctypes, json, resource, threading
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes, libc.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def step():
    blocks = [libc.malloc(size) for _ in range(blocks_of_a_step)]
    for block in blocks:
        libc.memset(block, 1, size)
    for block in blocks:
        libc.free(block)

def steps():
    step()
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
    print(json.dumps((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 5))

thread = threading.Thread(target=steps)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallopt")
def test_a_step_gets_the_memory_of_the_step_before_it() -> None:
    pages = 400 * (100 << 10) // 4096
    assert run_python(PAGES_OF_A_STEP) > pages / 2, "glibc keeps such heaps by itself now: the setting may go"
    assert run_python(f"{PREPARED}\n{PAGES_OF_A_STEP}") < pages / 100


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallopt")
def test_a_step_of_xla_gets_the_memory_of_the_step_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    one_block = PAGES_OF_A_STEP.replace("= 400, 100 << 10", "= 1, 100 << 20")
    assert run_python(one_block) > (100 << 20) / 4096 / 2, "glibc keeps such blocks by itself now: the settings may go"
    begun = 'from glueft.training.backend import use_backend; use_backend("jax")'
    assert run_python(f"{begun}\n{one_block}") < 100


@pytest.mark.slow
def test_a_tensorflow_that_is_imported_already_is_left_alone() -> None:
    prepared = f"import json, os\nimport tensorflow\n{PREPARED}\nassert 'TF_ENABLE_ONEDNN_OPTS' not in os.environ\n"
    told, used = run_python(f"{prepared}{ONEDNN}print(json.dumps(onednn))")
    assert told == str(int(used))


def test_other_backends_are_left_alone() -> None:
    code = f"{PREPARED}\nfrom glueft.training.backend import Choice, describe_backend\nimport json, os\n"
    code += "told = describe_backend(Choice('jax', ''), Choice('float32', ''), jit_compile=True)['onednn']\n"
    code += "print(json.dumps([os.environ.get('TF_ENABLE_ONEDNN_OPTS'), told]))"
    assert run_python(code, KERAS_BACKEND="jax") == [None, None]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "--xla_gpu_deterministic_ops=true"),
        ("--xla_dump_to=x", "--xla_dump_to=x --xla_gpu_deterministic_ops=true"),
        ("--xla_gpu_deterministic_ops=false", "--xla_gpu_deterministic_ops=false"),
    ],
)
def test_jax_computes_the_same_on_a_gpu_each_time(
    before: str | None, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    if before is not None:
        monkeypatch.setenv("XLA_FLAGS", before)
    backend.prepare_jax()
    assert os.environ.get("XLA_FLAGS") == before, "TensorFlow's is the user's own"
    monkeypatch.setattr(backend, "keras_backend", lambda: "jax")
    backend.prepare_jax()
    assert os.environ["XLA_FLAGS"] == after
    # A switch that glueft sets itself is no difference between machines.
    monkeypatch.setattr(machine, "keras_backend", lambda: "jax")
    switches = machine.describe_machine()["switches"]
    assert switches == ({} if before is None else {"XLA_FLAGS": after.replace(" --xla_gpu_deterministic_ops=true", "")})
