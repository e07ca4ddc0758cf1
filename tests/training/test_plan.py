"""A plan says what a run of the same recipe does, and leaves nothing behind; on a tiny real BERT."""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glueft
from glueft.recipe import load_recipe
from glueft.terminal.plan_table import plan_tables
from glueft.terminal.progress import PlainProgress
from glueft.training.plan import describe_shapes, learning_rates, plan_recipe
from glueft.training.step_memory import StepMemory

# As the table writes a time: "4.2 s", or "2:05" from two minutes on.
TIME = r"(\d+\.\d s|\d+:\d\d)"

CHANGES = [
    "training.epochs=2",
    "training.batch_size=4",
    "training.gradient_accumulation_steps=2",
    "training.evaluation_batch_size=8",
    "data.limit_train=60",
    "data.limit_validation=20",
    "data.max_length=40",
    "model.freeze.layers=1",
    "schedule.plugin=linear",
    "schedule.warmup_ratio=0.25",
]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def recipe(tiny_bert: Path) -> Any:
    return load_recipe("mrpc", CHANGES, checkpoint=str(tiny_bert), sample=True)


@pytest.fixture(scope="module")
def result(recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> glueft.Result:
    return glueft.run(recipe, output_dir=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def plan(recipe: Any, result: glueft.Result, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A plan made in an empty folder, after a run in the same process; it must leave folder and checkpoint alone."""
    empty, before = tmp_path_factory.mktemp("empty"), digests(tiny_bert)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(empty)
        made = plan_recipe(recipe)
    assert list(empty.iterdir()) == []
    assert digests(tiny_bert) == before
    return made


def test_a_plan_says_what_the_run_does(plan: Any, result: glueft.Result) -> None:
    record = json.loads((result.folder / "run.json").read_text())
    shared = (
        "task",
        "seed",
        "data",
        "engine",
        "num_train_steps",
        "padding_waste",
        "parameters",
        "trainable_parameters",
    )
    expected = {key: record[key] for key in shared}
    # The run has imported Keras in this process.
    expected["engine"]["backend_reason"] = "Keras is imported already, on this backend"
    assert {key: plan[key] for key in shared} == expected
    assert [text for text in plan["warnings"] if "are cut to 40 tokens" in text]
    assert plan["warnings"] == record["warnings"][: len(plan["warnings"])]  # After the training there may be more.
    assert plan["checkpoint"] == record["checkpoint"]["name"]
    assert plan["num_train_steps"] == record["epochs"][-1]["step"] == 16
    assert (plan["epochs"], plan["steps_per_epoch"]) == (2, 8)
    assert (plan["batch_size"], plan["gradient_accumulation_steps"]) == (4, 2)
    assert plan["train_tokens"] == 2 * record["data"]["splits"]["train"]["tokens"]
    assert sum(width["batches"] for width in plan["batches"]["widths"]) == 16
    assert plan["batches"]["widths"][-1]["to"] >= 40 >= plan["batches"]["widths"][-1]["from"]


def test_the_learning_rates_are_those_of_the_run(plan: Any, result: glueft.Result) -> None:
    lines = [json.loads(line) for line in (result.folder / "history.jsonl").read_text().splitlines()]
    rates = [line["learning_rate"] for line in lines if line["kind"] == "step"]
    assert len(rates) == plan["num_train_steps"]
    assert plan["warmup_steps"] == 4
    assert plan["learning_rate"]["first"] == pytest.approx(rates[0]) == 0
    assert plan["learning_rate"]["peak"] == pytest.approx(max(rates))
    assert plan["learning_rate"]["peak_step"] == int(np.argmax(rates)) + 1 == 5
    assert plan["learning_rate"]["last"] == pytest.approx(rates[-1], rel=1e-5)


def test_the_estimate_has_parts_that_add_up(plan: Any) -> None:
    estimate = plan["estimate"]
    assert set(estimate) == {"seconds", "peak_memory_bytes", "device", "basis", "probe"}
    seconds = estimate["seconds"]
    assert set(seconds) == {
        "setup", "first_step", "compile", "steps", "validation", "train", "evaluate", "total",
    }  # fmt: skip
    assert all(value >= 0 for value in seconds.values())
    assert seconds["train"] == pytest.approx(seconds["steps"] + seconds["compile"] + seconds["validation"], abs=0.01)
    assert seconds["total"] == pytest.approx(seconds["setup"] + seconds["train"] + seconds["evaluate"], abs=0.01)
    assert seconds["setup"] < seconds["first_step"]
    assert estimate["peak_memory_bytes"] > 2**20
    assert estimate["device"] is None, "TensorFlow tells nothing of a CPU"
    probe = estimate["probe"]
    assert (
        f"{probe['train_steps']} training steps and {probe['evaluation_batches']} evaluation batches"
        in (estimate["basis"])
    )


def test_a_run_after_a_plan_is_the_run_without_it(
    plan: Any, recipe: Any, result: glueft.Result, tmp_path: Path
) -> None:
    again = glueft.run(recipe, output_dir=tmp_path)
    assert again.record["metrics"] == result.record["metrics"]
    assert [epoch["loss"] for epoch in again.record["epochs"]] == [epoch["loss"] for epoch in result.record["epochs"]]
    first, second = (run.folder / "predictions" / "validation.tsv" for run in (result, again))
    assert first.read_bytes() == second.read_bytes()


def test_without_a_probe_the_rest_is_the_same(plan: Any, recipe: Any) -> None:
    quick = plan_recipe(recipe, probe=False)
    unknown = ("learning_rate", "parameters", "trainable_parameters", "estimate")
    assert {key: quick[key] for key in unknown} == dict.fromkeys(unknown)
    assert quick["disk"]["needed_bytes"] == plan["disk"]["needed_bytes"]
    engine = plan["engine"] | {"devices": None}
    assert quick | {"disk": plan["disk"]} == plan | dict.fromkeys(unknown) | {"engine": engine}


def test_evaluations_within_epochs_are_planned(plan: Any, tiny_bert: Path) -> None:
    assert plan["evaluations"] == 2
    more = load_recipe("mrpc", ["training.evaluate_every=0.25", *CHANGES], sample=True, checkpoint=str(tiny_bert))
    planned = plan_recipe(more, probe=False)
    assert planned["evaluations"] == 8
    stream = io.StringIO()
    PlainProgress(stream).tables(*plan_tables(planned))
    assert re.search(r"evaluations +8, 2 of them at the ends of epochs", stream.getvalue())


def test_the_tables(plan: Any) -> None:
    stream = io.StringIO()
    PlainProgress(stream).tables(*plan_tables(plan))
    text = stream.getvalue()
    split = plan["data"]["splits"]["train"]
    for row in (
        rf"train +60 +{split['tokens']:,} +{split['tokens'] / 60:.1f} +{split['truncated_rows']}",
        r"batch +4 rows, 2 of them a step",
        r"steps +16: 2 epochs of 8",
        r"warm-up +4 steps",
        r"learning rate +first 0, peak 5e-05 \(step 5\), last 4.17e-06",
        rf"padding waste +{plan['padding_waste']:.1%} of all tokens",
        rf"parameters +{plan['parameters']:,}, of which {plan['trainable_parameters']:,} are trained",
        rf"compiled \(XLA\) +no: {re.escape(plan['engine']['jit_compile_reason'])}",
        r"backend +tensorflow: Keras is imported already, on this backend",
        r"precision +float32: the recipe says so",
        r"estimate of a run on this machine",
        rf"training +{TIME}: steps {TIME}, validation {TIME}, compiling {TIME}",
        r"peak memory +[\d.]+ [GM]iB",
        rf"basis +{re.escape(plan['estimate']['basis'])}",
    ):
        assert re.search(f"^{row}$", text, flags=re.MULTILINE), row
    assert "\ndevices " not in text
    stream = io.StringIO()
    unknown = dict.fromkeys(("learning_rate", "parameters", "trainable_parameters", "estimate"))
    engine = plan["engine"] | {"devices": {"count": 2, "available": 4}}
    PlainProgress(stream).tables(*plan_tables(plan | unknown | {"engine": engine}))
    assert re.search(r"devices +2 of 4 share out each batch", stream.getvalue())
    assert "warm-up" in stream.getvalue()
    for absent in ("learning rate", "parameters", "estimate"):
        assert absent not in stream.getvalue()


STEP = StepMemory(32, 128, 2 * 2**30, 1024, 3 * 2**30, 0).as_dict()
ON_GPU = {"name": "NVIDIA H100", "limit_bytes": 70 * 2**30, "peak_memory_bytes": 6 * 2**30, "step": STEP}
A_STEP = "for 32 rows of 128 tokens: 2.0 GiB for weights and state, 3.0 GiB in between (XLA)"


@pytest.mark.parametrize(
    ("device", "rows"),
    [
        (
            ON_GPU,
            ["memory of the GPU 6.0 GiB of 70.0 GiB (NVIDIA H100)", f"memory of a step 5.0 GiB of 70.0 GiB {A_STEP}"],
        ),
        (ON_GPU | {"limit_bytes": None, "step": None}, ["memory of the GPU 6.0 GiB (NVIDIA H100)"]),
        (ON_GPU | {"name": None, "peak_memory_bytes": None}, [f"memory of a step 5.0 GiB of 70.0 GiB {A_STEP}"]),
    ],
)
def test_the_memory_of_a_device(plan: Any, device: dict[str, Any], rows: list[str]) -> None:
    stream = io.StringIO()
    PlainProgress(stream).tables(*plan_tables(plan | {"estimate": plan["estimate"] | {"device": device}}))
    shown = [re.sub(r" +", " ", line).strip() for line in stream.getvalue().splitlines()]
    assert [line for line in shown if line.startswith("memory of")] == rows


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], {"first": 5e-5, "peak": 5e-5, "peak_step": 1, "last": pytest.approx(5e-8, rel=1e-4)}),
        (
            ["schedule={plugin='constant', initial_learning_rate=5e-5}"],
            {"first": 5e-5, "peak": 5e-5, "peak_step": 1, "last": 5e-5},
        ),
        (
            ["schedule.plugin=linear", "schedule.warmup_steps=333"],
            {"first": 0.0, "peak": 5e-5, "peak_step": 334, "last": pytest.approx(5e-5 / 667, rel=1e-4)},
        ),
    ],
)
def test_learning_rates_of_a_long_run(changes: list[str], expected: dict[str, float]) -> None:
    recipe = load_recipe("mrpc", changes)
    warmup_steps = recipe.schedule.warmup_steps(1000)
    assert learning_rates(recipe, 1000, warmup_steps) == expected


def test_widths_are_told_in_few_ranges() -> None:
    measures = np.array([[8, width, 0] for width in range(17, 81)] + [[3, 80, 0]])
    shapes = describe_shapes(measures)
    assert shapes["shapes"] == 65
    assert shapes["widths"] == [
        {"from": 17, "to": 24, "batches": 8}, {"from": 25, "to": 32, "batches": 8},
        {"from": 33, "to": 40, "batches": 8}, {"from": 41, "to": 48, "batches": 8},
        {"from": 49, "to": 56, "batches": 8}, {"from": 57, "to": 64, "batches": 8},
        {"from": 65, "to": 72, "batches": 8}, {"from": 73, "to": 80, "batches": 9},
    ]  # fmt: skip
    assert describe_shapes(measures[:1]) == {"shapes": 1, "widths": [{"from": 17, "to": 17, "batches": 1}]}
