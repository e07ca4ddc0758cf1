"""run.json in words: what was run, on what, where, and how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from glueft.files import size
from glueft.report.words import count, duration, listed, percent, row_text

Facts = list[tuple[str, str]]


def checkpoint_name(record: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Return the checkpoint as a heading can hold it: of a folder, the last names of its path."""
    name = str(record.get("checkpoint", {}).get("name") or settings.get("model", {}).get("checkpoint") or "?")
    path = PurePath(name)
    return "/".join(path.parts[-2:]) if path.is_absolute() else name


def summary(record: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Return in a sentence or two what was run."""
    training, data = settings.get("training", {}), record.get("data", {})
    plugins = record.get("plugins", {})
    parts = [f"The task {record['task']}, trained with {plugins.get('optimizer', '?')}"]
    parts[0] += f" and the schedule {plugins.get('schedule', '?')}"
    epochs, batch, times = (training.get(key, 1) for key in ("epochs", "batch_size", "gradient_accumulation_steps"))
    # The recipe is shown as it was written, whether or not it can be used.
    if training and all(type(number) is int for number in (epochs, batch, times)):
        parts[0] += f" for {count(epochs, 'epoch')} in batches of {batch * times}"
    parts[0] += f", seed {record['seed']}."
    splits = data.get("splits", {})
    if splits:
        rows = [f"{count(split['rows'], name + ' row')}" for name, split in splits.items()]
        parts.append(f"{listed(rows)}, from {source(data)}.")
    total = record.get("seconds", {}).get("total")
    if total is not None:
        parts.append(f"It took {duration(total)}.")
    return " ".join(parts)


def source(data: Mapping[str, Any]) -> str:
    """Return where the rows came from, in words."""
    if data["source"] == "hub":
        name = " ".join(filter(None, [data.get("dataset"), data.get("config")]))
        return f"{name} on the hub, commit {data['revision']}" if data.get("revision") else f"{name} on the hub"
    if data["source"] == "folder":
        return f"the folder {data.get('folder', '?')}"
    if data["source"] == "sample":
        return "the sample that ships with the task"
    named = data.get("files")  # what the task says of them
    paths = [file.get("path") for file in named.values() if isinstance(file, dict)] if isinstance(named, dict) else []
    files = [path for path in paths if isinstance(path, str)]
    return listed(files) if files else "files of the task's own"


def ending(record: Mapping[str, Any], last_step: int) -> str:
    """Return what there is to say of a run that is not done; nothing of one that is."""
    planned = record.get("num_train_steps")
    reached = f"to step {last_step:,}" if last_step else "to no step that was logged"
    reached += f" of {planned:,}" if planned and last_step else ""
    if record["status"] == "done":
        done = record["epochs"][-1]["step"] if record["epochs"] else 0
        stopped = planned and done < planned
        return f"The training was stopped early, after step {done:,} of {planned:,}." if stopped else ""
    if record["status"] == "failed":
        return f"The run came {reached} and failed: {row_text(str(record.get('error', 'it does not say why')))}"
    if record["status"] == "interrupted":
        return f"The run was interrupted; it came {reached}."
    return f"The run has not said that it is over: it is still going on, or it was killed. It has come {reached}."


def speed(record: Mapping[str, Any]) -> list[str]:
    """Return how fast the training was and what it held in memory."""
    lines = []
    if "examples_per_second" in record:
        lines.append(
            f"{record['examples_per_second']:,.1f} rows and {record['tokens_per_second']:,.0f} tokens a second in "
            "training, validation left out and padding not counted."
        )
    if record.get("peak_memory_bytes"):
        lines.append(f"The process held at most {size(record['peak_memory_bytes'])} of memory.")
    return lines


def padding(record: Mapping[str, Any]) -> list[str]:
    """Return what of the training went into padding, and what would have if every row were padded alike."""
    lines = []
    if "padding_waste" in record:
        waste = percent(record["padding_waste"])
        lines.append(f"Padding waste: {waste} of the tokens that the training batches held were padding.")
    train = record.get("data", {}).get("splits", {}).get("train", {})
    if "tokens" in train and train["rows"]:
        longest = record["data"]["max_length"]
        waste = percent(1 - train["tokens"] / (train["rows"] * longest))
        lines.append(f"Were every row padded to data.max_length = {longest}, it would be {waste}.")
    return lines


def facts(record: Mapping[str, Any]) -> dict[str, Facts]:
    """Return tables of what the run stood on, by heading."""
    tables = {
        "Data": _data(record.get("data", {})),
        "Model": _model(record),
        "Environment": _environment(record),
    }
    return {heading: table for heading, table in tables.items() if table}


def _data(data: Mapping[str, Any]) -> Facts:
    if not data:
        return []
    table = [("source", source(data)), ("longest row", f"{data['max_length']} tokens (data.max_length)")]
    for name, split in data["splits"].items():
        words = [count(split["rows"], "row")]
        if split.get("limited_from"):
            drawn = split.get("limit_draw") == "stratified"
            words.append(f"{'drawn by label from' if drawn else 'the first of'} {split['limited_from']:,}")
        if split.get("official_rows"):
            words.append(f"officially {split['official_rows']:,}")
        table.append((name, f"{', '.join(words)}; SHA-256 {split['sha256']}"))
    return table


def _model(record: Mapping[str, Any]) -> Facts:
    checkpoint, engine = record.get("checkpoint"), record.get("engine", {})
    if not checkpoint:
        return []
    table = [("checkpoint", checkpoint["name"])]
    if checkpoint.get("revision"):
        table.append(("commit", checkpoint["revision"]))
    table.append(("head", "new" if checkpoint["head"] == "new" else "the checkpoint's own"))
    every, trained = record["parameters"], record["trainable_parameters"]
    table.append(("parameters", f"{every:,}, {'all' if trained == every else f'{trained:,} of them'} trained"))
    table.append(("steps", f"{record['num_train_steps']:,} planned"))
    compiled = "compiled by XLA" if engine.get("jit_compile") else "not compiled by XLA"
    table.append(("engine", f"{engine.get('backend')}, {engine.get('precision')}, {compiled}"))
    weights = checkpoint.get("sha256", {}).get("model.safetensors")
    if weights:
        table.append(("SHA-256 of the weights", weights))
    return table


def _environment(record: Mapping[str, Any]) -> Facts:
    host, versions = record.get("host", {}), record.get("versions", {})
    table = [("started", record["started"])]
    if record.get("finished"):
        table.append(("finished", record["finished"]))
    table.append(("host", f"{host.get('name')}, {host.get('cpus')} CPUs, {host.get('system')}"))
    packages = {"Python": host.get("python")} | dict(versions)
    table.append(("packages", ", ".join(f"{name} {version}" for name, version in packages.items())))
    files: Sequence[Mapping[str, str]] = record.get("plugins", {}).get("files", [])
    return table + [("plugin file", f"{file['path']}; SHA-256 {file['sha256']}") for file in files]
