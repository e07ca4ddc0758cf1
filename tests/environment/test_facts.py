"""What is found of packages, folders, Keras's file, other makers' GPUs and variables."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import pytest

from glueft.environment import accelerators, folders
from glueft.environment.backend_process import Answer
from glueft.environment.facts import _device, gather, variables_that_matter
from glueft.environment.packages import Misfit, installed_packages, misfits
from glueft.training.engine_choice import Device
from glueft.training.keras_file import KerasFile, read_keras_file


def put_package(folder: Path, name: str, version: str, *needs: str) -> None:
    information = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir()
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {need}" for need in needs),
    ]
    (information / "METADATA").write_text("\n".join(lines) + "\n\n")


def test_packages_and_those_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_package(
        tmp_path, "jax", "0.10.2", "jaxlib<=0.10.2,>=0.10.1", "numpy>=2", 'kubernetes; extra == "k8s"', "bad ~ 1"
    )
    put_package(tmp_path, "jaxlib", "0.9.0", 'colorama; sys_platform == "nowhere"')
    put_package(
        tmp_path, "jax-cuda13-plugin", "0.10.2", 'nvidia-cudnn-cu13>=9.8; extra == "with-cuda"',
        'nvidia-nccl-cu13>=2; extra == "with-cuda"',
    )  # fmt: skip
    put_package(tmp_path, "nvidia-cudnn-cu13", "9.1.0")
    put_package(tmp_path, "packaging", "26.0")
    put_package(tmp_path, "glueft", "1.0", "tensorflow>=2.21")
    put_package(tmp_path, "unknown-to-glueft", "1.0", "nothing>=5")

    def only_here(name: str) -> importlib.metadata.Distribution:
        for found in importlib.metadata.distributions(name=name, path=[str(tmp_path)]):
            return found
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", staticmethod(only_here))
    installed = installed_packages()
    assert installed == {
        "glueft": "1.0", "jax": "0.10.2", "jaxlib": "0.9.0", "jax-cuda13-plugin": "0.10.2",
        "nvidia-cudnn-cu13": "9.1.0",
    }  # fmt: skip
    assert misfits(installed) == [
        Misfit("jax", "jaxlib<=0.10.2,>=0.10.1", "0.9.0"),
        Misfit("jax", "numpy>=2", None),
        Misfit("jax-cuda13-plugin", "nvidia-cudnn-cu13>=9.8", "9.1.0"),
    ]


def test_this_environment_fits() -> None:
    installed = installed_packages()
    assert {"glueft", "keras", "numpy", "huggingface-hub"} <= installed.keys()
    assert misfits(installed) == []


def test_the_size_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home/.cache/hub/blobs").mkdir(parents=True)
    (tmp_path / "home/.cache/hub/blobs/a").write_bytes(b"x" * 1000)
    (tmp_path / "home/.cache/hub/link").symlink_to("blobs/a")
    (tmp_path / "home/.cache/hub/up").symlink_to("..")
    size, is_whole = folders._size(tmp_path / "home")
    assert is_whole and 1000 <= size < 1100  # a link counts for itself
    monkeypatch.setattr(folders, "SECONDS", -1.0)
    assert folders._size(tmp_path / "home") == (0, False)


def test_folders_that_are_missing_or_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = {
        folder.holds: folder
        for folder in folders.folders(
            {
                "HF_DATASETS_CACHE": str(tmp_path / "a/b"),
                "KERAS_HOME": str(tmp_path),
                "JAX_COMPILATION_CACHE_DIR": "/xla",
            }
        )
    }
    assert found["JAX programs"].path == "/xla"
    data = found["data sets"]
    assert (data.path, data.bytes, data.can_write) == (str(tmp_path / "a/b"), None, True)
    assert data.free is not None and data.free > 0
    assert found["Keras"].path == str(tmp_path) and found["Keras"].bytes == 0
    assert found["glueft"].path == str(tmp_path / "state/glueft")
    assert found["this folder"].path == str(Path.cwd()) and found["this folder"].bytes is None
    assert {"hub cache", "temporary"} <= found.keys()


def test_the_file_of_keras(tmp_path: Path) -> None:
    here, file = {"KERAS_HOME": str(tmp_path)}, tmp_path / "keras.json"
    assert read_keras_file(here) is None
    file.write_text(json.dumps({"floatx": "float16"}))
    assert read_keras_file(here) == KerasFile(str(file), {"floatx": "float16"})
    file.write_text("[]")
    assert read_keras_file(here) == KerasFile(str(file), {}, "no table of settings")
    file.write_text("")
    assert read_keras_file(here) == KerasFile(str(file), {}, "an empty file")


def test_accelerators_of_all_makers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [
        ("0x10de", "0x030200"), ("0x10de", "0x030000"), ("0x10de", "0x040300"),  # the last is a GPU's sound
        ("0x1002", "0x120000"), ("0x8086", "0x020000"), ("0x1ae0", "0x020000"), ("0x1ae0", "0x088000"),
    ]  # fmt: skip
    for number, (maker, kind) in enumerate(devices):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "vendor").write_text(f"{maker}\n")
        (tmp_path / str(number) / "class").write_text(f"{kind}\n")
    (tmp_path / "gone").mkdir()
    monkeypatch.setattr(accelerators, "DEVICES", tmp_path)
    monkeypatch.setattr(accelerators.sys, "platform", "linux")
    assert accelerators.accelerators() == {"AMD GPU": 1, "Google TPU": 1, "NVIDIA GPU": 2}
    monkeypatch.setattr(accelerators, "DEVICES", tmp_path / "none")
    monkeypatch.setattr(accelerators.sys, "platform", "darwin")
    monkeypatch.setattr(accelerators.platform, "machine", lambda: "arm64")
    assert accelerators.accelerators() == {"Apple GPU": 1}


def test_variables_that_matter_without_secrets() -> None:
    environment = {
        "KERAS_BACKEND": "jax", "HF_TOKEN": "hf_abc", "WANDB_API_KEY": "k", "https_proxy": "http://proxy:1",
        "TF_CLI_CONFIG_FILE": "terraform", "HOME": "/home/ada", "GLUEFT_IMPORT_SECONDS": "5", "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "true", "HUGGINGFACE_HUB_KEY": "secret",
    }  # fmt: skip
    assert variables_that_matter(environment) == {
        "GLUEFT_IMPORT_SECONDS": "5", "HF_HUB_OFFLINE": "1", "HF_TOKEN": "(set)", "HUGGINGFACE_HUB_KEY": "(set)",
        "KERAS_BACKEND": "jax", "TOKENIZERS_PARALLELISM": "true", "https_proxy": "http://proxy:1",
    }  # fmt: skip


def test_a_backend_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "no-such")
    facts = gather(ask_backend=False)
    assert facts.engine.backend is None and facts.engine.fix
    assert '"no-such"' in facts.engine.backend_reason and "(KERAS_BACKEND says so)" in facts.engine.backend_reason
    assert facts.backend is None and facts.variables["KERAS_BACKEND"] == "no-such"


@pytest.mark.parametrize(
    ("devices", "device"),
    [
        ([], Device(is_cuda=False)),
        ([("Tesla T4", "7.5")], Device(True, "Tesla T4", (7, 5))),
        ([("NVIDIA B200", "10.0"), ("NVIDIA L4", "8.9")], Device(True, "NVIDIA L4", (8, 9))),
        ([("AMD Instinct MI300X", "gfx942")], Device(is_cuda=False, is_other=True)),
    ],
)
def test_what_a_backend_computes_on_decides_the_precision(
    devices: list[tuple[str | None, str | None]], device: Device
) -> None:
    told = [{"kind": "gpu", "model": model, "memory": None, "compute_capability": has} for model, has in devices]
    assert _device(Answer("jax", "1", told, 1.0)) == device


def test_a_variable_that_the_client_of_the_hub_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As HF_HUB_ETAG_TIMEOUT=0.5: its constants cannot be imported then."""
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.5")
    for name in ("huggingface_hub", "huggingface_hub.constants"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    facts = gather(ask_backend=False)
    assert facts.hub.is_reachable is False and "ValueError: invalid literal for int()" in facts.hub.answer
    assert "hub cache" not in {folder.holds for folder in facts.folders}


def test_without_the_client_of_the_hub_and_without_packaging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is missing, the command that tells of it goes on."""
    for name in ("huggingface_hub", "packaging", "packaging.requirements"):
        monkeypatch.setitem(sys.modules, name, None)
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version("none" if name == "packaging" else name))
    facts = gather(ask_backend=False)
    assert facts.misfits == [Misfit("keras", "packaging", None)]
    assert facts.hub.is_reachable is False and "huggingface_hub" in facts.hub.answer
    assert "hub cache" not in {folder.holds for folder in facts.folders} and "glueft" in facts.packages
