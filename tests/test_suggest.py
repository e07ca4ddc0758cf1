"""Which valid name a wrong one is likely to mean, and that none is proposed that means another thing."""

from __future__ import annotations

import pytest

from glueft.metrics import known_metrics
from glueft.suggest import did_you_mean, nearest

KEYS = [
    *(
        "batch_size",
        "beta_1",
        "checkpoint",
        "end_learning_rate",
        "epochs",
        "epsilon",
        "evaluation_batch_size",
        "freeze",
    ),
    *(
        "gradient_accumulation_steps",
        "initial_learning_rate",
        "jit_compile",
        "label",
        "labels",
        "lora_rank",
        "max_length",
    ),
    *("metrics", "precision", "push", "seed", "split_seed", "test", "text", "text_pair", "train", "validation"),
    *("warmup_ratio", "warmup_steps", "weight_decay"),
]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lr", "initial_learning_rate"),
        ("lerning_rate", "initial_learning_rate"),
        ("per_device_train_batch_size", "batch_size"),
        ("eval_batch_size", "evaluation_batch_size"),
        ("grad_accum_steps", "gradient_accumulation_steps"),
        ("num_train_epochs", "epochs"),
        ("max_seq_length", "max_length"),
        ("text_column", "text"),
        ("num_labels", "labels"),
        ("beta_one", "beta_1"),
        ("adam_beta1", "beta_1"),
        ("warmup_rate", "warmup_ratio"),
        ("lora_r", "lora_rank"),
        ("compile", "jit_compile"),
        ("eps", "epsilon"),
        ("batchsize", "batch_size"),
        ("data_seed", "seed"),
    ],
)
def test_what_is_meant(name: str, meant: str) -> None:
    assert nearest(name, KEYS, favoured={"initial_learning_rate"}) == meant


@pytest.mark.parametrize(
    "name",
    [
        *("label_smoothing", "label_smoothing_factor", "label_weight", "positive_label", "class_weights"),
        *("text_smoothing", "max_steps", "save_steps", "eval_steps", "train_steps", "train_size", "test_size"),
        *("steps_per_epoch", "gradient_checkpointing", "lora_alpha", "local_rank", "metric_for_best_model"),
        *("hub_model_id", "max_grad_norm", "b"),
    ],
)
def test_what_says_another_thing_is_not_proposed(name: str) -> None:
    assert nearest(name, KEYS) is None
    assert did_you_mean(name, KEYS) == ""


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("acc", "accuracy"),
        ("acuracy", "accuracy"),
        ("mcc", "matthews_correlation"),
        ("matthews", "matthews_correlation"),
        ("spearman", "spearmanr"),
        ("pearsonr", "pearson"),
        ("f1_score", "f1"),
        ("recal", "recall"),
    ],
)
def test_metrics(name: str, meant: str | None) -> None:
    assert nearest(name, known_metrics()) == meant
