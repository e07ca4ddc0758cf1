from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from glueft.encoder.activations import ACTIVATIONS
from glueft.encoder.config import read_config
from glueft.errors import CheckpointError
from glueft.plugin.registry import load_registry
from reference_checkpoints import CASES, FAMILIES, REFERENCE
from reference_checkpoints import read_config as read_json

ROTARY = ("modernbert", "eurobert", "nomic_bert")
TINY = read_json(REFERENCE / "bert")


def test_the_families_are_known() -> None:
    assert load_registry().names("encoder") == sorted(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_keys_left_out_have_the_defaults_of_transformers(family: str) -> None:
    from transformers import AutoConfig

    theirs = AutoConfig.for_model(family)
    ours = read_config({"model_type": family})
    assert ours.vocab_size == theirs.vocab_size
    assert ours.hidden_size == theirs.hidden_size
    assert ours.num_layers == theirs.num_hidden_layers
    assert ours.num_heads == theirs.num_attention_heads
    assert getattr(ours, "max_position_embeddings", ours.max_positions) == theirs.max_position_embeddings
    assert ours.initializer_range == theirs.initializer_range
    assert getattr(ours, "embedding_size", ours.hidden_size) == getattr(theirs, "embedding_size", theirs.hidden_size)
    assert ours.type_vocab_size == getattr(theirs, "type_vocab_size", 0)
    if family in ROTARY:
        assert ours.intermediate_size == theirs.intermediate_size
        kinds = getattr(theirs, "layer_types", None) or [None] * theirs.num_hidden_layers
        for sight, kind in zip(ours.sights, kinds, strict=True):
            rotations = theirs.rope_parameters
            assert sight.theta == (rotations[kind] if kind else rotations)["rope_theta"]
            assert sight.window == (theirs.local_attention // 2 if kind == "sliding_attention" else None)
    if family == "modernbert":
        assert ours.activation == theirs.hidden_activation
        assert (ours.norm_eps, ours.norm_bias) == (theirs.norm_eps, theirs.norm_bias)
        assert (ours.attention_bias, ours.feed_forward_bias) == (theirs.attention_bias, theirs.mlp_bias)
        assert (ours.head_bias, ours.head_activation) == (theirs.classifier_bias, theirs.classifier_activation)
        assert (ours.pooling, theirs.classifier_pooling) == ("first", "cls")
    elif family == "eurobert":
        assert (ours.activation, ours.norm_eps) == (theirs.hidden_act, theirs.rms_norm_eps)
        assert (ours.head_size, ours.num_key_value_heads) == (theirs.head_dim, theirs.num_key_value_heads)
        assert (ours.attention_bias, ours.feed_forward_bias) == (theirs.attention_bias, theirs.mlp_bias)
        assert (ours.pooling, theirs.classifier_pooling) == ("each", "late")
    elif family == "nomic_bert":
        assert (ours.activation, ours.norm_eps) == (theirs.hidden_act, theirs.layer_norm_eps)
        assert (ours.head_size, ours.head_dropout) == (theirs.head_dim, theirs.hidden_dropout_prob)
    elif family == "distilbert":
        assert (ours.intermediate_size, ours.activation) == (theirs.hidden_dim, theirs.activation)
        assert (ours.hidden_dropout, ours.attention_dropout) == (theirs.dropout, theirs.attention_dropout)
        assert (ours.head_dropout, ours.layer_norm_eps) == (theirs.seq_classif_dropout, 1e-12)
    else:
        assert (ours.intermediate_size, ours.activation) == (theirs.intermediate_size, theirs.hidden_act)
        assert ours.hidden_dropout == theirs.hidden_dropout_prob
        assert ours.attention_dropout == theirs.attention_probs_dropout_prob
        assert ours.layer_norm_eps == theirs.layer_norm_eps
    if ours.padding_index is not None:
        assert ours.padding_index == theirs.pad_token_id


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith(ROTARY)])
def test_dropouts_are_where_each_class_has_them(case: str) -> None:
    rates: dict[str, Any] = {"hidden_dropout_prob": 0.11, "attention_probs_dropout_prob": 0.22}
    rates |= {"dropout": 0.11, "attention_dropout": 0.22, "seq_classif_dropout": 0.33}
    rates |= {"classifier_dropout": 0.33, "classifier_dropout_prob": 0.33, "cls_dropout": 0.33}
    config = read_config({**read_json(REFERENCE / case), **rates})
    assert (config.hidden_dropout, config.attention_dropout) == (0.11, 0.22)
    assert config.head_dropout == (0.11 if case.startswith("mpnet") else 0.33)
    assert config.projection_dropout == (0.0 if case.startswith("distilbert") else 0.11)
    assert config.feed_forward_dropout == (0.0 if case.startswith("albert") else 0.11)


def test_the_head_takes_the_hidden_dropout_where_it_has_none_of_its_own() -> None:
    assert read_config({**TINY, "hidden_dropout_prob": 0.3}).head_dropout == 0.3
    assert read_config({**TINY, "hidden_dropout_prob": 0.3, "classifier_dropout": 0.0}).head_dropout == 0.0


def test_distilbert_takes_the_common_names_too() -> None:
    config = read_config({"model_type": "distilbert", "hidden_size": 24, "num_hidden_layers": 2, "n_heads": 3})
    assert (config.hidden_size, config.num_layers, config.num_heads) == (24, 2, 3)


def test_positions_of_roberta_start_behind_the_padding_index() -> None:
    assert read_config({"model_type": "roberta", "max_position_embeddings": 514}).max_positions == 512
    assert read_config({"model_type": "bert"}).max_positions == 512


def test_a_padding_index_that_leaves_no_position() -> None:
    with pytest.raises(CheckpointError, match="no position is left") as caught:
        read_config({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 513})
    assert caught.value.received == "max_position_embeddings 514, pad_token_id 513"
    assert read_config({"model_type": "bert", "max_position_embeddings": 514, "pad_token_id": 513})


def test_albert_repeats_its_groups_as_transformers_does() -> None:
    albert = {"model_type": "albert", "num_hidden_layers": 5, "num_hidden_groups": 2, "inner_group_num": 2}
    assert read_config(albert).block_order == [0, 1, 0, 1, 0, 1, 2, 3, 2, 3]
    assert read_config({"model_type": "bert", "num_hidden_layers": 3}).block_order == [0, 1, 2]


@pytest.mark.parametrize("model_type", [None, "gpt2", "t5", 3])
def test_an_unsupported_model_type_lists_the_supported(model_type: Any) -> None:
    with pytest.raises(CheckpointError, match="model_type is not supported") as caught:
        read_config({"model_type": model_type})
    assert ", ".join(sorted(FAMILIES)) in caught.value.expected
    assert caught.value.received == ("no model_type" if model_type is None else repr(model_type))


@pytest.mark.parametrize(
    ("model_type", "nearest"),
    [
        ("deberta", "the nearest family that is: deberta-v2; "),
        ("xlm_roberta_xl", "the nearest family that is: xlm-roberta; "),
        ("roc_bert", "the nearest family that is: bert; "),
        ("deberta-v3", 'did you mean "deberta-v2"? '),
        ("modern-bert", 'did you mean "modernbert"? '),
        ("llama", "choose an encoder of one of these families"),
    ],
)
def test_an_unsupported_model_type_names_the_nearest(model_type: str, nearest: str) -> None:
    with pytest.raises(CheckpointError, match="model_type is not supported") as caught:
        read_config({"model_type": model_type})
    assert caught.value.fix.startswith(nearest)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("position_embedding_type", "relative_key_query"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("pruned_heads", {"0": [1]}),
        ("quantization_config", {"bits": 4}),
        ("auto_map", {"AutoModel": "modeling.CustomBert"}),
        ("auto_map", {"AutoModel": "modeling_eurobert.EuroBertModel"}),
    ],
)
def test_another_architecture_is_refused(key: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=f"{key} asks for an architecture") as caught:
        read_config({**TINY, key: value})
    assert caught.value.received == f"{key} = {value!r}"


def test_harmless_keys_are_no_obstacle() -> None:
    harmless = {"chunk_size_feed_forward": 4, "position_embedding_type": "absolute", "pruned_heads": {}, "new": 1}
    assert read_config({**TINY, **harmless, "auto_map": {"AutoTokenizer": "x"}}) == read_config(TINY)


def test_code_that_transformers_has_taken_over_is_no_obstacle() -> None:
    tiny = read_json(REFERENCE / "eurobert")
    for code in ("modeling_eurobert.EuroBertModel", "EuroBERT/EuroBERT-210m--modeling_eurobert.EuroBertModel"):
        found = read_config({**tiny, "auto_map": {"AutoConfig": "other.Config", "AutoModel": code}})
        assert found == read_config(tiny)
    with pytest.raises(CheckpointError, match="auto_map asks for an architecture"):
        read_config({**tiny, "auto_map": {"AutoModel": "someone/else--modeling.EuroBertModel"}})


def test_an_unknown_activation_lists_the_known() -> None:
    with pytest.raises(CheckpointError, match="activation is not supported") as caught:
        read_config({**TINY, "hidden_act": "gleu"})
    assert "gelu_new" in caught.value.expected
    assert caught.value.received == "'gleu'"


def test_heads_must_divide_the_hidden_size() -> None:
    with pytest.raises(CheckpointError, match="cannot be shared") as caught:
        read_config({**TINY, "num_attention_heads": 5})
    assert caught.value.received == "hidden size 24, 5 heads"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("hidden_size", "768", "a whole number, 1 or more"),
        ("num_hidden_layers", 0, "a whole number, 1 or more"),
        ("vocab_size", True, "a whole number, 1 or more"),
        ("hidden_dropout_prob", 1.0, "a dropout rate: 0 or more and less than 1"),
        ("classifier_dropout", "none", "a dropout rate: 0 or more and less than 1"),
        ("layer_norm_eps", 0, "a number above 0"),
        ("initializer_range", None, "a number above 0"),
        ("initializer_range", 10**400, "a number above 0"),
    ],
)
def test_a_value_that_cannot_be_is_named(key: str, value: Any, expected: str) -> None:
    with pytest.raises(CheckpointError, match=f"{key} has a value") as caught:
        read_config({**TINY, key: value})
    assert (caught.value.expected, caught.value.received) == (expected, f"{key} = {value!r}")


def test_roberta_needs_its_padding_id() -> None:
    with pytest.raises(CheckpointError, match="pad_token_id"):
        read_config({"model_type": "roberta", "pad_token_id": None})
    read_config({"model_type": "bert", "pad_token_id": None})


# Values at -2, -1, 0, 0.5 and 3, from torch 2.13 and transformers 5.23 (ACT2FN).
VALUES = {
    "gelu": [-0.0455003, -0.1586553, 0.0, 0.3457312, 2.9959497],
    "gelu_accurate": [-0.0454023, -0.158808, 0.0, 0.345714, 2.9963627],
    "gelu_fast": [-0.0454023, -0.158808, 0.0, 0.345714, 2.9963627],
    "gelu_new": [-0.0454023, -0.158808, 0.0, 0.345714, 2.9963627],
    "gelu_python": [-0.0455003, -0.1586553, 0.0, 0.3457312, 2.9959502],
    "gelu_python_tanh": [-0.0454023, -0.158808, 0.0, 0.345714, 2.9963627],
    "gelu_pytorch_tanh": [-0.0454023, -0.158808, 0.0, 0.345714, 2.9963627],
    "linear": [-2.0, -1.0, 0.0, 0.5, 3.0],
    "mish": [-0.2525015, -0.3034014, 0.0, 0.3752452, 2.9865351],
    "quick_gelu": [-0.0643414, -0.1542042, 0.0, 0.3503884, 2.9819288],
    "relu": [0.0, 0.0, 0.0, 0.5, 3.0],
    "relu2": [0.0, 0.0, 0.0, 0.25, 9.0],
    "relu6": [0.0, 0.0, 0.0, 0.5, 3.0],
    "sigmoid": [0.1192029, 0.2689414, 0.5, 0.6224594, 0.9525741],
    "silu": [-0.2384058, -0.2689414, 0.0, 0.3112297, 2.8577225],
    "swish": [-0.2384058, -0.2689414, 0.0, 0.3112297, 2.8577225],
    "tanh": [-0.9640276, -0.7615942, 0.0, 0.4621172, 0.9950548],
}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_have_the_values_of_transformers(name: str) -> None:
    import keras

    actual = ACTIVATIONS[name](keras.ops.convert_to_tensor([-2.0, -1.0, 0.0, 0.5, 3.0], "float32"))
    assert keras.ops.convert_to_numpy(actual).tolist() == pytest.approx(VALUES[name], abs=1e-6)


def test_checking_a_config_imports_no_framework() -> None:
    code = (
        "import sys, glueft.encoder.checkpoint; from glueft.encoder.config import read_config;"
        "read_config({'model_type': 'bert'});"
        "heavy = ('keras', 'tensorflow', 'jax', 'torch', 'transformers', 'numpy');"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
