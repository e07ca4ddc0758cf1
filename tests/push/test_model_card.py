"""The model card: its metadata as the hub reads it, and texts of others as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from glueft.encoder.sample_encoder import SAMPLE_CHECKPOINT, SAMPLE_DIGESTS
from glueft.plugin.registry import load_registry
from glueft.plugin.task_description import describe_task
from glueft.push.content import content_of, source_of
from glueft.push.markdown import code, escaped
from glueft.push.model_card import CardSource, model_card
from glueft.runs.public_record import public_record
from glueft.runs.record import Record
from glueft.runs.run import Run

SPLITS = {"train": {"rows": 3668, "sha256": "a"}, "validation": {"rows": 408, "sha256": "b"}}
HUB = {
    "source": "hub",
    "dataset": "nyu-mll/glue",
    "config": "mrpc",
    "revision": "c" * 40,
    "validation_split": "validation",
    "max_length": 128,
    "splits": SPLITS,
    "notes": [],
}


@pytest.fixture(scope="module")
def source(finished_run: Path) -> CardSource:
    """Of a run on all of the hub's rows, from a checkpoint of the hub."""
    content = json.loads((finished_run / "run.json").read_text())
    content |= {"data": HUB, "checkpoint": {"name": "google-bert/bert-base-uncased", "revision": "d" * 40}}
    return CardSource(
        repository="alice/mrpc",
        branch=None,
        record=public_record(Record.model_validate(content)),
        recipe="[task]\n",
        left_out=[],
        labels=("not_equivalent", "equivalent"),
        task=describe_task(load_registry().find("task", "mrpc").cls()),
    )


def with_record(source: CardSource, **changes: Any) -> CardSource:
    content = source.record.as_dict() | {"run_dir": ""} | changes
    return replace(source, record=Record.model_validate(content))


def test_the_metadata_comes_back_as_the_hub_reads_it(source: CardSource) -> None:
    card = ModelCard(str(model_card(source)))
    data = card.data
    assert (data.base_model, data.datasets) == ("google-bert/bert-base-uncased", ["nyu-mll/glue"])
    assert (data.library_name, data.pipeline_tag, data.model_name) == ("transformers", "text-classification", "mrpc")
    assert data.metrics == ["accuracy", "f1"]
    results = {result.metric_type: result for result in data.eval_results}
    assert {name: result.metric_value for name, result in results.items()} == source.record.metrics
    for result in results.values():
        assert (result.dataset_type, result.dataset_config, result.dataset_split) == (
            "nyu-mll/glue",
            "mrpc",
            "validation",
        )
        assert (result.dataset_revision, result.dataset_args) == ("c" * 40, {"rows": 408})
        assert not result.verified


def test_all_rows_of_a_data_set_bear_its_name_from_a_folder_too(source: CardSource) -> None:
    data = {key: value for key, value in HUB.items() if key not in ("dataset", "config", "revision")}
    data["source"] = "folder"
    assert model_card(with_record(source, data=data)).data.datasets == ["nyu-mll/glue"]
    part = data | {"splits": SPLITS | {"train": {"rows": 40, "sha256": "a", "official_rows": 3668}}}
    assert model_card(with_record(source, data=part)).data.datasets is None


@pytest.mark.parametrize("change", [{"official_rows": 408}, {"limited_from": 408}])
def test_a_part_of_the_rows_does_not_bear_the_data_sets_name(source: CardSource, change: dict[str, int]) -> None:
    splits = SPLITS | {"validation": {"rows": 40, "sha256": "b"} | change}
    card = model_card(with_record(source, data=HUB | {"splits": splits}))
    assert {result.dataset_type for result in card.data.eval_results} == {"mrpc-hub"}


def test_rows_that_were_held_out_are_no_split_of_the_data_set(source: CardSource) -> None:
    splits = {
        "train": {"rows": 3301, "sha256": "a", "part_of": 3668},
        "held_out": {"rows": 367, "sha256": "b", "part_of": 3668},
    }
    card = model_card(with_record(source, data=HUB | {"splits": splits, "validation_split": "held_out"}))
    assert {(result.dataset_type, result.dataset_split) for result in card.data.eval_results} == {
        ("mrpc-hub", "held_out")
    }
    assert "| `train` | 3,301 | 3,668 |" in card.text and "| `held_out` | 367 |  |" in card.text
    assert "It has not seen all rows of the task" in card.text


def test_the_card_bears_intervals_language_and_a_licence(source: CardSource) -> None:
    changed = with_record(source, intervals={"validation": {"accuracy": [0.25, 0.5]}})
    card = ModelCard(str(model_card(replace(changed, license="mit"))))
    assert (card.data.license, card.data.language) == ("mit", "en")
    results = {result.metric_type: result.metric_args for result in card.data.eval_results}
    assert results == {"accuracy": {"interval": [0.25, 0.5], "level": 0.95}, "f1": None}
    assert "| 0.2500 to 0.5000 |" in card.text and "Its licence is `mit`" in card.text
    plain = ModelCard(str(model_card(replace(source, language="de"))))
    assert (plain.data.license, plain.data.language) == (None, "de") and "No licence is stated here" in plain.text


def test_the_pipeline_comes_first(source: CardSource) -> None:
    text = model_card(source).text
    assert text.index("## How to use it") < text.index("## Data") < text.index("## Metrics")
    first = text[text.index("```python") :]
    pair = '{"text": "The first text.", "text_pair": "The second text."}'
    assert first.startswith("```python\nfrom transformers import pipeline\n\nmodel = pipeline(")
    assert f"model({pair}, truncation=True, max_length=128)" in first


def test_the_sample_encoder_is_known_by_its_digest(source: CardSource) -> None:
    weights = {"sha256": {"model.safetensors": SAMPLE_DIGESTS["model.safetensors"]}}
    for checkpoint in (
        {"name": SAMPLE_CHECKPOINT} | weights,
        {"name": "/home/anna/minilm"} | weights,
        {"name": "run:/data/mnli-1", "run": {"task": "mnli", "checkpoint": SAMPLE_CHECKPOINT}},
    ):
        changed = with_record(source, checkpoint=checkpoint)
        card = ModelCard(str(model_card(replace(changed, record=public_record(changed.record)))))
        assert (card.data.base_model, card.data.license) == ("sentence-transformers/all-MiniLM-L6-v2", "apache-2.0")
        assert "package:" not in card.text and "/home" not in card.text and "/data" not in card.text
    other = model_card(with_record(source, checkpoint={"name": "package:my_encoder/model", "sha256": {}}))
    assert other.data.base_model is None and "of the Python package `my_encoder`, fine-tuned" in other.text


def test_the_run_that_a_run_began_with_is_told(source: CardSource) -> None:
    run = {"folder": "/data/mnli-1", "task": "mnli", "checkpoint": "google-bert/bert-base-uncased"}
    checkpoint = {"name": "run:/data/mnli-1", "sha256": {"model.safetensors": "e"}, "run": run}
    card = with_record(source, checkpoint=checkpoint)
    text = str(model_card(replace(card, record=public_record(card.record))))
    began = "the model of a run on the task `mnli`, which began with `google-bert/bert-base-uncased`"
    assert f"`./mnli-1` ({began}; SHA-256 of its weights: `e`), fine-tuned" in text and "/data" not in text


def test_several_splits_scores_and_the_hubs_names_of_metrics(source: CardSource) -> None:
    by_split = {"validation": {"pearson": 0.5, "spearmanr": 0.25}, "other": {"pearson": -0.5, "spearmanr": 0.0}}
    splits = SPLITS | {"other": {"rows": 9, "sha256": "d"}}
    changed = with_record(source, metrics_by_split=by_split, data=HUB | {"splits": splits}, baseline={"pearson": 0.0})
    assert source.task
    card = model_card(replace(changed, labels=(), task=replace(source.task, inputs=("sentence",))))
    values = {(result.dataset_split, result.metric_type): result.metric_value for result in card.data.eval_results}
    assert values["validation", "pearsonr"] == 0.5 and values["other", "pearsonr"] == -0.5
    assert "print(float(model(**inputs).logits[0, 0]))" in card.text
    assert "| `validation` | pearson | 0.5000 |  | 0.0000 |" in card.text
    assert "| `other` | pearson | -0.5000 |  |  |" in card.text
    assert 'tokenizer("The text.", truncation' in card.text


def test_what_the_card_says_of_an_epoch_and_a_branch(source: CardSource) -> None:
    text = model_card(replace(source, branch="trial", epoch=(1, 3))).text
    assert "this is the model after epoch 1 of 3" in text
    assert 'from_pretrained("alice/mrpc", revision="trial")' in text
    assert "--set 'model.revision=\"trial\"'" in text


def test_what_the_card_says_of_texts_in_windows(source: CardSource) -> None:
    data = source.record.data.as_dict() | {"windows": {"stride": 64, "pool": "max"}}
    text = model_card(with_record(source, data=data)).text
    assert "longer texts in windows that share 64 tokens" in text and "its pipeline too, cuts what is longer" in text
    assert "tokens and cuts what is longer" not in text


def test_what_the_card_says_of_evaluations_within_epochs_and_of_a_collapse(source: CardSource) -> None:
    (epoch,) = source.record.as_dict()["epochs"]
    half = epoch | {"epoch": 0.5, "step": 1}
    kept = {"metric": "accuracy", "value": 0.25, "step": 1, "epoch": 0.5, "evaluations": 2}
    collapse = {
        "kind": "constant scores", "sign": "all rows got the same answer", "step": 1, "epoch": 0.5, "last_step": 1,
        "metric": "pearson", "value": 0.0, "evaluations": 1, "result": False,
    }  # fmt: skip
    changed = with_record(source, mid_epochs=[half], kept=kept, collapse=collapse)
    text = model_card(changed).text
    assert text.index("| 0.5 |") < text.index("| 1 |")
    assert "| kept | epoch 0.5, step 1 (accuracy 0.2500), the best of 2 evaluations |" in text
    line = "- A warning from the training: collapse at step 1 (epoch 0.5): all rows got the same answer"
    assert f"{line}; the saved model does not show it.\n" in text
    assert f"{line}.\n" in model_card(replace(changed, epoch=(1, 2))).text
    # Of a result that is no better the warnings say so.
    assert line not in model_card(with_record(changed, collapse=collapse | {"result": True})).text


def test_what_the_card_says_of_a_tuned_temperature(source: CardSource) -> None:
    assert "nobody has measured how far its probabilities can be trusted" in model_card(source).text
    decision = {"temperature": 1.5, "tuned": ["temperature"], "split": "validation", "rows": 408}
    text = model_card(with_record(source, decision=decision | {"log_loss": 0.25, "plain_log_loss": 0.5})).text
    fitted = "fitted to the 408 validation rows by the temperature"
    assert f"{fitted}, where their log loss is 0.2500 with it and 0.5000 without, and measured on no other rows" in text
    assert "nobody has measured how" not in text
    # None was better than 1.
    assert fitted not in model_card(with_record(source, decision=decision | {"temperature": 1.0})).text


def test_a_family_that_transformers_does_not_have_is_opened_with_glueft(source: CardSource) -> None:
    def card(**family: str) -> ModelCard:
        return ModelCard(str(model_card(with_record(source, checkpoint={"name": "x", "family": family}))))

    known = (
        {},
        {"name": "bert", "package": "glueft"},
        {"name": "modernbert", "package": "other"},
        {"package": "other"},
    )
    for family in known:
        opened = card(**family)
        assert opened.data.library_name == "transformers" and "AutoModel" in opened.text
    needed = {card(name="rotary", package="glueft-rotary", version="1.0"): "package `glueft-rotary`, version `1.0`"}
    needed[card(name="rotary", package="<b>")] = "the package `<b>`."
    needed[card(name="rotary", file="./mine.py", sha256="0" * 64)] = "named by `--plugin FILE.py`"
    for unknown, words in needed.items():
        assert unknown.data.library_name == "glueft" and "AutoModel" not in unknown.text
        assert "no encoder of the family `rotary`" in unknown.text and words in unknown.text
        assert "glueft predict mrpc" in unknown.text


def test_texts_of_others_are_shown_and_not_run(source: CardSource) -> None:
    labels = ("<script>alert(1)</script>", "a|b", "`x`", "[link](http://evil)", "line\nbreak", "")
    record = with_record(source, data=HUB | {"notes": ["<img src=x> | *bold*"]}).record
    record = record.model_copy(update={"task": "</code><b>"})
    assert source.task
    task = replace(source.task, description="<i>")
    text = model_card(replace(source, record=record, labels=labels, recipe='x = "```"\n', task=task)).text
    assert "`<script>alert(1)</script>`" in text and "a|b" not in text and "a&#124;b" in text
    assert "&lt;img src=x&gt; \\| \\*bold\\*." in text and "<i>" not in text
    assert "line break" in text
    assert '````toml\nx = "```"\n````' in text


@pytest.mark.parametrize("text", ["plain", "<b>", "a_b", "a*b", "a\\b", "`", "|", "&amp;", "a  b"])
def test_code_and_escapes_stay_in_their_cell(text: str) -> None:
    for shown in (code(text), escaped(text)):
        assert "\n" not in shown and "|" not in shown.replace("\\|", "")
    assert "<b>" not in escaped(text)


def test_the_content_of_a_run_is_the_same_each_time(finished_run: Path, finished_regression_run: Path) -> None:
    for folder in (finished_run, finished_regression_run):
        one, other = (content_of(source_of(Run.open(folder)), "alice/x", None) for _ in range(2))
        assert one == other
        card = one.files["README.md"]
        assert isinstance(card, bytes) and b"## Limits" in card
        assert set(one.sizes()) == set(one.files)


def test_a_run_whose_plugin_is_elsewhere_can_be_pushed(finished_run: Path, tmp_path: Path) -> None:
    import shutil

    run = shutil.copytree(finished_run, tmp_path / "run")
    for name in ("recipe.toml", "run.json"):
        text = (run / name).read_text().replace('plugin = "mrpc"', 'plugin = "gone"').replace('"mrpc"', '"gone"')
        (run / name).write_text(text)
    card = content_of(source_of(Run.open(run)), "alice/x", None).files["README.md"]
    assert isinstance(card, bytes) and b"fine-tuned on the task `gone`" in card


def test_a_text_turns_no_letters_and_ends_no_block() -> None:
    assert escaped("a\u202eb\x1b[31m\n```") == r"a\\u202eb\\x1b\[31m \`\`\`"
    assert code("a\u202eb") == r"`a\u202eb`"
