"""Data sets from the hub, at the commit that is recorded, or from the local cache."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glueft.errors import HubError
from glueft.hub.client import fetch, in_thread, is_sha, quiet_client
from glueft.hub.errors import first_line
from glueft.plugin.task import HubDataset

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class Loaded:
    """A data set.

    Attributes:
        splits: every split, with the hub's columns.
        revision: the commit; None if the cache does not tell.
        read_from: whether the hub was asked.
    """

    splits: datasets.DatasetDict
    revision: str | None
    read_from: Literal["hub", "cache"]


def load_hub_dataset(hub: HubDataset, revision: str | None, *, cache_only: bool = False) -> Loaded:
    """Load a data set from the hub or from the local cache.

    Args:
        hub: its name and configuration.
        revision: branch, tag or commit; None for the newest, or for the newest in the cache if the hub is out of reach.
        cache_only: do not ask the hub.

    Raises:
        HubError: no such data set, configuration or revision, or the hub is out of reach and nothing is cached.
    """
    folder, read_from = fetch(
        "dataset",
        hub.path,
        revision,
        cached=lambda revision: _cached(hub, revision),
        download=lambda commit, _: _download(hub, commit),
        cache_only=cache_only,
    )
    return Loaded(_read(folder), folder.name if is_sha(folder.name) else None, read_from)


def _download(hub: HubDataset, sha: str) -> Path:
    """Download a commit of the data set into the cache of `datasets`; return its folder."""
    import datasets
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    if sha in (prepared := _prepared(hub)):
        return prepared[sha]
    counts = datasets.config.HF_UPDATE_DOWNLOAD_COUNTS
    # These requests go to another host, whatever HF_ENDPOINT says, and a run waits for them.
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    try:
        # `datasets` begins with this file too, but loses the hub's message if it is refused.
        with suppress(RemoteEntryNotFoundError):
            hf_hub_download(hub.path, "README.md", repo_type="dataset", revision=sha)
        # "hf://": else a folder of that name below the current one would be read instead.
        path = f"hf://datasets/{hub.path}"
        builder = in_thread(lambda: datasets.load_dataset_builder(path, hub.config, revision=sha))
        if builder.hash != sha:
            # On an error `datasets` falls back to whatever commit it has.
            raise ConnectionError(f"commit {sha} could not be read")
        in_thread(builder.download_and_prepare)
    finally:
        datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = counts
    return _prepared(hub)[sha]


def _prepared(hub: HubDataset) -> dict[str, Path]:
    """Return the folders of this data set in the cache of `datasets`, by commit, the oldest first."""
    import datasets
    from datasets.naming import camelcase_to_snakecase

    owner, _, name = hub.path.rpartition("/")
    parent = Path(datasets.config.HF_DATASETS_CACHE) / "___".join(filter(None, [owner, camelcase_to_snakecase(name)]))
    folders = []
    for info in parent.glob(f"{hub.config or '*'}/*/*/dataset_info.json"):
        try:
            config = json.loads(info.read_text(encoding="utf-8")).get("config_name")
        except (OSError, ValueError, AttributeError):
            continue
        # A configuration that was read with other columns or files has a folder with a longer name.
        if config == info.parts[-4] and hub.config in (config, None):
            folders.append(info.parent)
    folders.sort(key=lambda folder: folder.stat().st_mtime)
    return {folder.name: folder for folder in folders}


def _cached(hub: HubDataset, revision: str | None) -> Path | str:
    """Return the folder of a revision if the cache knows its commit and has it; else a text on what is there."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionResolutionError

    prepared = _prepared(hub)
    commit = revision
    if not is_sha(revision):
        with quiet_client(), suppress(RevisionResolutionError):
            resolve = HfApi().resolve_revision
            commit = resolve(hub.path, repo_type="dataset", revision=revision, local_files_only=True).resolved
    if commit in prepared:
        return prepared[commit]
    if not prepared:
        return "nothing of it in the cache of `datasets`"
    # Without a revision, the newest in the cache serves.
    return [*prepared.values()][-1] if revision is None else f"the cache of `datasets` has only {', '.join(prepared)}"


def _read(folder: Path) -> datasets.DatasetDict:
    """Open the Arrow files of a prepared folder; they are mapped, not copied, into memory."""
    import datasets

    splits = {}
    try:
        info = datasets.DatasetInfo.from_directory(str(folder))
        for name, split in info.splits.items():
            files = sorted([*folder.glob(f"*-{name}.arrow"), *folder.glob(f"*-{name}-?????-of-?????.arrow")])
            parts = [datasets.Dataset.from_file(str(file), info=info, split=name) for file in files]
            splits[name] = datasets.concatenate_datasets(parts)
            if len(splits[name]) != split.num_examples:
                raise ValueError(f"{len(splits[name]):,} rows in {name} instead of {split.num_examples:,}")
    except (OSError, ValueError) as error:
        raise HubError(
            f"the cached data set in {folder} is damaged",
            expected="the Arrow files that dataset_info.json lists",
            received=first_line(error),
            fix="delete that folder; the next run downloads it again",
        ) from error
    return datasets.DatasetDict(splits)
