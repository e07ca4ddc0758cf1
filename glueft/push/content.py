"""What is pushed of a run: the checkpoint, its card, the recipe and the record, without what is private."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.encoder.sample_encoder import SAMPLE_CHECKPOINT, SAMPLE_ON_HUB
from glueft.errors import CheckpointError
from glueft.hub.checkpoint_files import CONFIG, INDEX, PICKLES, RULE_FILES, SHARD, TOKENIZER_FILES, WEIGHTS
from glueft.push.model_card import CardSource, model_card
from glueft.runs.models import refuse_without_model
from glueft.runs.public_record import public_recipe, public_record, public_settings
from glueft.runs.record import Record
from glueft.system.plain_file import UnreadableError, read_json
from glueft.text import json_text

if TYPE_CHECKING:
    from glueft.plugin.task_description import TaskDescription
    from glueft.runs.run import Run

CARD, RECIPE, RECORD = "README.md", "recipe.toml", "run.json"
# A repository with these files is one that glueft has pushed to.
OWN_FILES = {RECIPE, RECORD}
SETTINGS = (CONFIG, "tokenizer_config.json")


@dataclass(frozen=True)
class Content:
    """The files of one push.

    Attributes:
        files: the content of each, or the file with it, by its path in the repository.
        message: of the commit.
    """

    files: dict[str, bytes | Path]
    message: str

    def sizes(self) -> dict[str, int]:
        return {
            name: len(content) if isinstance(content, bytes) else content.stat().st_size
            for name, content in self.files.items()
        }


@dataclass(frozen=True)
class Source:
    """What the content is made from.

    Attributes:
        folder: a checkpoint folder.
        record: run.json.
        recipe: the tables of recipe.toml.
        labels: in index order; () in regression.
        task: None where it is not known.
        epoch: the epoch after which it is pushed, of how many; None when the run is done.
    """

    folder: Path
    record: Record
    recipe: Mapping[str, Any]
    labels: tuple[str, ...]
    task: TaskDescription | None
    epoch: tuple[int, int] | None = None


def source_of(run: Run) -> Source:
    """Return what a finished run's push is made from, after a check of its checkpoint.

    Raises:
        RunFolderError: the model is missing, or the recipe or the model's labels cannot be read.
        CheckpointError: the model is broken, or a link in its folder leads out of it.
    """
    from glueft.encoder.checkpoint_finder import refuse_leaving_links
    from glueft.inference.predictor import described_if_known, find_run_checkpoint

    refuse_without_model(run)
    refuse_leaving_links(run.model_folder)
    find_run_checkpoint(run)
    # The plugin of an earlier run may not be here: the card then has a sentence less.
    task = described_if_known(run)
    return Source(run.model_folder, run.record, run.recipe_settings(), run.labels, task)


def content_of(
    source: Source, repository: str, branch: str | None, *, license_name: str | None = None, language: str | None = None
) -> Content:
    """Return the files to push.

    Args:
        source: what there is.
        repository: USER/NAME, for the card.
        branch: where it goes; None for the main branch.
        license_name, language: for the card; None for those of the recipe's [hub].

    Raises:
        CheckpointError: a configuration file of the checkpoint cannot be read.
    """
    import tomlkit

    record = public_record(source.record)
    tables, left_out = public_recipe(source.recipe)
    hub = source.recipe.get("hub", {})
    if record.checkpoint.name == SAMPLE_CHECKPOINT:
        # Its files are the hub's, to the last byte, and who reads the card need not have the package.
        record.checkpoint.name = tables["model"]["checkpoint"] = SAMPLE_ON_HUB
    recipe = tomlkit.dumps(tables)
    card = model_card(
        CardSource(
            repository=repository,
            branch=branch,
            record=record,
            recipe=recipe,
            left_out=left_out,
            labels=source.labels,
            task=source.task,
            epoch=source.epoch,
            license=license_name or hub.get("license"),
            language=language or hub.get("language"),
        )
    )
    texts = {CARD: str(card), RECIPE: recipe, RECORD: json_text(record.as_dict(), indent=2) + "\n"}
    stage = f"epoch {source.epoch[0]} of {source.epoch[1]}" if source.epoch else "the finished run"
    return Content(
        _checkpoint(source.folder) | {name: text.encode("utf-8", "backslashreplace") for name, text in texts.items()},
        f"glueft: {record.task}, {stage}",
    )


def is_stale(name: str, new: Mapping[str, Any]) -> bool:
    """Whether a file of a repository belongs to an earlier checkpoint, and must not be mixed with the new one."""
    return name not in new and (is_checkpoint_file(name) or ("/" not in name and name.endswith(PICKLES)))


def is_checkpoint_file(name: str) -> bool:
    """Whether a checkpoint may be read from a file of this name."""
    return name in (CONFIG, WEIGHTS, INDEX, *RULE_FILES, *TOKENIZER_FILES) or SHARD.fullmatch(name) is not None


def _checkpoint(folder: Path) -> dict[str, bytes | Path]:
    """The files of a checkpoint, and no others that lie beside them."""
    files: dict[str, bytes | Path] = {}
    for path in sorted(folder.iterdir()):
        if is_checkpoint_file(path.name) and path.is_file():
            files[path.name] = _settings(path) if path.name in SETTINGS else path
    return files


def _settings(path: Path) -> bytes:
    try:
        settings = read_json(path)
        received = "" if isinstance(settings, dict) else f"a JSON {type(settings).__name__}"
    except UnreadableError as error:
        received = str(error)
    if received:
        raise CheckpointError(
            f"{path}: it cannot be read, so nothing is pushed",
            expected="a JSON object",
            received=received,
            fix="repeat the run, or restore the file from a copy",
        )
    return public_settings(path.read_bytes())
