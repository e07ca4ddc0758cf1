"""The garbage collector is still until the first step is done, and then as it was."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

import glueft
from glueft.recipe import load_recipe
from glueft.system.gc_pause import gc_paused

WATCH = """
import gc
import glueft

class Watch(glueft.Callback):
    \"\"\"Writes down when the collector is on.\"\"\"
    name = "watch"

    class Options(glueft.Options):
        fail: bool = glueft.Field(False, description="End the run in its first step.")

    def build(self, run):
        import keras

        run.log(kind="watch", at="build", on=gc.isenabled())

        def begin(batch, logs):
            run.log(kind="watch", at=f"step {batch + 1}", on=gc.isenabled())
            if self.options.fail:
                raise glueft.TrainingError("stopped", expected="a step", received="an order", fix="do not fail")

        watch = keras.callbacks.Callback()
        watch.on_train_batch_begin = begin
        return watch

@glueft.hookimpl
def glueft_callbacks():
    return [Watch]
"""


def watched(folder: Path, checkpoint: Path, *, fail: bool = False) -> dict[str, bool]:
    """Run two steps, and say where the collector was on."""
    (folder / "watch.py").write_text(WATCH)
    overrides = ["training.epochs=1", "data.limit_train=16", "data.limit_validation=8"]
    overrides.append(f'callbacks=[{{plugin="watch", fail={str(fail).lower()}}}]')
    plugins = [str(folder / "watch.py")]
    recipe = load_recipe("mrpc", overrides, sample=True, checkpoint=str(checkpoint), plugins=plugins)
    try:
        glueft.run(recipe, output_dir=folder / "runs")
    except glueft.TrainingError:
        assert fail
    (history,) = folder.glob("runs/*/history.jsonl")
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    return {line["at"]: line["on"] for line in lines if line["kind"] == "watch"}


def test_it_is_off_until_the_first_step_is_done(tiny_bert: Path, tmp_path: Path) -> None:
    assert gc.isenabled()
    assert watched(tmp_path, tiny_bert) == {"build": False, "step 1": False, "step 2": True}
    assert gc.isenabled()


def test_it_is_on_again_after_an_error(tiny_bert: Path, tmp_path: Path) -> None:
    assert watched(tmp_path, tiny_bert, fail=True) == {"build": False, "step 1": False}
    assert gc.isenabled()
    with pytest.raises(glueft.GlueftError):
        glueft.run(load_recipe("mrpc", data_dir=str(tmp_path), checkpoint=str(tiny_bert)), output_dir=tmp_path)
    assert gc.isenabled()


def test_who_had_it_off_keeps_it_off() -> None:
    gc.disable()
    try:
        with gc_paused(), gc_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
    with gc_paused():
        with gc_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
