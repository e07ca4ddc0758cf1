"""A training goes on from a saved state to the last bit, and a state of another training is refused."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from test_engine import decay, fit, tiny_model

from glueft.errors import PluginError, RunFolderError
from glueft.plugin.callback import Callback
from glueft.runs.checkpoints import ARRAYS, STATE
from glueft.training import state as state_module
from glueft.training.observers import Observer, StepReport, Training, ValidationReport
from glueft.training.state import TrainState
from glueft.training.state_files import DamagedStateError, PackedState, read_state

# Of two epochs of ten steps with a validation after five: in the middle of one, before that validation, before the end
# of the first epoch, and after that of the last.
POINTS = ("3", "5 unvalidated", "10 unvalidated", "20")
KEPT = {"epochs": 2, "every": 0.5, "kept_metric": "accuracy"}


class Saving(Observer):
    """Saves the state at the end of every step and epoch of `POINTS`, and notes the losses."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.losses: list[tuple[int, float, int]] = []
        self.validated = 0

    def begin(self, training: Training) -> None:
        self.training = training

    def step(self, report: StepReport) -> None:
        self.losses.append((report.step, report.loss, report.examples))

    def validation(self, report: ValidationReport) -> None:
        self.validated = report.step

    def settled(self) -> None:
        step = self.training.step
        point = f"{step} unvalidated" if step % 5 == 0 and self.validated != step else str(step)
        if self.folder is not None and point in POINTS:
            PackedState.of(TrainState.of(self.training).content).write(self.folder / point)


def averaging(model: keras.Model) -> None:
    """Have the optimizer keep averaged weights, which take the place of the trained ones at the end."""
    model.optimizer = keras.optimizers.Adam(decay(), use_ema=True, ema_momentum=0.9)
    model.optimizer.build(model.trainable_variables)


def values(training: Training) -> list[bytes]:
    variables = [*training.model.variables, *training.model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable).tobytes() for variable in variables]


def reports(training: Training) -> list[tuple[Any, ...]]:
    return [(report.epoch, report.loss, report.metrics) for report in training.evaluations]


@pytest.fixture(scope="module")
def whole(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Saving:
    saving = Saving(tmp_path_factory.mktemp("states"))
    fit(tiny_model(tiny_bert), **KEPT, observers=[saving], prepare=averaging)
    return saving


@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=[pytest.mark.slow] * (point == "10 unvalidated")) for point in POINTS]
)
def test_a_training_goes_on_to_the_last_bit(point: str, whole: Saving, tiny_bert: Path) -> None:
    assert whole.folder is not None
    state = TrainState(read_state(whole.folder / point))
    rest = Saving()
    resumed = fit(tiny_model(tiny_bert, seed=9), **KEPT, observers=[rest], prepare=averaging, start=state)
    assert rest.losses == whole.losses[int(point.split()[0]) :]
    assert values(resumed) == values(whole.training)
    assert reports(resumed) == reports(whole.training)
    assert resumed.kept is not None and whole.training.kept is not None
    assert resumed.kept.step == whole.training.kept.step
    assert resumed.kept.logits is not None and whole.training.kept.logits is not None
    assert resumed.kept.logits.tobytes() == whole.training.kept.logits.tobytes()
    # The averaged weights have not been validated.
    assert resumed.validation_logits is None


def test_a_state_of_another_training_is_refused(whole: Saving, tiny_bert: Path) -> None:
    assert whole.folder is not None
    content = read_state(whole.folder / "10 unvalidated")
    # Without the averages.
    with pytest.raises(RunFolderError, match="what differs: the number of the variables of the optimizer"):
        fit(tiny_model(tiny_bert), **KEPT, start=TrainState(content))
    content["model"][1]["value"] = content["model"][1]["value"][:-1]
    with pytest.raises(RunFolderError, match="what differs: a variable of the model") as caught:
        fit(tiny_model(tiny_bert), **KEPT, prepare=averaging, start=TrainState(content))
    assert "position" in caught.value.expected
    content["padded_lengths"] = np.array([8, 16])
    with pytest.raises(RunFolderError, match="what differs: the padded lengths of the batches"):
        fit(tiny_model(tiny_bert), **KEPT, prepare=averaging, start=TrainState(content))


def test_global_generators_go_on(whole: Saving, tiny_bert: Path) -> None:
    class Drawing(Observer):
        drawn: Any = None

        def settled(self) -> None:
            if not hasattr(self, "state"):
                keras.random.uniform((1,))  # so that Keras has a generator
                self.state = TrainState.of(self.training)
                self.drawn = self.drawn or self.draw()
                self.training.stop()

        def begin(self, training: Training) -> None:
            self.training = training

        def resumed(self) -> None:
            self.drawn = self.draw()

        def draw(self) -> tuple[float, float, float]:
            return random.random(), float(np.random.rand()), float(keras.random.uniform((1,))[0])

    first, again = Drawing(), Drawing()
    fit(tiny_model(tiny_bert), epochs=1, observers=[first], eager=True)
    fit(tiny_model(tiny_bert), epochs=1, observers=[again], start=first.state, eager=True)
    assert again.drawn == first.drawn


def test_an_epoch_that_was_cut_short_ends_once(tiny_bert: Path) -> None:
    class Stopping(Observer):
        def begin(self, training: Training) -> None:
            self.training = training

        def settled(self) -> None:
            self.training.stop()
            self.state = TrainState.of(self.training)

    stopping = Stopping()
    first = fit(tiny_model(tiny_bert), epochs=2, observers=[stopping], eager=True)
    again = fit(tiny_model(tiny_bert), epochs=2, start=stopping.state, eager=True)
    assert first.step == again.step == 1 and len(first.epochs) == 1
    assert reports(again) == reports(first)


class Keeping(Callback):
    name = "keeping"
    kept: Any = None

    def state(self) -> Any:
        return self.kept

    def restore(self, state: Any) -> None:
        self.kept = state["kept"]


def test_the_callback_is_named_whose_state_cannot_be_saved() -> None:
    built = SimpleNamespace(plugin=Keeping({}))
    for built.plugin.kept, received in ((None, "NoneType: None"), ([1], r"list: \[1\]"), ({"a": {1}}, r"set: \{1\}")):
        with pytest.raises(PluginError, match='the callback "keeping": the state cannot be saved') as caught:
            state_module._callback_state(built)
        assert re.fullmatch(received, caught.value.received)


def test_a_callback_that_cannot_use_its_state_is_an_error() -> None:
    with pytest.raises(PluginError, match='the callback "keeping" cannot go on from what it has saved') as caught:
        state_module._restore_callback(Keeping({}), {"another": 1})
    assert caught.value.received == "KeyError: 'kept'" and "glueft run" in caught.value.fix


class TestFiles:
    content: ClassVar[dict[str, Any]] = {
        "step": 3,
        "nothing": None,
        "metric": float("nan"),
        "number": np.float32(0.5),
        "pair": ({"rows": np.arange(6, dtype=np.uint32).reshape(2, 3).T}, "text"),
        "big_endian": np.array([1, 2], ">f4"),
        "slashes": {"a/b": np.zeros(1), "a": {"b": np.ones(1)}, "a~1b": np.full(1, 2.0)},
        "empty": np.zeros((0, 2)),
        "scalar": np.array(7),
    }

    def test_a_tree_comes_back(self, tmp_path: Path) -> None:
        import ml_dtypes

        half = np.array([1.5, -2], ml_dtypes.bfloat16)
        written = PackedState.of(self.content | {"half": half}).write(tmp_path / "step-3")
        assert {path.name for path in (tmp_path / "step-3").iterdir()} == {ARRAYS, STATE}
        assert [path.name for path in tmp_path.iterdir()] == ["step-3"]
        assert written == sum(path.stat().st_size for path in (tmp_path / "step-3").iterdir())
        read = read_state(tmp_path / "step-3")
        assert read["step"] == 3 and read["nothing"] is None and np.isnan(read["metric"]) and read["number"] == 0.5
        rows = read["pair"][0]["rows"]
        assert rows.dtype == np.uint32 and rows.tolist() == [[0, 3], [1, 4], [2, 5]] and read["pair"][1] == "text"
        assert read["empty"].shape == (0, 2) and read["scalar"].shape == () and read["scalar"] == 7
        assert read["half"].dtype == half.dtype and read["half"].tolist() == [1.5, -2]
        assert read["big_endian"].tolist() == [1, 2]
        slashes = read["slashes"]
        assert (slashes["a/b"], slashes["a"]["b"], slashes["a~1b"]) == (0, 1, 2)

    @pytest.mark.parametrize(
        ("value", "received"),
        [
            ({1, 2}, "set"),
            ({"a": {2: "b"}}, "dict"),
            (np.array(["text"]), "ndarray"),
            ({"$array": "x"}, "dict"),
            (np.zeros(1, np.complex64), "ndarray"),
        ],
    )
    def test_another_value_is_refused(self, value: Any, received: str) -> None:
        with pytest.raises(PluginError, match="the state cannot be saved: callbacks/0") as caught:
            PackedState.of({"callbacks": [value]})
        assert received in caught.value.received

    def test_a_tree_without_end_is_refused(self) -> None:
        endless: list[Any] = []
        endless.append(endless)
        with pytest.raises(PluginError, match="a part of it contains itself"):
            PackedState.of({"callbacks": endless})

    def test_damage_is_found(self, tmp_path: Path) -> None:
        PackedState.of(self.content).write(tmp_path / "whole")
        arrays, state = ((tmp_path / "whole" / name).read_bytes() for name in (ARRAYS, STATE))
        changed = arrays[:-1] + bytes([arrays[-1] ^ 1])
        cases: dict[str, dict[str, bytes]] = {
            "other values than were written": {ARRAYS: changed, STATE: state},
            "than were written, in state.json": {ARRAYS: arrays, STATE: state.replace(b'"step": 3', b'"step": 1')},
            "Error while deserializing": {ARRAYS: arrays[:40], STATE: state},
            "No such file": {ARRAYS: arrays},
            "Unterminated|Expecting": {ARRAYS: arrays, STATE: state[:50]},
            "KeyError": {ARRAYS: arrays, STATE: b'{"format": 1}'},
        }
        for number, (received, files) in enumerate(cases.items()):
            folder = tmp_path / str(number)
            folder.mkdir()
            for name, content in files.items():
                (folder / name).write_bytes(content)
            with pytest.raises(DamagedStateError, match="the saved state is damaged") as caught:
                read_state(folder)
            assert any(part in caught.value.received for part in received.split("|")), caught.value.received

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
    def test_a_pipe_is_no_state(self, tmp_path: Path) -> None:
        PackedState.of(self.content).write(tmp_path / "s")
        (tmp_path / "s" / ARRAYS).unlink()
        os.mkfifo(tmp_path / "s" / ARRAYS)
        with pytest.raises(DamagedStateError):
            read_state(tmp_path / "s")

    def test_a_later_format_says_so(self, tmp_path: Path) -> None:
        PackedState.of({}).write(tmp_path / "s")
        text = (tmp_path / "s" / STATE).read_text().replace('"format": 1', '"format": 2')
        (tmp_path / "s" / STATE).write_text(text)
        with pytest.raises(RunFolderError, match="a later glueft has saved this state"):
            read_state(tmp_path / "s")
