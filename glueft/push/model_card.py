"""The model card of a run, with its metrics as the hub's `model-index`. Its words are in model_card.md.jinja."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glueft.data.held_out import HELD_OUT
from glueft.encoder.sample_encoder import SAMPLE_CHECKPOINT, SAMPLE_DIGESTS, SAMPLE_LICENSE, SAMPLE_ON_HUB
from glueft.hub.checkpoint_files import WEIGHTS
from glueft.metrics import hub_name, metric_title
from glueft.metrics.decision import PLAIN_THRESHOLD
from glueft.push.markdown import FILTERS, number
from glueft.runs.public_record import is_local
from glueft.runs.record import Decision, Record
from glueft.system.templates import fill
from glueft.text import counted

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

    from glueft.plugin.task_description import TaskDescription


# A name of the hub: of a user's repository, or one without a user, as the first models have.
_ON_HUB = re.compile(r"(?!\.)[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class CardSource:
    """What a card is written from.

    Attributes:
        repository: USER/NAME.
        branch: the branch that is pushed to; None for the main one.
        record: run.json, as it may be published.
        recipe: recipe.toml, as it may be published.
        left_out: the recipe's keys whose values are left out or shortened.
        labels: in index order; () in regression.
        task: None where it is not known.
        epoch: the epoch after which it is pushed, of how many; None when the run is done.
        license, language: as the hub names them; None for what is known of checkpoint and task.
    """

    repository: str
    branch: str | None
    record: Record
    recipe: str
    left_out: Sequence[str]
    labels: tuple[str, ...]
    task: TaskDescription | None
    epoch: tuple[int, int] | None = None
    license: str | None = None
    language: str | None = None


def model_card(source: CardSource) -> ModelCard:
    from huggingface_hub import ModelCard, ModelCardData

    record = source.record
    results = list(eval_results(source))
    metadata = ModelCardData(
        license=license_of(source),
        language=source.language or (source.task and source.task.hub and source.task.hub.language) or None,
        library_name="transformers" if opens_in_transformers(record) else "glueft",
        pipeline_tag="text-classification",
        base_model=base_model(record),
        datasets=data_sets(source),
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=source.repository.partition("/")[2],
        eval_results=results or None,
        tags=["glueft", "keras", record.task],
    )
    return ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n{body(source)}")


def body(source: CardSource) -> str:
    """Return the card's text, below its metadata."""
    record, data, checkpoint = source.record, source.record.data, source.record.checkpoint
    primary = data.splits.get(record.primary_split)
    values = vars(source) | {
        "model_name": source.repository.partition("/")[2],
        "pair": source.task is not None and len(source.task.inputs) == 2,
        "description": source.task.description if source.task else "",
        "revision": f', revision="{source.branch}"' if source.branch else "",
        "branch_option": f" --revision {shlex.quote(source.branch)}" if source.branch else "",
        "data": data,
        "checkpoint": checkpoint,
        "family": checkpoint.family,
        "decision": record.decision,
        "thresholds": (record.decision and record.decision.thresholds) or dict.fromkeys(source.labels, PLAIN_THRESHOLD),
        "trust": trust_in(record.decision),
        "opens_in_transformers": opens_in_transformers(record),
        "began_with": base_model(record) if not is_local(str(checkpoint.name)) else None,
        "parent_began_with": base_model(record),
        "package": package_of(checkpoint.name),
        "license": license_of(source),
        "checkpoint_is_local": is_local(str(checkpoint.name)),
        "weights_sha256": checkpoint.sha256.get(WEIGHTS),
        "metrics_by_split": record.shown_metrics(),
        "primary_rows": primary.rows if primary else 0,
        "partial": data.source == "sample"
        or any(split.official_rows is not None or split.part_of is not None for split in data.splits.values()),
        "cut_rows": sum(split.truncated_rows or 0 for split in data.splits.values()),
        "steps": record.epochs[-1].step if record.epochs else 0,
        "versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
        # Longer than any row of backticks inside.
        "fence": "`" * max(3, 1 + max(map(len, re.findall("`+", source.recipe)), default=0)),
    }
    filters = FILTERS | {"metric_title": lambda name: metric_title(name, record.metric_labels)}
    return fill("glueft.push", "model_card.md.jinja", values, filters)


def trust_in(decision: Decision | None) -> str:
    """Return what is known of how far probabilities can be trusted."""
    if decision is None or "temperature" not in decision.tuned or decision.temperature == 1:  # none was better
        return "nobody has measured how far its probabilities can be trusted"
    losses = decision.plain_log_loss, decision.log_loss
    measured = f", where their log loss is {number(losses[1])} with it and {number(losses[0])} without" * all(losses)
    rows = f"the {counted(decision.rows or 0, f'{decision.split} row')}"
    return f"its probabilities were fitted to {rows} by the temperature{measured}, and measured on no other rows"


def opens_in_transformers(record: Record) -> bool:
    """Whether transformers has the encoder's family. Earlier runs do not record it: theirs is glueft's own."""
    from glueft.encoder.config import in_transformers

    family = record.checkpoint.family
    return "name" not in family or family.get("package") == "glueft" or in_transformers(family["name"])


def eval_results(source: CardSource) -> Iterable[EvalResult]:
    """Yield a result for each metric and labelled split; under the data set's name only if it is complete."""
    from huggingface_hub import EvalResult

    record, data, hub = source.record, source.record.data, source.task.hub if source.task else None
    for split, metrics in record.all_metrics().items():
        described = data.splits.get(split)
        official = data.source != "sample" and not (
            described
            and (split == HELD_OUT or described.official_rows is not None or described.limited_from is not None)
        )
        name, config = (hub.path, hub.config) if official and hub else (record.task, None)
        for metric, value in metrics.items():
            yield EvalResult(
                task_type="text-classification",
                task_name="Text classification",
                dataset_type=name if official else f"{record.task}-{data.source}",
                dataset_name=record.task if official else f"{record.task}, a part or sample of its rows",
                dataset_config=config,
                dataset_split=split,
                dataset_revision=data.revision if official else None,
                dataset_args={"rows": described.rows if described else None},
                metric_type=hub_name(metric, record["metric_facts"] if record.metric_facts else None),
                metric_name=metric_title(metric, record.metric_labels),
                metric_value=value,
                metric_args=_interval_args(record.intervals.get(split, {}).get(metric)),
            )


def data_sets(source: CardSource) -> list[str] | None:
    """Return the data sets of the hub that it was trained on, also if all their rows came from a folder."""
    data, hub = source.record.data, source.task.hub if source.task else None
    if data.dataset:
        return [data.dataset]
    partial = any(split.official_rows is not None or split.limited_from is not None for split in data.splits.values())
    return [hub.path] if hub and data.source == "folder" and not partial else None


def base_model(record: Record) -> str | None:
    """Return the checkpoint of the hub that the run began with, or the run before it; None if there is none.

    The sample encoder comes from a package, and is known by the digest of its weights.
    """
    checkpoint, parent = record.checkpoint, record.checkpoint.run
    name = checkpoint.name or ""
    if checkpoint.sha256.get(WEIGHTS) == SAMPLE_DIGESTS[WEIGHTS]:
        return SAMPLE_ON_HUB
    if parent is not None:
        began = parent.checkpoint or ""
        return SAMPLE_ON_HUB if began == SAMPLE_CHECKPOINT else began if _ON_HUB.fullmatch(began) else None
    return name if checkpoint.revision and not is_local(name) else None


def license_of(source: CardSource) -> str | None:
    """Return the licence: that of the push, else the sample encoder's where the model began with it."""
    return source.license or (SAMPLE_LICENSE if base_model(source.record) == SAMPLE_ON_HUB else None)


def package_of(name: str | None) -> str | None:
    """Return the Python package of a checkpoint's name `package:module/path`; None for another name."""
    return name.removeprefix("package:").partition("/")[0] if name and name.startswith("package:") else None


def _interval_args(interval: Sequence[float] | None) -> dict[str, object] | None:
    return None if interval is None else {"interval": [*interval], "level": 0.95}
