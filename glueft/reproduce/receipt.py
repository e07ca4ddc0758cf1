"""Receipts: what it takes to train a run again elsewhere, in one JSON file without paths and names of who ran it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from glueft.errors import RunFolderError
from glueft.plugin.origin import recorded_origins
from glueft.recipe.flatten import flatten
from glueft.runs.history import OWN_KINDS
from glueft.runs.public_record import LEFT_OUT, public_part, public_recipe, public_record
from glueft.runs.record import Part, Record, parse_record, read_object, wrong_values
from glueft.version import __version__

if TYPE_CHECKING:
    from glueft.recipe import Recipe
    from glueft.runs.run import Run

FORMAT = 1
_REPEAT = "write it again: glueft receipt RUN --output FILE"
# Shorter names of users and hosts are also ordinary words, and say little.
_SHORTEST = 3


class Receipt(Part):
    """The receipt of a run."""

    receipt: int = Field(description="the format of this file")
    glueft: str = Field(description="the version that wrote it")
    recipe: str = Field(description="the complete recipe, TOML, with local paths and secrets shortened or left out")
    left_out: list[str] = Field(
        description="dotted keys of the recipe whose values were local paths or secrets: `glueft reproduce` needs them"
    )
    run: dict[str, Any] = Field(description="of run.json: what is published, `fingerprints` and `model`")
    history: list[dict[str, Any]] = Field(description="the steps and evaluations of history.jsonl")


def receipt_of(run: Run) -> Receipt:
    """Return the receipt of a finished run.

    Raises:
        RunFolderError: recipe.toml or history.jsonl cannot be read.
    """
    import tomlkit

    settings, record = run.recipe_settings(), run.record
    names = _names(record)
    shown = _nameless_recipe(settings, public_recipe(settings, inside=True)[0], names)
    before, after = flatten(settings), flatten(shown)
    left_out = [key for key, value in before.items() if after.get(key) != value and not key.startswith("hub.")]
    content = _public(record, names)
    made_of = public_part(record.fingerprints).as_dict()
    if "recipe" in made_of:
        made_of["recipe"] = _nameless_recipe(record.fingerprints.recipe, made_of["recipe"], names)
    content["fingerprints"] = made_of
    content["model"] = record.model.as_dict()
    history = [
        {"kind": entry["kind"]} | {key: entry[key] for key in OWN_KINDS[entry["kind"]].model_fields if key in entry}
        for entry in run.history()
        if entry["kind"] in OWN_KINDS
    ]
    return Receipt(
        receipt=FORMAT,
        glueft=__version__,
        recipe=tomlkit.dumps(shown),
        left_out=left_out,
        run=content,
        history=history,
    )


def is_receipt(path: str) -> bool:
    """Whether a path is that of a file, as receipts are; run folders are folders."""
    return Path(path).is_file()


def read_receipt(path: Path) -> tuple[Receipt, Record]:
    """Read a receipt.

    Raises:
        RunFolderError: it is broken, no receipt, or of a later glueft.
    """
    content = read_object(path, "a receipt")
    written = content.get("receipt")
    if isinstance(written, int) and written > FORMAT:
        raise RunFolderError(
            f"{path}: it was written by a later glueft",
            expected=f'"receipt": {FORMAT}',
            received=f'"receipt": {written}',
            fix="update glueft: pip install --upgrade glueft",
        )
    try:
        receipt = Receipt.model_validate(content)
    except ValidationError as error:
        raise _refused(path, wrong_values(error)) from None
    for number, entry in enumerate(receipt.history):
        wrong = _wrong_line(entry)
        if wrong:
            raise _refused(path, {f"history.{number}.{key}": wanted for key, wanted in wrong.items()})
    record, wrong = parse_record(_as_record(receipt.run))
    if record is None:
        raise _refused(path, {f"run.{key}": wanted for key, wanted in wrong.items()})
    return receipt, record


def _wrong_line(entry: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a line of the history that are wrong, each with what is expected."""
    kind = str(entry.get("kind"))
    if kind not in OWN_KINDS:
        return {"kind": "one of " + ", ".join(OWN_KINDS)}
    try:
        OWN_KINDS[kind].model_validate(entry)
    except ValidationError as error:
        return wrong_values(error)
    return {}


def receipt_schema() -> dict[str, Any]:
    """Return the JSON schema of receipts; `run` is described by that of run.json."""
    schema = Receipt.model_json_schema() | {"title": "receipt", "description": "The receipt of a run."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def load_receipt_recipe(
    path: Path,
    receipt: Receipt,
    record: Record,
    overrides: Sequence[str] = (),
    *,
    data_dir: str | None = None,
    checkpoint: str | None = None,
    plugins: Sequence[str] = (),
) -> Recipe:
    """Load the recipe of a receipt, completed by the command line as `load_recipe` does.

    Raises:
        RunFolderError: files of the run were left out, and the command line names none in their place.
        RecipeError: the recipe cannot be used.
    """
    from glueft.recipe.recipe import load_recipe_text

    named = {override.partition("=")[0].strip() for override in overrides}
    named |= {"data.folder"} if data_dir is not None else set()
    named |= {"model.checkpoint"} if checkpoint is not None else set()
    lacking = [key for key in receipt.left_out if key not in named]
    wanted = [*_wanted(lacking, record), *_wanted_plugins(record, plugins)]
    if wanted:
        raise RunFolderError(
            f"{path}: the run has read local files, which a receipt does not name",
            expected="the same files, wherever they are here: " + ", ".join(wanted),
            received="nothing in their place",
            fix=f"glueft reproduce {shlex.quote(str(path))} " + " ".join(wanted),
        )
    # What only a callback needs has its default.
    return load_recipe_text(
        str(path),
        receipt.recipe,
        overrides,
        unset=[key for key in lacking if not key.startswith("plugins.")],
        data_dir=data_dir,
        checkpoint=checkpoint,
        plugins=plugins,
        brought=recorded_origins(record),
    )


def _wanted(lacking: Sequence[str], record: Record) -> Iterator[str]:
    """The options of the command line that name what is lacking."""
    for key in lacking:
        if key == "data.folder":
            yield "--data-dir DIR"
        elif key == "model.checkpoint":
            # As a run, so that its head is left or taken as it was then.
            yield "--checkpoint DIR" if record.checkpoint.run is None else "--checkpoint run:DIR"
        elif not key.startswith(("callbacks.", "plugins.")):
            yield "--set " + shlex.quote(f"{key}=VALUE")


def _wanted_plugins(record: Record, plugins: Sequence[str]) -> Iterator[str]:
    here = {PurePath(file).name for file in plugins}
    for file in record.plugins.files:
        if file.path not in here:
            yield f"--plugin {shlex.quote(file.path)}"


def _as_record(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a receipt has of run.json, with the places that a record must have."""
    content = dict(run) | {"run_dir": ""}
    plugins = content.get("plugins")
    if isinstance(plugins, dict) and isinstance(plugins.get("files"), list):
        files = [
            file | {"path": file.get("path", file.get("name"))} if isinstance(file, dict) else file
            for file in plugins["files"]
        ]
        content["plugins"] = plugins | {"files": files}
    return content


def _public(record: Record, names: Collection[str]) -> dict[str, Any]:
    """What of run.json is published; from its sentences, places with spaces and the names go too."""
    folder = Path(record.data.folder or "")
    places = {record.run_dir, str(Path(record.run_dir).parent), str(folder), str(folder.parent), str(Path.home())}
    notes = _without(record.data.notes, places)
    told = {"warnings": _without(record.warnings, places), "data": record.data.model_copy(update={"notes": notes})}
    content = public_record(record.model_copy(update=told)).as_dict()
    for table, key in ((content, "warnings"), (content.get("data", {}), "notes"), (content.get("collapse"), "sign")):
        if table and key in table:
            table[key] = _without_names(table[key], names)
    checkpoint = record.checkpoint.as_dict()
    return content | {"checkpoint": _nameless(checkpoint, content.get("checkpoint", {}), names)}


def _names(record: Record) -> set[str]:
    """The names of host and user, of then and now."""
    home = re.match(r".*[/\\](?:home|Users)[/\\]([^/\\]+)", record.run_dir)
    host = record.host.name or ""
    return {host, host.partition(".")[0], home[1] if home else "", Path.home().name}


def _nameless_recipe(private: Mapping[str, Any], shown: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The tables of a recipe without the names: what is the rest of a path, and all that callbacks are told."""
    tables = {key: _nameless(private[key], value, names) for key, value in shown.items()}
    return tables | ({"callbacks": _without_names(tables["callbacks"], names)} if "callbacks" in tables else {})


def _nameless(private: Any, shown: Any, names: Collection[str]) -> Any:
    """What is shown of a private value; where that is the rest of a path, without the names."""
    if isinstance(shown, Mapping):
        return {key: _nameless(private[key], value, names) for key, value in shown.items()}
    if isinstance(shown, list):
        return [_nameless(old, new, names) for old, new in zip(private, shown, strict=True)]
    return _without([shown], names)[0] if isinstance(shown, str) and shown != private else shown


def _without_names(value: Any, names: Collection[str]) -> Any:
    """A value without the names in any of its texts but those of plugins."""
    if isinstance(value, Mapping):
        return {key: each if key == "plugin" else _without_names(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_names(each, names) for each in value]
    return _without([value], names)[0] if isinstance(value, str) else value


def _without(texts: Sequence[str], private: Collection[str]) -> list[str]:
    """Texts without these words, the longest first."""
    words = sorted((re.escape(word) for word in private if len(word) >= _SHORTEST), key=len, reverse=True)
    return [re.sub(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", LEFT_OUT, text) for text in texts] if words else [*texts]


def _refused(path: Path, wrong: Mapping[str, str]) -> RunFolderError:
    few = [*wrong.items()][:5]
    return RunFolderError(
        f"{path}: this is no receipt of a run",
        expected="; ".join(f"{key}: {wanted}" for key, wanted in few) or "a file that glueft receipt has written",
        received="nothing of use at " + ", ".join(key for key, _ in few),
        fix=_REPEAT,
    )
