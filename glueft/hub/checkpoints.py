"""Checkpoints from the hub: only the files that are needed, safetensors and never pickles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from glueft.errors import CheckpointError
from glueft.hub.checkpoint_files import CONFIG, INDEX, PICKLES, RULE_FILES, SHARD, TOKENIZER_FILES, WEIGHTS
from glueft.hub.client import fetch, in_thread, quiet_client
from glueft.hub.errors import not_at_hand


def fetch_checkpoint(name: str, revision: str | None = None) -> tuple[Path, str]:
    """Return the folder of a checkpoint of the hub: downloaded, or from the local cache.

    Args:
        name: `owner/name` on the hub.
        revision: branch, tag or commit; None for the newest.

    Returns:
        The folder, with config.json, the tokenizer's files and the weights (one safetensors file, or shards and their
        index), and the commit they are of.

    Raises:
        HubError: no such repository or revision, a gated one, or the hub is out of reach and the checkpoint not cached.
        CheckpointError: the repository holds no safetensors weights or no config.json.
    """

    def download(commit: str, there: Sequence[str]) -> Path:
        from huggingface_hub import snapshot_download

        files = needed_files(name, there)
        folder = Path(in_thread(lambda: snapshot_download(name, revision=commit, allow_patterns=files)))
        missing = [file for file in files if not (folder / file).is_file()]
        if missing:
            lacking = f"without {', '.join(missing)}"
            raise not_at_hand("model", name, revision, "the download was cut short", lacking)
        return folder

    folder, _ = fetch("model", name, revision, cached=lambda revision: _cached(name, revision), download=download)
    return folder, folder.name


def needed_files(name: str, files: Sequence[str]) -> list[str]:
    """Return the files of a repository that a checkpoint needs: none of sub-folders, and one kind of weights.

    Raises:
        CheckpointError: there is no config.json, or there are no safetensors weights.
    """
    if CONFIG not in files:
        raise CheckpointError(
            f'"{name}" holds no {CONFIG}',
            expected="the repository of a transformers checkpoint",
            received=_listing(files),
            fix="check the name; adapters and other formats cannot be loaded",
        )
    if WEIGHTS in files:
        weights = [WEIGHTS]
    elif INDEX in files:
        weights = [INDEX, *(file for file in files if SHARD.fullmatch(file))]
    else:
        pickles = [file for file in files if "/" not in file and file.endswith(PICKLES)]
        if pickles:
            raise CheckpointError(
                f'"{name}" holds its weights only in a format that glueft does not read',
                expected=f"{WEIGHTS}, or {INDEX} and its shards",
                received=", ".join(pickles),
                fix="pickles can run code when they are read, so they are never loaded. Another revision may have "
                f"{WEIGHTS}, often that of a pull request (in the Community tab of the repository's page): set "
                "model.revision to it, such as refs/pr/2. Or convert the weights to safetensors (transformers: "
                "from_pretrained, then save_pretrained)",
            )
        raise CheckpointError(
            f'"{name}" holds no weights',
            expected=f"{WEIGHTS}, or {INDEX} and its shards",
            received=_listing(files),
            fix="check the name; adapters and other formats cannot be loaded",
        )
    return [CONFIG, *(file for file in (*RULE_FILES, *TOKENIZER_FILES) if file in files), *weights]


def _cached(name: str, revision: str | None) -> Path | str:
    """The checkpoint's folder in the local cache if it is complete; else a text on what is there."""
    from huggingface_hub import constants, get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    nothing = f"nothing of it in {constants.HF_HUB_CACHE}"
    try:
        with quiet_client():
            folder = Path(snapshot_download(name, revision=revision, local_files_only=True, allow_patterns=[CONFIG]))
    except OSError:
        return nothing
    here = [file.name for file in folder.iterdir()]
    try:
        known = [file.path for file in get_cached_repo_tree(name, revision=folder.name)]
    except CachedRepoTreeNotFoundError:
        # Other tools cache single files and no list of all.
        known = here
        if CONFIG not in here or not (WEIGHTS in here or INDEX in here):
            return f"only {_listing(here)} in {folder}"
    missing = [file for file in needed_files(name, known) if file not in here]
    return f"all but {', '.join(missing)} in {folder}" if missing else folder


def _listing(files: Sequence[str]) -> str:
    shown = sorted(files)[:12]
    return (", ".join(shown) or "no files") + (f" and {len(files) - 12} more" if len(files) > 12 else "")
