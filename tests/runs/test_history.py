"""What `run.log` writes can be read by anyone, and what cannot be written is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glueft
from glueft.errors import PluginError
from glueft.plugin.attribution import attributed
from glueft.runs.run import Run
from run_folders import bare_run


class Peek(glueft.Callback):
    """Looks at something."""

    name = "peek"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return bare_run(tmp_path)


def written(run: Run) -> list[Any]:
    return [json.loads(line, parse_constant=pytest.fail) for line in lines(run)]


def lines(run: Run) -> list[str]:
    path = run.folder / "history.jsonl"
    return path.read_text("utf-8").split("\n")[:-1] if path.exists() else []


def test_arrays_and_numbers_of_numpy_become_lists_and_numbers(run: Run) -> None:
    run.log("peek", a=np.float32(0.5), b=np.arange(6).reshape(2, 3), c=(np.bool_(True), None), d={1: np.int64(2)})
    assert written(run) == [{"kind": "peek", "a": 0.5, "b": [[0, 1, 2], [3, 4, 5]], "c": [True, None], "d": {"1": 2}}]


def test_json_has_no_nan_and_no_infinity(run: Run) -> None:
    run.log("peek", a=float("nan"), b=np.array([1.0, np.inf]), c=[-float("inf")])
    assert written(run) == [{"kind": "peek", "a": None, "b": [1.0, None], "c": [None]}]


def test_tensors_become_lists(run: Run) -> None:
    keras = pytest.importorskip("keras")
    run.log("peek", a=keras.ops.convert_to_tensor([[1.5, 2.0]]), b=keras.ops.cast([1.5], "bfloat16"))
    assert written(run) == [{"kind": "peek", "a": [[1.5, 2.0]], "b": [1.5]}]


@pytest.mark.parametrize("text", ["naïve ☂", "a\nb\r\x85c\u2028d", "half \ud83d of a pair"])
def test_any_text_comes_back_as_it_was(run: Run, text: str) -> None:
    run.log(kind="peek", text=text)
    run.log("peek", text="the next")
    assert [entry["text"] for entry in run.history()] == [text, "the next"]


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("kind", "values", "message", "received"),
    [
        ((), {"peek": [1]}, "a line for history.jsonl has no kind", "no kind"),
        ((" ",), {}, "a line for history.jsonl has no kind", "the kind ' '"),
        ((3,), {}, "a line for history.jsonl has no kind", "the kind 3"),
        (("step",), {"loss": 1}, 'a line for history.jsonl has the kind "step", which is glueft\'s own', "run.log("),
        (("peek",), {"a": [{1}]}, '"a[0]" of a line for history.jsonl has no form in JSON', "a builtins.set"),
        (("peek",), {"a": b"x"}, '"a" of a line', "a builtins.bytes"),
        (("peek",), {"a": np.array([None])}, '"a" of a line', "a numpy.ndarray"),
        (("peek",), {"a": {(1, 2): 3}}, '"a" of a line', "a table with the key (1, 2), which is no text"),
        (("peek",), {"a": LOOP}, '"a[0]" of a line', "a list or table that holds itself"),
    ],
)
def test_what_is_no_line_is_refused_and_names_the_callback(
    run: Run, kind: tuple[Any, ...], values: dict[str, Any], message: str, received: str
) -> None:
    with attributed(Peek(), "on_epoch_end"), pytest.raises(PluginError) as caught:
        run.log(*kind, **values)
    assert caught.value.message.startswith(f'the callback "peek": {message}')
    assert received in caught.value.received
    assert lines(run) == []


def test_glueft_itself_logs_its_own_kinds(run: Run) -> None:
    run.log(kind="step", step=1, loss=0.5, learning_rate=0.1)
    assert written(run) == [{"kind": "step", "step": 1, "loss": 0.5, "learning_rate": 0.1}]


def test_a_line_without_a_kind_in_an_old_folder_is_passed_over(run: Run) -> None:
    step = {"kind": "step", "step": 1, "loss": 0.5, "learning_rate": 1e-5}
    (run.folder / "history.jsonl").write_text(f'{{"peek": [1]}}\n\n{json.dumps(step)}\n{{"kind": 3}}\n')
    assert run.history() == [step]
