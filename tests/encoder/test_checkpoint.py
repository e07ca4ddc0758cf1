"""Loading a checkpoint into a classifier and saving one: every tensor accounted for, labels by name, exact."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy
import pytest

from glueft.encoder.checkpoint import Loaded, find_checkpoint, load_classifier, load_tokenizer, save_classifier
from glueft.encoder.config import find_family
from glueft.encoder.config import read_config as read_encoder_config
from glueft.encoder.input_file import InputRule
from glueft.encoder.model_readme import model_readme
from glueft.encoder.weights import initial_values
from glueft.errors import CheckpointError, RunFolderError
from glueft.inference.predictor import head_labels, rename_labels
from glueft.metrics.decision import DecisionRule
from reference_checkpoints import (
    CASES,
    FAMILIES,
    OWN_LAYERS,
    REFERENCE,
    copy_checkpoint,
    edit_config,
    labels_of,
    make_tokenizer,
    read_config,
    read_tensors,
    reference,
)

HEADS = {
    "bert": ("classifier.weight", "classifier.bias"),
    "albert": ("classifier.weight", "classifier.bias"),
    "modernbert": ("classifier.weight", "classifier.bias"),
    "eurobert": ("dense.weight", "dense.bias", "classifier.weight", "classifier.bias"),
    "nomic_bert": ("classifier.weight", "classifier.bias"),
    "distilbert": ("pre_classifier.weight", "pre_classifier.bias", "classifier.weight", "classifier.bias"),
    "deberta-v2": ("pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"),
    **dict.fromkeys(
        ("roberta", "xlm-roberta", "camembert", "electra", "mpnet"),
        ("classifier.dense.weight", "classifier.dense.bias", "classifier.out_proj.weight", "classifier.out_proj.bias"),
    ),
}
POOLERS = {
    "bert": ("bert.pooler.dense.weight", "bert.pooler.dense.bias"),
    "albert": ("albert.pooler.weight", "albert.pooler.bias"),
    "nomic_bert": ("nomic_bert.pooler.dense.weight", "nomic_bert.pooler.dense.bias"),
}
# Under a new classifier, what a language model's head shares with that of a classifier is new too if it is not there.
NEW = {**HEADS, "modernbert": ("head.dense.weight", "head.norm.weight", *HEADS["modernbert"])}
PREFIXES = {family: f"{family}." for family in FAMILIES} | {"xlm-roberta": "roberta.", "camembert": "roberta."}
PREFIXES |= {"modernbert": "model.", "eurobert": "model.", "deberta-v2": "deberta."}
# Their norms are named as in files of before 2019.
OLD_NAMES = [family for family in FAMILIES if family not in ("modernbert", "eurobert", "nomic_bert")]


def load(folder: Path, labels: tuple[str, ...] | None = None, seed: int = 0, new_head: bool = False) -> Loaded:
    labels = labels_of(folder) if labels is None else labels
    checkpoint = find_checkpoint(str(folder))
    return load_classifier(checkpoint, labels=labels, regression=not labels, seed=seed, new_head=new_head)


def refused(folder: Path, **options: Any) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load(folder, **options)
    assert all((caught.value.message, caught.value.expected, caught.value.received, caught.value.fix))
    return caught.value


def logits_of(loaded: Loaded, case: str) -> numpy.ndarray:
    return keras.ops.convert_to_numpy(loaded.model(reference(case)[0]))


def without(names: tuple[str, ...]) -> Any:
    return lambda file: {name: file[name] for name in file if name not in names}


@pytest.mark.parametrize("case", CASES)
def test_every_tensor_is_used(case: str) -> None:
    loaded = load(REFERENCE / case)
    assert (loaded.report.head, loaded.report.new, loaded.report.left_over) == ("checkpoint", (), ())
    weights = sum(tensor.size for tensor in read_tensors(REFERENCE / case).values())
    assert loaded.model.count_params() == weights


WRAPPERS: dict[str, Callable[[str], str]] = {
    "DataParallel": lambda name: f"module.{name}",
    "torch.compile": lambda name: f"_orig_mod.{name}",
    "both": lambda name: f"_orig_mod.module.{name}",
    "Lightning": lambda name: f"model._orig_mod.{name}",
    "layers": lambda name: name.replace("layer.0.", "layer.0._orig_mod."),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_s_name_is_no_part_of_a_tensor_s(wrapper: str, tmp_path: Path) -> None:
    folder = copy_checkpoint("bert", tmp_path / "tiny", lambda file: {WRAPPERS[wrapper](k): v for k, v in file.items()})
    loaded = load(folder)
    assert (loaded.report.head, loaded.report.new) == ("checkpoint", ())
    assert not any("bert." in name for name in loaded.report.left_over)
    numpy.testing.assert_allclose(logits_of(loaded, "bert"), reference("bert")[2], atol=1e-5)
    assert head_labels(find_checkpoint(str(folder))) == labels_of(folder)


def test_a_tensor_with_a_wrapper_beside_the_same_without(tmp_path: Path) -> None:
    folder = copy_checkpoint(
        "bert", tmp_path / "tiny", lambda file: file | {f"module.{k}": v + 1 for k, v in file.items()}
    )
    numpy.testing.assert_allclose(logits_of(load(folder), "bert"), reference("bert")[2], atol=1e-5)


def test_a_tensor_in_two_wrappers(tmp_path: Path) -> None:
    def twice(file: dict[str, Any]) -> dict[str, Any]:
        return {f"{wrapper}.{name}": value for wrapper in ("module", "_orig_mod") for name, value in file.items()}

    error = refused(copy_checkpoint("bert", tmp_path / "tiny", twice))
    assert error.message == "two tensors of the weights are the same one of the model"
    assert error.received.startswith(("module.", "_orig_mod."))


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_weights_that_are_no_numbers_are_named(value: float, tmp_path: Path) -> None:
    def spoil(file: dict[str, Any]) -> dict[str, Any]:
        bias = file["classifier.bias"].copy()
        bias[0] = value
        return file | {"classifier.bias": bias}

    folder = copy_checkpoint("bert", tmp_path / "tiny", spoil)
    error = refused(folder)
    assert error.message == f"{folder / 'model.safetensors'}: the weights hold numbers that are not finite"
    assert error.received == f"1 of {len(labels_of(folder))} in classifier.bias are NaN or infinite"
    assert "learning rate" not in error.fix
    # A head that is not used is not read.
    assert load(folder, new_head=True).report.head == "new"


def test_large_weights_are_numbers(tmp_path: Path) -> None:
    folder = copy_checkpoint(
        "bert",
        tmp_path / "tiny",
        lambda file: file | {"classifier.weight": numpy.full_like(file["classifier.weight"], 3e38)},
    )
    assert load(folder).report.head == "checkpoint"


@pytest.mark.parametrize("names", [{"0": "no", "1": "no"}, {"0": "yes", "1": "no"}])
def test_label_names_that_contradict_each_other_matter_where_the_head_is_used(
    names: dict[str, str], tmp_path: Path
) -> None:
    folder = copy_checkpoint("bert", tmp_path / "tiny")
    edit_config(folder, id2label=names, label2id={"no": 0, "yes": 1}, problem_type=None)
    assert (
        refused(folder, labels=("no", "yes")).message
        == "the checkpoint's config.json contradicts itself about the labels"
    )
    checkpoint = find_checkpoint(str(folder))
    with pytest.raises(CheckpointError, match="contradicts itself") as caught:
        head_labels(checkpoint)
    assert "new_head" not in caught.value.fix
    assert head_labels(rename_labels(checkpoint, ["good", "bad"])) == ("good", "bad")
    assert load(folder, labels=("no", "yes"), new_head=True).report.head == "new"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_bare_encoder_without_the_prefix_gets_a_new_head(family: str, tmp_path: Path) -> None:
    prefix = PREFIXES[family]

    def bare(file: dict[str, Any]) -> dict[str, Any]:
        return {name.removeprefix(prefix): file[name] for name in file if name.startswith(prefix)}

    loaded = load(copy_checkpoint(family, tmp_path / family, bare))
    assert (loaded.report.head, loaded.report.new, loaded.report.left_over) == ("new", NEW[family], ())
    inputs, hidden_states, _ = reference(family)
    hidden = loaded.model.encoder(*(inputs[key] for key in ("input_ids", "attention_mask", "token_type_ids")))
    tokens = inputs["attention_mask"].astype(bool)
    numpy.testing.assert_allclose(keras.ops.convert_to_numpy(hidden)[tokens], hidden_states[tokens], atol=1e-5)


@pytest.mark.parametrize("family", OLD_NAMES)
def test_old_names_of_norms_are_read(family: str, tmp_path: Path) -> None:
    def old(file: dict[str, Any]) -> dict[str, Any]:
        renamed = {}
        for name in file:
            norm = "layernorm" in name.lower() or "layer_norm" in name
            new = name.replace(".weight", ".gamma").replace(".bias", ".beta") if norm else name
            renamed[new] = file[name]
        assert sum(name.endswith("gamma") for name in renamed) >= 3
        return renamed

    loaded = load(copy_checkpoint(family, tmp_path / family, old))
    assert (loaded.report.new, loaded.report.left_over) == ((), ())
    numpy.testing.assert_allclose(logits_of(loaded, family), reference(family)[2], atol=1e-5)


@pytest.mark.parametrize("family", POOLERS)
def test_a_masked_language_model_has_no_pooler(family: str, tmp_path: Path) -> None:
    lost = (*POOLERS[family], *HEADS[family])
    extra = {"cls.predictions.bias": numpy.zeros(64, numpy.float32)}
    buffer = {f"{family}.embeddings.position_ids": numpy.arange(20)[None]}
    folder = copy_checkpoint(family, tmp_path / family, lambda file: {**without(lost)(file), **extra, **buffer})
    report = load(folder).report
    assert report.new == lost
    assert report.left_over == tuple(sorted({**extra, **buffer}))


def test_a_classifier_of_modernbert_begins_with_the_head_of_its_language_model(tmp_path: Path) -> None:
    decoder = {"decoder.bias": numpy.zeros(64, numpy.float32)}
    language_model = lambda file: {**without(HEADS["modernbert"])(file), **decoder}  # noqa: E731
    folder = copy_checkpoint("modernbert", tmp_path / "tiny", language_model)
    edit_config(folder, architectures=["ModernBertForMaskedLM"])
    loaded = load(folder)
    assert (loaded.report.head, loaded.report.new) == ("new", HEADS["modernbert"])
    assert loaded.report.left_over == ("decoder.bias",)
    kept = read_tensors(folder)["head.dense.weight"].T
    assert (keras.ops.convert_to_numpy(loaded.model.head.dense.kernel) == kept).all()


def test_a_new_classifier_of_modernbert_is_drawn_as_in_transformers(tmp_path: Path) -> None:
    sizes = {"hidden_size": 24, "initializer_range": 0.5, "initializer_cutoff_factor": 1.5}
    config = read_encoder_config({"model_type": "modernbert", "num_hidden_layers": 8, **sizes})
    tensors = {tensor.name: tensor for tensor in find_family({"model_type": "modernbert"}).tensors(config, 2000)}
    for name, deviation in (("head.dense.weight", 0.5 / 4), ("classifier.weight", 24**-0.5)):
        values = initial_values(tensors[name], 0, config.initializer_range)
        assert abs(values).max() <= 1.5 * deviation
        # A normal distribution cut off at 1.5 standard deviations has 0.744 of its standard deviation.
        assert values.std() / deviation == pytest.approx(0.744, abs=0.03)


def test_an_unused_pooler_is_left_over(tmp_path: Path) -> None:
    pooler = {"roberta.pooler.dense.weight": numpy.zeros((24, 24), numpy.float32)}
    folder = copy_checkpoint("roberta", tmp_path / "tiny", lambda file: {**file, **pooler})
    assert load(folder).report.left_over == tuple(pooler)


def test_a_new_head_comes_from_the_seed_alone(tmp_path: Path) -> None:
    folder = copy_checkpoint("roberta", tmp_path / "tiny", without(HEADS["roberta"]))
    edit_config(folder, initializer_range=0.5)
    first, again, other = (load(folder, seed=seed).model.head for seed in (1, 1, 2))
    kernels = [keras.ops.convert_to_numpy(head.dense.kernel) for head in (first, again, other)]
    assert (kernels[0] == kernels[1]).all()
    assert (kernels[0] != kernels[2]).all()
    assert abs(kernels[0].mean()) < 0.1
    assert 0.45 < kernels[0].std() < 0.55
    assert not keras.ops.convert_to_numpy(first.dense.bias).any()
    assert not keras.ops.convert_to_numpy(first.output_dense.bias).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_goes_into_the_order_of_the_task(family: str) -> None:
    labels = labels_of(REFERENCE / family)
    loaded = load(REFERENCE / family, labels[::-1])
    assert loaded.report.head == "checkpoint"
    numpy.testing.assert_allclose(logits_of(loaded, family), reference(family)[2][:, ::-1], atol=1e-5)


def test_a_head_with_other_labels_is_refused_unless_a_new_one_is_wanted() -> None:
    error = refused(REFERENCE / "bert", labels=("negative", "positive"))
    assert error.expected == 'the task\'s labels: "negative", "positive"'
    assert error.received == 'the checkpoint\'s head: "no", "yes"'
    loaded = load(REFERENCE / "bert", ("negative", "neutral", "positive"), new_head=True)
    assert loaded.report.head == "new"
    assert loaded.report.new == HEADS["bert"] == loaded.report.left_over[::-1]
    assert loaded.model(reference("bert")[0]).shape == (4, 3)


def test_a_new_head_may_be_wanted_where_the_labels_fit() -> None:
    report = load(REFERENCE / "distilbert", new_head=True).report
    assert (report.head, report.new) == ("new", HEADS["distilbert"])
    assert set(report.left_over) == set(HEADS["distilbert"])


def test_a_regression_takes_the_one_output_of_a_regression() -> None:
    loaded = load(REFERENCE / "bert-regression")
    assert loaded.report.head == "checkpoint"
    assert loaded.model.labels == ()
    assert refused(REFERENCE / "bert", labels=()).expected == "regression: one output and no labels"
    assert "new_head" in refused(REFERENCE / "bert-regression", labels=("a", "b")).fix
    assert load(REFERENCE / "bert", (), new_head=True).model(reference("bert")[0]).shape == (4, 1)


def test_labels_and_regression_exclude_each_other() -> None:
    checkpoint = find_checkpoint(str(REFERENCE / "bert"))
    for labels, regression in (((), False), (("a", "b"), True)):
        with pytest.raises(ValueError, match="labels are needed"):
            load_classifier(checkpoint, labels=labels, regression=regression, seed=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_missing_tensor_of_the_encoder_is_named(family: str, tmp_path: Path) -> None:
    names = [name for name in read_tensors(REFERENCE / family) if "embed" in name]
    error = refused(copy_checkpoint(family, tmp_path / family, without(tuple(names))))
    assert "tensors of the encoder are missing" in error.message
    assert set(error.received.removeprefix("no ").split(", ")) == set(names)


@pytest.mark.parametrize(
    ("family", "lost"),
    [("bert", "bert.pooler.dense.bias"), ("roberta", "classifier.dense.weight"), ("distilbert", "classifier.bias")],
)
def test_half_a_head_is_refused(family: str, lost: str, tmp_path: Path) -> None:
    folder = copy_checkpoint(family, tmp_path / family, without((lost,)))
    error = refused(folder)
    assert "its classification head is incomplete" in error.message
    assert error.received == f"no {lost}"
    assert load(folder, new_head=True).report.head == "new"


def test_every_tensor_of_another_shape_is_named_with_both(tmp_path: Path) -> None:
    folder = copy_checkpoint("bert", tmp_path / "tiny")
    edit_config(folder, intermediate_size=30, max_position_embeddings=21)
    error = refused(folder)
    assert "do not have the shapes that config.json says" in error.message
    assert "bert.embeddings.position_embeddings.weight: [20, 24], not [21, 24]" in error.received
    assert "bert.encoder.layer.1.intermediate.dense.weight: [28, 24], not [30, 24]" in error.received
    assert error.received.count(";") == 6


def test_a_head_whose_bias_has_another_length_than_its_weight(tmp_path: Path) -> None:
    def cut(file: dict[str, Any]) -> dict[str, Any]:
        return {**file, "classifier.weight": file["classifier.weight"][:1]}

    assert "classifier.weight: [1, 24], not [2, 24]" in refused(copy_checkpoint("bert", tmp_path / "x", cut)).received


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in OWN_LAYERS else pytest.mark.slow) for case in CASES]
)
def test_a_saved_classifier_is_the_same_again(case: str, tmp_path: Path) -> None:
    source = copy_checkpoint(case, tmp_path / "source")
    first = load(source)
    saved = tmp_path / "runs" / "model"
    save_classifier(first.model, saved, load_tokenizer(find_checkpoint(str(source))))
    again = load(saved)
    assert (again.report.head, again.report.new, again.report.left_over) == ("checkpoint", (), ())
    numpy.testing.assert_allclose(logits_of(again, case), logits_of(first, case), atol=1e-6)
    before, after = read_tensors(source), read_tensors(saved)
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before)
    assert (
        load_tokenizer(find_checkpoint(str(saved)))("w5 w6")["input_ids"]
        == make_tokenizer(read_config(source))("w5 w6")["input_ids"]
    )


def test_the_saved_config_keeps_its_keys_and_says_what_the_head_is(tmp_path: Path) -> None:
    source = copy_checkpoint("bert-relu-eps", tmp_path / "source")
    edit_config(source, torch_dtype="float16", num_labels=3, my_key=[1], architectures=["BertModel"])
    edit_config(source, id2label=None, label2id=None)
    edit_config(source, _name_or_path="/home/anna/x", transformers_version="4.8.2", _commit_hash="a")
    model = load(source, ("x", "y"), new_head=True).model
    save_classifier(model, tmp_path / "saved", make_tokenizer(read_config(source)))
    before, after = read_config(source), read_config(tmp_path / "saved")
    assert after["architectures"] == ["BertForSequenceClassification"]
    assert (after["id2label"], after["label2id"]) == ({"0": "x", "1": "y"}, {"x": 0, "y": 1})
    assert after["problem_type"] == "single_label_classification"
    assert after["dtype"] == "float32"
    gone = {"torch_dtype", "num_labels", "_name_or_path", "transformers_version", "_commit_hash"}
    changed = {"architectures", "id2label", "label2id", "problem_type", "dtype", *gone}
    assert {key: before[key] for key in before.keys() - changed} == {key: after[key] for key in after.keys() - changed}
    assert not gone & after.keys()


def test_a_saved_regression_says_so(tmp_path: Path) -> None:
    model = load(REFERENCE / "bert", (), new_head=True).model
    save_classifier(model, tmp_path / "saved", make_tokenizer(read_config(REFERENCE / "bert")))
    config = read_config(tmp_path / "saved")
    assert (config["problem_type"], config["id2label"]) == ("regression", {"0": "score"})


@pytest.mark.parametrize(("own", "saved"), [(10**30, 20), (50, 20), (12, 12)])
def test_the_saved_tokenizer_says_what_the_encoder_reads_and_not_where_it_came_from(
    own: int, saved: int, tmp_path: Path
) -> None:
    source = copy_checkpoint("bert", tmp_path / "source")
    settings = json.loads((source / "tokenizer_config.json").read_text())
    settings |= {
        "model_max_length": own,
        "name_or_path": "/home/anna/x",
        "is_local": True,
        "max_length": 7,
        "stride": 2,
    }
    (source / "tokenizer_config.json").write_text(json.dumps(settings))
    save_classifier(load(source).model, tmp_path / "saved", load_tokenizer(find_checkpoint(str(source))))
    written = json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())
    assert written["model_max_length"] == saved
    assert not {"name_or_path", "is_local", "max_length", "stride", "local_files_only", "_commit_hash"} & written.keys()


def test_a_saved_model_says_how_it_is_opened(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(read_config(REFERENCE / "bert"))
    model = load(REFERENCE / "bert", ("a", 'b "c"'), new_head=True).model
    save_classifier(model, tmp_path / "saved", tokenizer, DecisionRule(threshold=0.3), cut=InputRule(max_length=12))
    text = (tmp_path / "saved" / "README.md").read_text()
    assert 'pipeline("text-classification", model=".")' in text and "glueft predict . " in text
    assert '    labels       "a", "b \\"c\\""\n    longest row  12 tokens in training' in text
    assert "it can read 20\n" in text and '"truncation": True, "max_length": 12' in text
    assert "Labels are decided so:" in text and "from a probability of 0.3 on" in text
    regression = load(REFERENCE / "bert", (), new_head=True).model
    save_classifier(regression, tmp_path / "scores", tokenizer)
    text = (tmp_path / "scores" / "README.md").read_text()
    assert text.startswith("# A model that gives a text a score\n") and "none: the one logit is the score" in text
    assert "decided" not in text and '"max_length": 20' in text
    plain = model_readme("bert", ("a", "b"), (20, 20), DecisionRule(multi_label=True), multi_label=True)
    assert "Each label is decided by itself: it is given from a probability of 0.5 on.\n" in plain


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    class Broken:
        model_max_length = 8

        def num_special_tokens_to_add(self, pair: bool) -> int:
            return 3

        def save_pretrained(self, folder: Path) -> None:
            assert (folder / "model.safetensors").is_file()
            raise OSError("no space left on device")

    model = load(REFERENCE / "bert").model
    with pytest.raises(RunFolderError, match="no space left"):
        save_classifier(model, tmp_path / "saved", Broken())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    model = load(REFERENCE / "bert").model
    tokenizer = make_tokenizer(read_config(REFERENCE / "bert"))
    (tmp_path / "empty").mkdir()
    save_classifier(model, tmp_path / "empty", tokenizer)
    for taken in (tmp_path / "empty", tmp_path / "empty" / "config.json"):
        with pytest.raises(CheckpointError, match="there is something in the place") as caught:
            save_classifier(model, taken, tokenizer)
        assert caught.value.fix


def test_a_saved_tokenizer_does_not_cut_to_the_length_of_the_run(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(read_config(REFERENCE / "bert"))
    tokenizer(["w4 w5 w6"], truncation=True, padding="max_length", max_length=4)
    save_classifier(load(REFERENCE / "bert").model, tmp_path / "saved", tokenizer)
    content = json.loads((tmp_path / "saved" / "tokenizer.json").read_text(encoding="utf-8"))
    assert (content["truncation"], content["padding"]) == (None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such paths")
def test_a_path_need_not_be_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    save_classifier(load(REFERENCE / "bert").model, folder, make_tokenizer(read_config(REFERENCE / "bert")))
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    assert len({stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}) == 1
    assert load_tokenizer(find_checkpoint(str(folder), None)).vocab_size > 0


def test_others_may_read_what_was_saved(tmp_path: Path) -> None:
    save_classifier(load(REFERENCE / "bert").model, tmp_path / "saved", make_tokenizer(read_config(REFERENCE / "bert")))
    (tmp_path / "new").touch()
    expected = stat.S_IMODE((tmp_path / "new").stat().st_mode)
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "saved").iterdir()} == {expected}
