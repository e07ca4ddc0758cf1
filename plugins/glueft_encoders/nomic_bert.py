"""NomicBERT (Nussbaum et al., 2024, arXiv:2402.01613): BERT with rotary positions and gated feed-forward layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import glueft
from glueft import CheckpointTensor
from glueft.encoder.activations import ACTIVATIONS
from glueft_encoders.rotary import Rotary, RotaryConfig, Sight, read_theta

# Keys of nomic's own code that transformers does not read, and its keys for the same.
OWN_KEYS = {
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_layer": "num_hidden_layers",
    "n_inner": "intermediate_size",
    "layer_norm_epsilon": "layer_norm_eps",
    "rotary_emb_base": "rope_theta",
}
# Keys for what transformers' class has in one way alone.
OWN_SWITCHES = {
    "num_experts": 0,
    "activation_function": "swiglu",
    "qkv_proj_bias": False,
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "use_rms_norm": False,
    "prenorm": False,
    "parallel_block": False,
    "causal": False,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
}


class NomicBert(Rotary):
    """NomicBERT: BERT with rotary positions and gated layers, rows of up to 2,048 tokens."""

    name = "nomic_bert"
    architecture = "NomicBertForSequenceClassification"
    relatives: ClassVar[tuple[str, ...]] = ("gte", "new")
    prefix = "nomic_bert."
    poolings: ClassVar[Mapping[str, Mapping[str, Any]]] = {"first": {}}
    # What nomic's own checkpoints name as their code; transformers has taken it over.
    own_code: ClassVar[tuple[str, ...]] = ("modeling_hf_nomic_bert",)
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 30528,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "head_dim": None,
        "intermediate_size": 3072,
        "hidden_act": "silu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout": None,
        "max_position_embeddings": 2048,
        "type_vocab_size": 2,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
        "rope_parameters": None,
        "rope_scaling": None,
        "rope_theta": 1000.0,
        **dict.fromkeys((*OWN_KEYS, *OWN_SWITCHES)),
    }

    def read_config(self, values: glueft.ConfigReader) -> RotaryConfig:
        heads, layers = values.whole("num_attention_heads"), self.num_layers(values)
        theta = read_theta(values, values["rope_theta"])
        _check_own_keys(values, theta)
        dropout = values.rate("hidden_dropout_prob")
        return RotaryConfig(
            vocab_size=values.whole("vocab_size"),
            hidden_size=values.whole("hidden_size"),
            num_layers=layers,
            max_positions=values.whole("max_position_embeddings"),
            type_vocab_size=values.whole("type_vocab_size"),
            initializer_range=values.positive("initializer_range"),
            num_heads=heads,
            num_key_value_heads=heads,
            head_size=self.head_size(values),
            intermediate_size=values.whole("intermediate_size"),
            activation=values.choice("hidden_act", ACTIVATIONS, "activation"),
            norm_eps=values.positive("layer_norm_eps"),
            norm_bias=True,
            pre_norm=False,
            sights=(Sight(theta),) * layers,
            embedding_dropout=dropout,
            attention_dropout=values.rate("attention_probs_dropout_prob"),
            projection_dropout=dropout,
            output_dropout=dropout,
            pooling="first",
            head_activation="tanh",
            head_dropout=dropout if values["classifier_dropout"] is None else values.rate("classifier_dropout"),
        )

    def tensors(self, config: RotaryConfig, outputs: int) -> Iterator[CheckpointTensor]:
        """transformers reads and writes files with the names of nomic's own code, and has others for its modules.

        In nomic-bert-2048, which is nomic's language model, the encoder is called bert.
        """
        for tensor in self._tensors(config, outputs):
            inner = tensor.name.removeprefix(self.prefix)
            yield tensor if inner == tensor.name else replace(tensor, old_name=f"bert.{inner}")

    def _tensors(self, config: RotaryConfig, outputs: int) -> Iterator[CheckpointTensor]:
        norm, hidden, inner = CheckpointTensor.norm, config.hidden_size, config.intermediate_size
        dense, rows = CheckpointTensor.dense, config.num_heads * config.head_size
        tables = {"word_embeddings": config.vocab_size, "token_type_embeddings": config.type_vocab_size}
        for table, size in tables.items():
            name = f"embeddings.{table}"
            yield from CheckpointTensor.embedding(f"nomic_bert.{name}", f"encoder.{name}", size, hidden)
        yield from norm("nomic_bert.emb_ln", "encoder.embeddings.embeddings_norm", hidden)
        for index in range(config.num_layers):
            name, block = f"nomic_bert.encoder.layers.{index}", f"encoder.blocks.{index}"
            yield from dense(f"{name}.attn.Wqkv", f"{block}.query_key_value", 3 * rows, hidden, bias=False)
            yield from dense(f"{name}.attn.out_proj", f"{block}.projection", hidden, rows, bias=False)
            # What goes through the activation is the second of these, and the first part of our variable.
            yield from dense(f"{name}.mlp.fc11", f"{block}.gates", inner, hidden, bias=False, part=1)
            yield from dense(f"{name}.mlp.fc12", f"{block}.gates", inner, hidden, bias=False, part=0)
            yield from dense(f"{name}.mlp.fc2", f"{block}.output_dense", hidden, inner, bias=False)
            yield from norm(f"{name}.norm1", f"{block}.attention_norm", hidden)
            yield from norm(f"{name}.norm2", f"{block}.feed_forward_norm", hidden)
        yield from dense("nomic_bert.pooler.dense", "head.dense", hidden, hidden, role="pooler")
        yield from dense("classifier", "head.output_dense", outputs, hidden, role="output")


def _check_own_keys(values: glueft.ConfigReader, theta: float) -> None:
    """Refuse a config.json of nomic's own code that says something else than transformers makes of it.

    transformers reads none of its keys, and has its own defaults, which are those of nomic's checkpoints.

    Raises:
        CheckpointError: a key contradicts transformers' own, or asks for what transformers' class does not compute.
    """
    for own, value in OWN_SWITCHES.items():
        refused = values[own] is not None and values[own] != value
        values.refuse(own, refused, f"{own} = {value!r}, as transformers' NomicBertModel computes it")
    for own, key in OWN_KEYS.items():
        value = theta if key == "rope_theta" else values[key]
        if values[own] not in (None, value):
            raise glueft.CheckpointError(
                f"{values.where}: {own} is a key of nomic's own code, and transformers reads {key} in its place",
                expected=f"one value for both: {own} = {value!r}",
                received=f"{own} = {values[own]!r}",
                fix=f"set {key} in config.json to what the weights were trained with",
            )
