"""What backend and precision come to: by facts alone, each with its reason."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from glueft.errors import TrainingError
from glueft.system.nvidia import GPU
from glueft.training import engine_choice, installed_backends
from glueft.training.engine_choice import (
    Choice,
    Device,
    Facts,
    RunEngine,
    choose_backend,
    choose_precision,
    device_in_use,
    expected_device,
    unused_gpu,
)
from glueft.training.installed_backends import cuda_version, has_cuda

ALL = ("tensorflow", "jax", "torch")
H100 = GPU("GPU-1", 80 * 2**30, "NVIDIA H100", (9, 0))
T4 = GPU("GPU-2", 16 * 2**30, "Tesla T4", (7, 5))
UNKNOWN = GPU("0", None)
FACTS = Facts(installed=ALL)
FAST = Facts(installed=ALL, bfloat16="AMX")
ON_GPU = Facts(installed=ALL, cuda=ALL, gpus=(H100,))


@pytest.mark.parametrize(
    ("facts", "run", "backend", "reason"),
    [
        (FACTS, None, "tensorflow", "no NVIDIA GPU is visible"),
        (Facts(installed=("jax", "torch")), None, "jax", "and TensorFlow is not installed"),
        (Facts(installed=("torch",)), None, "torch", "and TensorFlow is not installed"),
        (ON_GPU, None, "jax", "an NVIDIA GPU is visible, and JAX is installed with CUDA"),
        (Facts(installed=ALL, cuda=("tensorflow", "torch"), gpus=(T4,)), None, "tensorflow", "TensorFlow is installed"),
        (
            Facts(installed=ALL, cuda=("torch",), gpus=(H100,)),
            None,
            "tensorflow",
            "only PyTorch can use",
        ),
        (Facts(installed=ALL, gpus=(H100,)), None, "tensorflow", "pip install 'glueft[jax-cuda]'"),
        (Facts(installed=ALL, cuda=ALL), None, "tensorflow", "no NVIDIA GPU is visible"),
        # What the user says comes first.
        (Facts(variable="torch", configured="jax", cuda=ALL, gpus=(H100,)), None, "torch", "KERAS_BACKEND says so"),
        (Facts(configured="torch", cuda=ALL, gpus=(H100,)), None, "torch", "keras.json says so"),
        (Facts(imported="torch", variable="jax", installed=ALL), None, "torch", "Keras is imported already"),
        # A run that goes on keeps its own; one whose model is used again has it where it is installed.
        (Facts(variable="torch", installed=ALL), RunEngine("jax", goes_on=True), "jax", "was begun with it"),
        (ON_GPU, RunEngine("tensorflow"), "tensorflow", "the run was computed with it"),
        (Facts(variable="torch", installed=ALL), RunEngine("jax"), "torch", "KERAS_BACKEND says so"),
        (Facts(installed=("tensorflow",)), RunEngine("jax"), "tensorflow", "no NVIDIA GPU is visible"),
        (FACTS, RunEngine(None, goes_on=True), "tensorflow", "no NVIDIA GPU is visible"),
    ],
)
def test_what_auto_comes_to(facts: Facts, run: RunEngine | None, backend: str, reason: str) -> None:
    choice = choose_backend("auto", facts, run)
    assert choice.value == backend and reason in choice.reason


def test_what_the_recipe_names_is_taken() -> None:
    assert choose_backend("torch", ON_GPU) == Choice("torch", "the recipe says so")
    assert choose_backend("jax", Facts(variable="torch"), RunEngine("tensorflow", goes_on=True)).value == "jax"
    assert choose_precision("mixed_float16", "tensorflow", FACTS).value == "mixed_float16"


@pytest.mark.parametrize(
    ("setting", "run", "message"),
    [
        ("jax", None, 'the recipe wants the backend "jax", and Keras is imported already on another'),
        ("auto", RunEngine("jax", goes_on=True), 'the run was begun with the backend "jax", and Keras is imported'),
    ],
)
def test_keras_is_not_changed_in_a_process(setting: str, run: RunEngine | None, message: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        choose_backend(setting, Facts(imported="tensorflow", installed=ALL), run)
    assert caught.value.received == "Keras on tensorflow" and "new process" in caught.value.fix


def test_without_any_backend() -> None:
    with pytest.raises(TrainingError, match="no backend of Keras is installed") as caught:
        choose_backend("auto", Facts(installed=()))
    assert "pip install tensorflow" in caught.value.fix and "glueft[jax-cuda]" in caught.value.fix


@pytest.mark.parametrize(
    ("backend", "facts", "device", "precision", "reason"),
    [
        ("tensorflow", FACTS, None, "float32", "no NVIDIA GPU is used"),
        ("jax", ON_GPU, None, "mixed_bfloat16", "NVIDIA H100 has the compute capability 9.0"),
        ("jax", Facts(installed=ALL, cuda=ALL, gpus=(T4,)), None, "float32", "Tesla T4 has the compute capability 7.5"),
        ("jax", Facts(installed=ALL, cuda=ALL, gpus=(H100, T4)), None, "float32", "7.5"),
        ("jax", Facts(installed=ALL, cuda=ALL, gpus=(UNKNOWN,)), None, "float32", "is not known"),
        ("tensorflow", Facts(installed=ALL, cuda=("jax",), gpus=(H100,)), None, "float32", "no NVIDIA GPU is used"),
        # Once the backend is imported, what it computes on counts.
        ("jax", ON_GPU, Device(is_cuda=False), "float32", "no NVIDIA GPU is used"),
        ("jax", Facts(gpus=(UNKNOWN,)), Device(True, "A100", (8, 0)), "mixed_bfloat16", "A100"),
        # On a CPU, where it is faster.
        ("tensorflow", FAST, None, "mixed_bfloat16", "the processor multiplies bfloat16 faster (AMX)"),
        ("jax", FAST, Device(is_cuda=False), "mixed_bfloat16", "(AMX)"),
        ("jax", replace(ON_GPU, bfloat16="AMX"), Device(is_cuda=False), "mixed_bfloat16", "(AMX)"),
        ("tensorflow", FACTS, Device(is_cuda=False), "float32", "the processor multiplies bfloat16 no faster"),
        (
            "jax",
            Facts(slow_by="ONEDNN_MAX_CPU_ISA=AVX2"),
            None,
            "float32",
            "ONEDNN_MAX_CPU_ISA=AVX2 keeps the processor",
        ),
        ("torch", FAST, None, "float32", "no NVIDIA GPU is used, and on a CPU PyTorch computes in float32"),
        ("tensorflow", replace(FAST, onednn=False), None, "float32", "TF_ENABLE_ONEDNN_OPTS keeps TensorFlow from"),
        ("jax", replace(FAST, onednn=False), None, "mixed_bfloat16", "(AMX)"),
        ("jax", FAST, Device(is_cuda=False, is_other=True), "float32", "no NVIDIA GPU is used"),
        ("jax", replace(FAST, cuda=ALL, gpus=(T4,)), None, "float32", "Tesla T4 has the compute capability 7.5"),
    ],
)
def test_what_precision_comes_to(
    backend: str, facts: Facts, device: Device | None, precision: str, reason: str
) -> None:
    choice = choose_precision("auto", backend, facts, device=device)
    assert choice.value == precision and reason in choice.reason
    before = choose_precision("auto", backend, facts, RunEngine("jax", "mixed_float16"), device=device)
    assert before == Choice("mixed_float16", "the run was computed in it")


def test_steps_that_xla_compiles_for_tensorflow_are_in_float32() -> None:
    choice = choose_precision("auto", "tensorflow", FAST, jit_compile=True)
    assert choice.value == "float32" and "steps that XLA compiles for TensorFlow are in float32" in choice.reason
    assert choose_precision("auto", "jax", FAST, jit_compile=True).value == "mixed_bfloat16"
    assert choose_precision("auto", "tensorflow", ON_GPU, jit_compile=True).value == "mixed_bfloat16"
    assert choose_precision("mixed_bfloat16", "tensorflow", FAST, jit_compile=True).value == "mixed_bfloat16"


def test_a_precision_in_which_tensorflow_would_crash_is_refused() -> None:
    facts = Facts(installed=ALL, kept_from_onednn={"bfloat16": "ONEDNN_MAX_CPU_ISA=AVX2"})
    for setting, run in (("mixed_bfloat16", None), ("auto", RunEngine("tensorflow", "mixed_bfloat16"))):
        with pytest.raises(TrainingError, match="TensorFlow would crash in mixed_bfloat16") as caught:
            choose_precision(setting, "tensorflow", facts, run)
        assert "ONEDNN_MAX_CPU_ISA=AVX2, and mixed_bfloat16 (the r" in caught.value.received
        assert "unset ONEDNN_MAX_CPU_ISA" in caught.value.fix and "--precision float32" in caught.value.fix
        assert choose_precision(setting, "jax", facts, run).value == "mixed_bfloat16"
        assert choose_precision(setting, "tensorflow", replace(facts, onednn=False), run).value == "mixed_bfloat16"
        on_gpu = Device(True, "NVIDIA H100", (9, 0))
        assert choose_precision(setting, "tensorflow", facts, run, device=on_gpu).value == "mixed_bfloat16"
    assert choose_precision("mixed_float16", "tensorflow", facts).value == "mixed_float16"
    assert choose_precision("auto", "tensorflow", facts).value == "float32"


def test_a_gpu_that_is_left_alone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    cpu, cuda = Device(is_cuda=False), Device(True, "NVIDIA H100", (9, 0))
    told = "JAX computes on the CPU, although NVIDIA H100 is visible: `glueft env` says why"
    assert unused_gpu("jax", ON_GPU, cpu) == told
    assert unused_gpu("jax", ON_GPU, cuda) is unused_gpu("jax", FACTS, cpu) is None
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert unused_gpu("jax", ON_GPU, cpu) is None
    assert unused_gpu("tensorflow", ON_GPU, cpu) is not None


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that takes the place of those that are installed, for the backends alone."""
    find = installed_backends.importlib.util.find_spec

    def found(name: str) -> object:
        folder = tmp_path / name
        if name not in (*ALL, "jax_plugins"):
            return find(name)
        return SimpleNamespace(submodule_search_locations=[str(folder)]) if folder.is_dir() else None

    monkeypatch.setattr("glueft.training.installed_backends.importlib.util.find_spec", found)
    for name in installed_backends.JAX_PLATFORMS:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_jax_has_cuda_by_its_plugin(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_cuda("jax")
    write(packages / "jax_plugins" / "xla_cuda13" / "__init__.py")
    assert not has_cuda("jax"), "there is no JAX"
    write(packages / "jax" / "__init__.py")
    assert has_cuda("jax") and cuda_version("jax") == 13
    for platforms, used in (("cpu", False), ("cuda,cpu", True), ("gpu", True), ("", True), ("tpu", False)):
        monkeypatch.setenv("JAX_PLATFORMS", platforms)
        assert has_cuda("jax") == used, platforms


BUILD = (
    "build_info = collections.OrderedDict([('cuda_version', '12.5.1'), ('cudnn_version', '9'), ('is_cuda_build', {})])"
)


def test_tensorflow_has_cuda_with_its_libraries(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries: list[str] = []
    there: set[str] = set()

    def opened(name: str) -> None:
        libraries.append(name)
        if name not in there:
            raise OSError(name)

    monkeypatch.setattr("glueft.training.installed_backends.ctypes.CDLL", opened)
    installed: set[str] = set()
    monkeypatch.setattr("glueft.training.installed_backends._has_package", installed.__contains__)
    assert not has_cuda("tensorflow")
    write(packages / "tensorflow" / "python" / "platform" / "build_info.py", BUILD.format(True))
    assert not has_cuda("tensorflow") and libraries == ["libcudart.so.12"]
    assert cuda_version("tensorflow") == 12
    there |= {"libcudart.so.12", "libcublas.so.12", "libcudnn.so.9"}
    assert has_cuda("tensorflow")
    there.clear()
    installed |= set(installed_backends.TENSORFLOW_PACKAGES)
    assert has_cuda("tensorflow")
    write(packages / "tensorflow" / "python" / "platform" / "build_info.py", BUILD.format(False))
    assert not has_cuda("tensorflow") and cuda_version("tensorflow") is None, "the wheel for the processor alone"


def test_pytorch_has_cuda_by_its_build(packages: Path) -> None:
    assert not has_cuda("torch")
    for cuda, has in (("'12.8'", True), ("None", False)):
        write(packages / "torch" / "version.py", f"__version__ = '2.9'\ncuda: Optional[str] = {cuda}\nhip = None\n")
        assert has_cuda("torch") == has and cuda_version("torch") == (12 if has else None)


def test_the_facts_of_a_process(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nvidia-smi is asked as often as the GPUs that may be seen change, and CUDA looked for where there are any."""
    write(packages / "jax" / "__init__.py")
    write(packages / "jax_plugins" / "xla_cuda12" / "__init__.py")
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(packages))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("PATH", str(packages))
    asked: list[str | None] = []

    def gpus(environment: dict[str, str]) -> list[GPU]:
        asked.append(environment.get("CUDA_VISIBLE_DEVICES"))
        return [] if environment.get("CUDA_VISIBLE_DEVICES") == "-1" else [H100]

    monkeypatch.setattr(engine_choice, "visible_gpus", gpus)
    monkeypatch.setattr(engine_choice, "fast_bfloat16", lambda: "AMX")
    monkeypatch.setattr(engine_choice, "kept_from_fast_bfloat16", lambda: None)
    monkeypatch.setattr(engine_choice, "kept_from_onednn", dict)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    facts = engine_choice.facts_here()
    assert facts == engine_choice.facts_here() == Facts(installed=("jax",), cuda=("jax",), gpus=(H100,), bfloat16="AMX")
    assert choose_backend("auto", facts).value == "jax"
    assert expected_device("jax", facts) == Device(True, "NVIDIA H100", (9, 0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert engine_choice.facts_here() == Facts(installed=("jax",), bfloat16="AMX", onednn=False)
    assert asked == [None, "-1"]
    (packages / "keras.json").write_text(json.dumps({"backend": "torch"}))
    monkeypatch.setenv("KERAS_BACKEND", "")
    assert engine_choice.facts_here().configured == "torch" and engine_choice.facts_here().variable is None
    assert "KERAS_BACKEND" in os.environ


@pytest.mark.parametrize(
    ("devices", "device"),
    [
        ([("cpu", "cpu", None)], Device(is_cuda=False)),
        ([("gpu", "NVIDIA H100", "9.0"), ("gpu", "Tesla T4", "7.5")], Device(True, "Tesla T4", (7, 5))),
        ([("gpu", "AMD Instinct", "gfx942")], Device(is_cuda=False, is_other=True)),
    ],
)
def test_what_jax_computes_on(
    devices: list[tuple[str, str, str | None]], device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [SimpleNamespace(platform=kind, device_kind=name, compute_capability=has) for kind, name, has in devices]
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=lambda: found))
    assert device_in_use("jax") == device


def test_what_tensorflow_and_pytorch_compute_on(monkeypatch: pytest.MonkeyPatch) -> None:
    details = {"device_name": "NVIDIA A100", "compute_capability": (8, 0)}
    config = SimpleNamespace(
        list_physical_devices=lambda kind: [0], experimental=SimpleNamespace(get_device_details=lambda gpu: details)
    )
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
    assert device_in_use("tensorflow") == Device(True, "NVIDIA A100", (8, 0))
    config.list_physical_devices = lambda kind: []
    assert device_in_use("tensorflow") == Device(is_cuda=False)
    cuda = SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 2,
        get_device_name=["RTX 5090", "RTX 4090"].__getitem__,
        get_device_capability=[(12, 0), (8, 9)].__getitem__,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, version=SimpleNamespace(cuda="12.8")))
    assert device_in_use("torch") == Device(True, "RTX 4090", (8, 9))
    assert device_in_use("openvino") == Device(is_cuda=False)


@pytest.mark.parametrize(
    ("error", "received"),
    [(RuntimeError("Unable to initialize backend 'cuda'\nmore"), "'cuda'"), (AssertionError(), "AssertionError")],
)
def test_a_backend_that_finds_no_device_is_told(
    error: Exception, received: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def devices() -> None:
        raise error

    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=devices))
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(TrainingError, match="JAX cannot be used here") as caught:
        device_in_use("jax")
    assert received in caught.value.received and "more" not in caught.value.received
    assert caught.value.fix == "`glueft env` says more; JAX_PLATFORMS=cuda may be why"
