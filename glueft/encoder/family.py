"""The seven model types: their tensor names in Hugging Face checkpoints, and the shape of their classification head.

The one table of names: `weights.py` reads and writes by it. The names are those of transformers 5.23.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Layer of ours -> module of transformers' class. {block} counts the blocks; ALBERT counts {group} and {inner}.
_BERT_MODULES = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "token_type_embeddings": "embeddings.token_type_embeddings",
    "embeddings_norm": "embeddings.LayerNorm",
    "query": "encoder.layer.{block}.attention.self.query",
    "key": "encoder.layer.{block}.attention.self.key",
    "value": "encoder.layer.{block}.attention.self.value",
    "projection": "encoder.layer.{block}.attention.output.dense",
    "attention_norm": "encoder.layer.{block}.attention.output.LayerNorm",
    "intermediate": "encoder.layer.{block}.intermediate.dense",
    "output": "encoder.layer.{block}.output.dense",
    "output_norm": "encoder.layer.{block}.output.LayerNorm",
}
_DISTILBERT_MODULES = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "embeddings_norm": "embeddings.LayerNorm",
    "query": "transformer.layer.{block}.attention.q_lin",
    "key": "transformer.layer.{block}.attention.k_lin",
    "value": "transformer.layer.{block}.attention.v_lin",
    "projection": "transformer.layer.{block}.attention.out_lin",
    "attention_norm": "transformer.layer.{block}.sa_layer_norm",
    "intermediate": "transformer.layer.{block}.ffn.lin1",
    "output": "transformer.layer.{block}.ffn.lin2",
    "output_norm": "transformer.layer.{block}.output_layer_norm",
}
_ALBERT_LAYER = "encoder.albert_layer_groups.{group}.albert_layers.{inner}"
_ALBERT_MODULES = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "token_type_embeddings": "embeddings.token_type_embeddings",
    "embeddings_norm": "embeddings.LayerNorm",
    "embeddings_projection": "encoder.embedding_hidden_mapping_in",
    "query": f"{_ALBERT_LAYER}.attention.query",
    "key": f"{_ALBERT_LAYER}.attention.key",
    "value": f"{_ALBERT_LAYER}.attention.value",
    "projection": f"{_ALBERT_LAYER}.attention.dense",
    "attention_norm": f"{_ALBERT_LAYER}.attention.LayerNorm",
    "intermediate": f"{_ALBERT_LAYER}.ffn",
    "output": f"{_ALBERT_LAYER}.ffn_output",
    "output_norm": f"{_ALBERT_LAYER}.full_layer_layer_norm",
}


@dataclass(frozen=True)
class HeadShape:
    """A head is: first token, dropout (or not), dense, activation, dropout, one output a label.

    Attributes:
        dense: the module of the dense layer, in full.
        output: the module of the last layer, in full.
        activation: after the dense layer.
        dropout_before_dense: whether the first token's state is dropped out as well.
        dense_is_pooler: the dense layer is the encoder's own pooler: trained with it, kept under a new head, and part
            of the new head only where the checkpoint has none.
    """

    dense: str
    output: str
    activation: str
    dropout_before_dense: bool = False
    dense_is_pooler: bool = False


@dataclass(frozen=True)
class Family:
    """One model_type.

    Attributes:
        model_type: as in config.json.
        architecture: transformers' class with the classification head.
        prefix: of the encoder's tensors in that class; files of the bare encoder have none.
        modules: the module of each of the encoder's layers, without the prefix.
        head: the classification head.
        positions_from_padding: positions count the tokens that are not padding, from pad id + 1 (RoBERTa).
    """

    model_type: str
    architecture: str
    prefix: str
    modules: Mapping[str, str]
    head: HeadShape
    positions_from_padding: bool = False


_ROBERTA_HEAD = HeadShape("classifier.dense", "classifier.out_proj", "tanh", dropout_before_dense=True)

FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        Family(
            "bert",
            "BertForSequenceClassification",
            "bert.",
            _BERT_MODULES,
            HeadShape("bert.pooler.dense", "classifier", "tanh", dense_is_pooler=True),
        ),
        Family("roberta", "RobertaForSequenceClassification", "roberta.", _BERT_MODULES, _ROBERTA_HEAD, True),
        Family("xlm-roberta", "XLMRobertaForSequenceClassification", "roberta.", _BERT_MODULES, _ROBERTA_HEAD, True),
        Family("camembert", "CamembertForSequenceClassification", "roberta.", _BERT_MODULES, _ROBERTA_HEAD, True),
        Family(
            "distilbert",
            "DistilBertForSequenceClassification",
            "distilbert.",
            _DISTILBERT_MODULES,
            HeadShape("pre_classifier", "classifier", "relu"),
        ),
        Family(
            "albert",
            "AlbertForSequenceClassification",
            "albert.",
            _ALBERT_MODULES,
            HeadShape("albert.pooler", "classifier", "tanh", dense_is_pooler=True),
        ),
        Family(
            "electra",
            "ElectraForSequenceClassification",
            "electra.",
            {**_BERT_MODULES, "embeddings_projection": "embeddings_project"},
            # ELECTRA's authors use gelu where BERT uses tanh, whatever hidden_act says.
            HeadShape("classifier.dense", "classifier.out_proj", "gelu", dropout_before_dense=True),
        ),
    )
}
