"""An export as a whole: read back before it is kept, put in its place or not at all, with a README that runs."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy
import pytest

from glueft.data.rows import Rows
from glueft.errors import CheckpointError, ExportError
from glueft.export.exporter import describe, export
from glueft.export.format import Format, Package
from glueft.export.formats import FORMATS, find_format
from glueft.export.keras_file import KerasFile
from glueft.export.onnx_file import OnnxFile
from glueft.export.readme import SECOND_TEXTS, TEXTS, readme
from glueft.export.tokenizer_call import TokenizerCall
from glueft.export.transformers_folder import TransformersFolder
from glueft.inference.predictor import SavedModel, load_saved_model
from reference_checkpoints import copy_checkpoint, copy_with_python_tokenizer, edit_tokenizer

SLOW_TO_START = ("keras", "transformers", "saved_model")
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def saved(finished_run: Path) -> SavedModel:
    return load_saved_model(finished_run)


def skip_if_not_installed(form: Format) -> None:
    """Skip where neither the format nor its README can be used."""
    modules = {"transformers": ("torch",), "onnx": ("onnx", "onnxruntime")}.get(form.name, ())
    for module in modules:
        pytest.importorskip(module, reason=f"{module} is not installed")
    if form.name == "saved_model" and not ON_TENSORFLOW:
        pytest.skip("a SavedModel is TensorFlow's")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Slow: a process that imports TensorFlow or PyTorch.
@pytest.mark.parametrize("name", ["onnx", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW_TO_START)])
def test_the_code_of_the_readme_runs(name: str, saved: SavedModel, tmp_path: Path) -> None:
    skip_if_not_installed(FORMATS[name])
    written = export(saved, tmp_path / "out", FORMATS[name])
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "for the task mrpc" in readme and "128 tokens" in readme and 'label 1       "equivalent"' in readme
    described = json.loads((tmp_path / "out" / "export.json").read_text())
    assert described.items() <= written.items()
    assert described["check"]["largest_difference"] <= 1e-4 and described["check"]["rows"] == 11
    # Not where it lies on this machine.
    assert described["checkpoint"] and str(tmp_path.parent) not in json.dumps(described) + readme
    assert described["labels"] == ["not_equivalent", "equivalent"] and described["task"] == "mrpc"
    assert written["files"][described["model_file"]] > 1000

    code = readme.split("```python\n")[1].split("```")[0]
    # glueft is no part of what reads the other formats.
    code += "\nimport sys\nprint('glueft' in sys.modules)"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "out", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *lines, glueft_was_there = done.stdout.splitlines()
    assert (glueft_was_there == "True") is (name == "keras")
    assert len(lines) == len(TEXTS)
    for text, line in zip(TEXTS, lines, strict=True):
        assert line.startswith(text) and line.removeprefix(text).split()[0] in saved.labels


def test_every_format_says_what_it_computes(finished_regression_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    scores = load_saved_model(finished_regression_run)
    written = export(scores, tmp_path / "out", FORMATS["onnx"])
    assert (written["labels"], written["task"], set(written["metrics"])) == ([], "stsb", {"pearson", "spearmanr"})
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "labels        none: the one logit is the score" in readme
    assert "print(text, scores[0])" in readme


def test_a_classifier_that_is_no_runs(tmp_path: Path) -> None:
    source = copy_checkpoint("distilbert", tmp_path / "source")
    written = export(load_saved_model(source), tmp_path / "out", FORMATS["transformers"])
    assert (written["task"], written["checkpoint"], written["metrics"]) == (None, None, None)
    assert (written["labels"], written["max_length"]) == (["no", "yes"], 20)
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "# A text classifier, for one text or two" in readme
    # DistilBERT's class has no such argument.
    assert "return_token_type_ids=False" in readme
    assert [*load_saved_model(tmp_path / "out").labels] == written["labels"]


def test_a_link_out_of_the_models_folder_is_not_followed(saved: SavedModel, tmp_path: Path) -> None:
    model = shutil.copytree(saved.checkpoint.folder, tmp_path / "model")
    (tmp_path / "diary").write_text("private")
    (model / "chat_template.jinja").symlink_to("../diary")
    linked = replace(saved, checkpoint=replace(saved.checkpoint, folder=model))
    with pytest.raises(CheckpointError, match=r"chat_template\.jinja: it is a symbolic link out of its folder"):
        export(linked, tmp_path / "out", find_format("transformers"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("types", [pytest.param(True, marks=pytest.mark.slow), False])
def test_the_call_of_the_readme_gives_what_glueft_reads(types: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    source = copy_checkpoint("bert", tmp_path / "source")
    # Its tokenizer counts segments; without their name among the inputs, neither transformers nor glueft reads them.
    inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if types else [])]
    edit_tokenizer(source, model_input_names=inputs, truncation_side="left", padding_side="left")
    saved = dataclasses.replace(load_saved_model(source), pair=True)
    written = export(saved, tmp_path / "out", FORMATS["onnx"])
    assert written["check"]["rows"] == 11 and written["check"]["largest_difference"] <= 1e-5
    code = (tmp_path / "out" / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert ('inputs["token_type_ids"] = np.zeros_like(inputs["input_ids"])' in code) is not types
    with contextlib.chdir(tmp_path / "out"), contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(code, found := {})
    expected = saved.logits(Rows("rows", (list(TEXTS), list(SECOND_TEXTS)), numpy.array([-1, -1]), saved.labels))
    numpy.testing.assert_allclose(found["logits"], expected, atol=1e-5)
    assert shown.getvalue().startswith(TEXTS[0])
    # Padding is on the right, as glueft has it.
    assert found["inputs"]["attention_mask"][:, 0].all()


@pytest.mark.parametrize("side", ["padding_side", "truncation_side"])
def test_a_tokenizer_that_reads_otherwise_is_no_export(side: str, tmp_path: Path) -> None:
    class OtherSide(KerasFile):
        def write(self, model: Any, tokenizer: Any, folder: Path) -> None:
            super().write(model, tokenizer, folder)
            edit_tokenizer(folder, **{side: "left"})

    saved = load_saved_model(copy_checkpoint("bert", tmp_path / "source"))
    with pytest.raises(ExportError, match="is not what it should be") as caught:
        export(saved, tmp_path / "out", OtherSide())
    assert caught.value.received.startswith("logits that differ by ")


@pytest.mark.parametrize("kind", ["Bertweet", pytest.param("BertJapanese", marks=pytest.mark.slow)])
def test_a_tokenizer_in_python(kind: str, tmp_path: Path) -> None:
    source = copy_with_python_tokenizer(kind, tmp_path / "source", truncation_side="left")
    saved = dataclasses.replace(load_saved_model(source), pair=True)
    written = export(saved, tmp_path / "out", FORMATS["transformers"])
    assert written["check"]["largest_difference"] <= 1e-5
    assert "vocab.txt" in written["files"]


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_labels_are_nothing_but_names_in_the_code(form: Format, saved: SavedModel) -> None:
    hostile = ['a"b', "```\nimport os", "<script>", "\\", "={__import__}", "naïve\u2028"]
    check = {"consumer": "keras", "version": "3", "rows": 11, "largest_difference": 0.0}
    record = describe(saved, form) | {"labels": hostile, "check": check}
    code = readme(form, record, TokenizerCall(128, pair=False)).split("```python\n")[1].split("\n```\n")[0]
    (line,) = [line for line in code.split("\n") if line.startswith("labels = ")]
    found: dict[str, Any] = {}
    exec(line, found)
    assert found["labels"] == hostile
    compile(code, "snippet", "exec")


class WrongFile(KerasFile):
    """Writes a model that computes something else."""

    def write(self, model: Any, tokenizer: Any, folder: Path) -> None:
        bias = model.head.output_dense.bias
        value = numpy.asarray(bias)
        bias.assign(value + numpy.float32(self.off))
        super().write(model, tokenizer, folder)
        bias.assign(value)

    off = 0.001


class NoNumbers(WrongFile):
    off = float("nan")


class BrokenFile(KerasFile):
    """Writes what cannot be read."""

    def write(self, model: Any, tokenizer: Any, folder: Path) -> None:
        (folder / self.model_file).write_text("nothing")


@pytest.mark.parametrize(
    ("form", "received"),
    [(WrongFile(), "differ by 0.001"), (NoNumbers(), "differ by nan"), (BrokenFile(), "ValueError: ")],
)
def test_a_wrong_export_is_not_kept(form: Format, received: str, saved: SavedModel, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is not what it should be, so it was not kept") as caught:
        export(saved, tmp_path / "out", form)
    assert received in caught.value.received
    assert f"from keras {keras.__version__}" in caught.value.expected
    assert names(tmp_path) == []


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes packages look as if they were not installed."""

    def hide(*modules: str) -> None:
        monkeypatch.setattr(Package, "installed", property(lambda package: package.module not in modules))

    return hide


def test_a_missing_package_is_named_with_pip(saved: SavedModel, tmp_path: Path, without: Any) -> None:
    without("onnx", "onnxruntime")
    with pytest.raises(ExportError, match="the format onnx needs the package onnx, which is not installed") as caught:
        export(saved, tmp_path / "out", FORMATS["onnx"])
    assert caught.value.fix == "install it: pip install 'glueft[onnx]'"
    assert names(tmp_path) == []


def test_without_the_consumer_another_reader_checks(saved: SavedModel, tmp_path: Path, without: Any) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    without("onnxruntime", "torch")
    for form, reader, missing in ((OnnxFile(), "onnx", "onnxruntime"), (TransformersFolder(), "glueft", "torch")):
        check = export(saved, tmp_path / form.name, form)["check"]
        assert (check["consumer"], check["missing"]) == (reader, missing)
        assert check["largest_difference"] <= 1e-5


def test_a_saved_model_needs_tensorflow(monkeypatch: pytest.MonkeyPatch, saved: SavedModel, tmp_path: Path) -> None:
    monkeypatch.setattr("glueft.training.backend.keras_backend", lambda: "jax")
    with pytest.raises(ExportError, match="the format saved_model is written with Keras on TensorFlow") as caught:
        export(saved, tmp_path / "out", FORMATS["saved_model"])
    assert (caught.value.received, "KERAS_BACKEND=tensorflow" in caught.value.fix) == ("jax", True)


def test_a_format_that_is_not_there() -> None:
    with pytest.raises(ExportError, match='there is no format called "onx"') as caught:
        find_format("onx")
    assert caught.value.fix == 'did you mean "onnx"?'
    assert caught.value.expected == "one of transformers, keras, saved_model, onnx"
    with pytest.raises(ExportError) as caught:
        find_format("zzzz")
    assert caught.value.fix == "choose one: --format transformers"
