"""The first-party callbacks of a run that was killed and resumed leave what those of a whole run leave.

Keras's calls are made here one by one, with numbers that depend on the step alone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_callbacks import curves, one_weight

import glueft
from glueft.recipe import load_recipe
from glueft.runs.run import Run

EPOCHS, STEPS = 3, 4
# Of three epochs; with patience 1 the training ends after the third, and the first is kept.
VALUES = [0.5, 0.4, 0.45]


class Part:
    """The part of a run that one process trains, with one callback.

    Attributes:
        callback: the plugin.
        lines: what it has said.
    """

    def __init__(self, folder: Path, table: str) -> None:
        self.lines: list[str] = []
        self.run = Run.of(load_recipe("mrpc", [f"callbacks=[{table}]"]), folder)
        self.run._say = self.lines.append
        self.model = one_weight()
        live: Any = SimpleNamespace(classifier=self.model, learning_rate=lambda step: 1 / step)
        self.run.attach(live)
        (self.callback,) = self.run.recipe.callbacks
        self.keras: Any = self.callback.build(self.run.for_plugins)
        self.keras.set_params({"epochs": EPOCHS})
        self.keras.set_model(self.model)
        self.keras.on_train_begin()

    def train(self, first: int, last: int) -> Part:
        """Make the calls of some steps, and of the epochs that end with them."""
        for step in range(first, last + 1):
            epoch, batch = divmod(step - 1, STEPS)
            if batch == 0:
                self.keras.on_epoch_begin(epoch)
            self.keras.on_train_batch_begin(batch)
            self.model.trainable_variables[0].assign([[float(step)]])
            self.keras.on_train_batch_end(batch, {"loss": 1 / (1 + step)})
            if batch == STEPS - 1:
                logs = {"loss": 1 / step, "val_loss": 2 / step, "val_accuracy": VALUES[epoch], "val_f1": 0.1 * step}
                self.keras.on_epoch_end(epoch, logs)
        return self

    def end(self, status: str = "done") -> Part:
        self.keras.on_train_end()
        self.run.record.update(status=status, metrics={"accuracy": 0.5})
        if isinstance(getattr(self.callback, "close", None), Callable):  # type: ignore[arg-type]
            self.callback.close(self.run)  # type: ignore[attr-defined]
        return self


def through_a_file(state: Mapping[str, Any]) -> Any:
    """A state as it comes back: JSON's values, and arrays."""
    if isinstance(state, Mapping):
        return {key: through_a_file(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [through_a_file(value) for value in state]
    return state.copy() if isinstance(state, np.ndarray) else json.loads(json.dumps(state, allow_nan=False))


def whole(folder: Path, table: str) -> Part:
    return Part(folder, table).train(1, EPOCHS * STEPS).end()


def killed(folder: Path, table: str, saved: int, lost: int, dying: Callable[[Part], None] = lambda part: None) -> Part:
    """A run that is saved after a step, killed after some more, and resumed."""
    part = Part(folder, table).train(1, saved)
    state = through_a_file(part.callback.state())
    part.train(saved + 1, saved + lost)
    dying(part)
    resumed = Part(folder, table)
    if saved % STEPS:
        resumed.keras.on_epoch_begin(saved // STEPS)
    resumed.callback.restore(state)
    return resumed.train(saved + 1, EPOCHS * STEPS).end()


AT = pytest.mark.parametrize(("saved", "lost"), [(1, 0), (2, 4), (4, 1), (6, 6), (12, 0)])


@AT
@pytest.mark.parametrize("every", ["epoch", "step"])
def test_csv_has_each_line_once(every: str, saved: int, lost: int, tmp_path: Path) -> None:
    table = f'{{plugin="csv", every="{every}"}}'
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    whole(tmp_path / "whole", table)
    killed(tmp_path / "killed", table, saved, lost)
    text = (tmp_path / "killed" / "metrics.csv").read_text()
    assert text == (tmp_path / "whole" / "metrics.csv").read_text()
    assert len([*csv.DictReader(text.splitlines())]) == {"epoch": EPOCHS, "step": EPOCHS * STEPS}[every]


def test_a_csv_file_that_has_lost_lines_is_an_error(tmp_path: Path) -> None:
    table = '{plugin="csv", every="step"}'
    part = Part(tmp_path, table).train(1, 3)
    state, file = part.callback.state(), tmp_path / "metrics.csv"
    length = file.stat().st_size
    file.write_text("step,epoch")
    with pytest.raises(glueft.PluginError) as caught:
        Part(tmp_path, table).callback.restore(state)
    assert caught.value.message == f"{file} does not have all that the run had written when it was saved"
    assert caught.value.expected == f"a file of at least {length} bytes"
    assert caught.value.received == "one of 10 bytes"
    assert file.read_text() == "step,epoch"
    file.unlink()
    with pytest.raises(glueft.PluginError) as caught:
        Part(tmp_path, table).callback.restore(state)
    assert caught.value.received == "no such file"


def test_a_csv_file_that_was_gone_when_the_run_was_saved_begins_anew(tmp_path: Path) -> None:
    part = Part(tmp_path, '{plugin="csv", every="step"}').train(1, 3)
    (tmp_path / "metrics.csv").unlink()
    resumed = Part(tmp_path, '{plugin="csv", every="step"}')
    resumed.callback.restore(through_a_file(part.callback.state()))
    resumed.train(4, 5)
    assert [line.partition(",")[0] for line in (tmp_path / "metrics.csv").read_text().splitlines()] == [
        "step",
        "4",
        "5",
    ]


@AT
def test_early_stopping_counts_on_and_keeps_the_same_epoch(saved: int, lost: int, tmp_path: Path) -> None:
    table = '{plugin="early_stopping", patience=1}'
    one, other = whole(tmp_path / "whole", table), killed(tmp_path / "killed", table, saved, lost)
    assert other.run.record["early_stopping"] == one.run.record["early_stopping"]
    assert one.run.record["early_stopping"]["best_epoch"] == 1
    assert other.lines == one.lines and "kept epoch 1" in one.lines[0]
    assert other.model.get_weights() == one.model.get_weights() == [[[STEPS]]]
    assert other.keras.wait == one.keras.wait == 2


TRAIN, VALIDATION = "tensorboard/train", "tensorboard/validation"


@AT
def test_tensorboard_has_each_point_once(saved: int, lost: int, tmp_path: Path) -> None:
    table = '{plugin="tensorboard"}'
    whole(tmp_path / "whole", table)
    killed(tmp_path / "killed", table, saved, lost, dying=lambda part: part.callback.close(part.run))  # type: ignore[attr-defined]
    for folder in (TRAIN, VALIDATION):
        assert curves(tmp_path / "killed" / folder) == curves(tmp_path / "whole" / folder)
    assert [step for step, _ in curves(tmp_path / "killed" / TRAIN)["batch_loss"]] == [*range(1, EPOCHS * STEPS + 1)]


def test_an_open_tensorboard_drops_what_comes_again(tmp_path: Path) -> None:
    """By the reader that TensorBoard itself uses, which goes on reading in the next file."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    table = '{plugin="tensorboard"}'
    part = Part(tmp_path, table).train(1, 6)
    state = through_a_file(part.callback.state())
    part.train(7, 11).callback.close(part.run)  # type: ignore[attr-defined]
    open_ones = {
        name: EventAccumulator(str(tmp_path / folder), tensor_size_guidance={"scalars": 0})
        for name, folder in (("batch_loss", TRAIN), ("epoch_accuracy", VALIDATION))
    }

    def steps(name: str) -> list[int]:
        open_ones[name].Reload()
        return [event.step for event in open_ones[name].Tensors(name)]

    assert steps("batch_loss") == [*range(1, 12)] and steps("epoch_accuracy") == [1, 2]
    resumed = Part(tmp_path, table)
    resumed.callback.restore(state)
    resumed.train(7, 7).callback.close(resumed.run)  # type: ignore[attr-defined]
    assert steps("batch_loss") == [*range(1, 8)] and steps("epoch_accuracy") == [1]


def test_curves_that_are_gone_stop_no_run(tmp_path: Path) -> None:
    table = '{plugin="tensorboard"}'
    part = Part(tmp_path, table).train(1, 2)
    state = through_a_file(part.callback.state())
    part.callback.close(part.run)  # type: ignore[attr-defined]
    (file,) = (tmp_path / TRAIN).iterdir()
    file.unlink()
    resumed = Part(tmp_path, table)
    resumed.callback.restore(state)
    assert resumed.lines == [
        f"warning: tensorboard: {file} does not have all that the run had written when it was saved; the curves lack "
        "those points"
    ]
    resumed.train(3, 3).callback.close(resumed.run)  # type: ignore[attr-defined]
    assert [step for step, _ in curves(tmp_path / TRAIN)["batch_loss"]] == [3]


def test_curves_of_a_run_that_was_never_saved_begin_anew(tmp_path: Path) -> None:
    table = '{plugin="tensorboard"}'
    for last in (5, 2):
        part = Part(tmp_path, table).train(1, last)
        part.callback.close(part.run)  # type: ignore[attr-defined]
    assert [step for step, _ in curves(tmp_path / TRAIN)["batch_loss"]] == [1, 2]
    assert not [*(tmp_path / VALIDATION).iterdir()]
