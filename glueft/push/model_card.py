"""The model card of a run: README.md as the hub shows it, with the metrics in the form of its `model-index`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.metrics import hub_name, metric_title
from glueft.push.model_card_text import body
from glueft.runs.public_record import is_local

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard


@dataclass(frozen=True)
class CardSource:
    """What a card is written from.

    Attributes:
        repository: USER/NAME.
        branch: the branch that is pushed to; None for the main one.
        record: run.json, as it may be shown.
        recipe: recipe.toml, as it may be shown.
        left_out: the recipe's keys whose values are not shown.
        labels: in index order; () in regression.
        pair: whether the texts come in twos; None where nobody knows.
        description: the task in a sentence; None where nobody knows it.
        data_set: the task's own data set on the hub: its name and configuration.
        epoch: the epoch after which it is pushed, of how many; None when the run is done.
    """

    repository: str
    branch: str | None
    record: Mapping[str, Any]
    recipe: str
    left_out: Sequence[str]
    labels: tuple[str, ...]
    pair: bool | None
    description: str | None
    data_set: tuple[str, str | None] | None
    epoch: tuple[int, int] | None = None


def model_card(source: CardSource) -> ModelCard:
    """Write the card."""
    from huggingface_hub import ModelCard, ModelCardData

    record = source.record
    results = list(eval_results(source))
    metadata = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-classification",
        base_model=base_model(record),
        datasets=data_sets(source),
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=source.repository.partition("/")[2],
        eval_results=results or None,
        tags=["glueft", "keras", record["task"]],
    )
    return ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n{body(source)}")


def eval_results(source: CardSource) -> Iterable[EvalResult]:
    """Return one result a metric and labelled split; under the data set's own name only where no row is missing."""
    from huggingface_hub import EvalResult

    record, data = source.record, source.record["data"]
    judged = data["validation_split"]
    for split, metrics in (record.get("metrics_by_split") or {judged: record["metrics"]}).items():
        described = data["splits"].get(split, {})
        official = "official_rows" not in described and "limited_from" not in described and data["source"] != "sample"
        name, config = (source.data_set if official else None) or (record["task"], None)
        for metric, value in metrics.items():
            yield EvalResult(
                task_type="text-classification",
                task_name="Text classification",
                dataset_type=name if official else f"{record['task']}-{data['source']}",
                dataset_name=record["task"] if official else f"{record['task']}, a part or sample of its rows",
                dataset_config=config,
                dataset_split=split,
                dataset_revision=data.get("revision") if official else None,
                dataset_args={"rows": described.get("rows")},
                metric_type=hub_name(metric, record.get("metric_facts")),
                metric_name=metric_title(metric, record.get("metric_labels", {})),
                metric_value=value,
            )


def data_sets(source: CardSource) -> list[str] | None:
    """Return the data sets of the hub that it was trained on, also where all rows of one came from a folder."""
    data = source.record["data"]
    if data.get("dataset"):
        return [data["dataset"]]
    partial = any({"official_rows", "limited_from"} & set(split) for split in data["splits"].values())
    return [source.data_set[0]] if source.data_set and data["source"] == "folder" and not partial else None


def base_model(record: Mapping[str, Any]) -> str | None:
    """Return the checkpoint that the run began with, if it is one of the hub's."""
    name = str(record["checkpoint"].get("name", ""))
    return name if record["checkpoint"].get("revision") and not is_local(name) else None
