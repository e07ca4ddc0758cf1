"""Calls the hub in a process of its own: its clients read their environment once, when they are imported.

Started by test_hub*.py. Reads one JSON object a line on the standard input, `{"call": ..., ...}`, and writes one
answer a line into the pipe whose number is the first argument; what the clients print stays on the standard streams.
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from glueft.errors import GlueftError

connections = 0


def count_connections() -> None:
    """Count every attempt to open a connection, below all clients."""
    connect = socket.socket.connect
    resolve = socket.getaddrinfo

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            global connections
            connections += 1
            return function(*args, **kwargs)

        return call

    socket.socket.connect = counted(connect)  # type: ignore[method-assign]
    socket.getaddrinfo = counted(resolve)


def rows(revision: str | None = None, task: str = "mrpc", hub: list[str] | None = None) -> dict[str, Any]:
    """Load a task's rows from the hub; `hub` replaces its data set and configuration."""
    import glueft
    from glueft.data.rows import load_rows
    from glueft.data.sources import HubSource
    from glueft.plugin.registry import load_registry

    source = HubSource(revision)
    loaded: Any = load_registry().find("task", task).cls()
    if hub:
        loaded.hub = glueft.HubDataset(*hub)  # type: ignore[misc]
    splits = load_rows(loaded, source)
    return {
        "splits": {name: [*split.texts, split.labels.tolist()] for name, split in splits.items()},
        "provenance": source.provenance,
    }


def reach() -> dict[str, Any]:
    from dataclasses import asdict

    from glueft.hub.client import reach_hub

    return asdict(reach_hub())


def checkpoint(name: str, revision: str | None = None) -> dict[str, Any]:
    from glueft.hub.checkpoints import fetch_checkpoint

    folder, sha = fetch_checkpoint(name, revision)
    files = {str(file.relative_to(folder)): file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()}
    return {"folder": str(folder), "revision": sha, "files": files}


def classifier(name: str) -> dict[str, Any]:
    """What glueft and transformers each make of a checkpoint's name."""
    import transformers

    from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer

    found = find_checkpoint(name)
    text = "A small orchestra played outdoors."
    return {
        "revision": found.revision,
        "tokens": load_tokenizer(found)(text)["input_ids"],
        "theirs": transformers.AutoTokenizer.from_pretrained(name)(text)["input_ids"],
        "model_type": transformers.AutoConfig.from_pretrained(name).model_type,
    }


def offline() -> dict[str, Any]:
    """Which clients are in offline mode."""
    import datasets.config
    import huggingface_hub

    return {"huggingface_hub": huggingface_hub.is_offline_mode(), "datasets": datasets.config.HF_HUB_OFFLINE}


def count() -> dict[str, Any]:
    """How many connections this process has opened."""
    return {"total": connections}


def bars() -> dict[str, Any]:
    """Whether the clients' own settings are as they were."""
    import logging

    import datasets
    import huggingface_hub.utils

    return {
        "disabled": [datasets.are_progress_bars_disabled(), huggingface_hub.utils.are_progress_bars_disabled()],
        "levels": [logging.getLogger(name).level for name in ("datasets", "huggingface_hub")],
        "counts": datasets.config.HF_UPDATE_DOWNLOAD_COUNTS,
    }


def silence_name_server() -> dict[str, Any]:
    """From now on, no name is ever resolved."""
    socket.getaddrinfo = lambda *args, **kwargs: time.sleep(60)  # type: ignore[assignment]
    return {}


def do_not_wait() -> dict[str, Any]:
    """From now on, pauses between two tries take no time."""
    time.sleep = lambda seconds: None
    return {}


def set_environment(**variables: str) -> dict[str, Any]:
    os.environ.update(variables)
    return {}


def push(run: str, name: str, **options: Any) -> dict[str, Any]:
    from glueft.push.push import Target, push_run
    from glueft.runs.run import Run

    return push_run(Run.open(run), Target(name, **options)).as_record()


def push_from_python(run: str, name: str) -> dict[str, Any]:
    """Push as a notebook does, and return the push with that of the run's record."""
    import glueft

    opened = glueft.load_run(run)
    pushed = opened.push(name, private=True)
    return {"url": pushed.url, "commit": pushed.commit, "recorded": opened.record["hub"]["pushes"][-1]["commit"]}


def train(folder: str, overrides: list[str], seconds_at_the_end: float = 60) -> dict[str, Any]:
    """Run a recipe on MRPC's sample, and return its record and the lines that it said."""
    import glueft
    from glueft.launch import run_recipe
    from glueft.push import background as push_background
    from glueft.training.observers import RunProgress

    class Lines(RunProgress):
        def __init__(self) -> None:
            self.said: list[str] = []

        def say(self, text: str) -> None:
            self.said.append(text)

    push_background.END_SECONDS = seconds_at_the_end
    recipe = glueft.load_recipe("mrpc", ["data.source=sample", "data.limit_train=16", *overrides])
    lines = Lines()
    result = run_recipe(recipe, output_dir=folder, progress=lines)
    return {"record": result.record, "folder": str(result.folder), "said": lines.said}


def command(arguments: list[str]) -> dict[str, Any]:
    """Run the command line; return its exit code and what it printed."""
    from glueft.cli.main import command_line

    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = command_line(arguments)
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def break_pushes() -> dict[str, Any]:
    """From now on, what pushes while a run goes on has a bug, in whose message the token stands."""
    from glueft.push import background as push_background

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError(f"in the card, with {os.environ['HF_TOKEN']}")

    push_background.content_of = broken
    return {}


CALLS: dict[str, Callable[..., dict[str, Any]]] = {
    "reach": reach,
    "rows": rows,
    "checkpoint": checkpoint,
    "classifier": classifier,
    "offline": offline,
    "count": count,
    "bars": bars,
    "silence_name_server": silence_name_server,
    "do_not_wait": do_not_wait,
    "set_environment": set_environment,
    "push": push,
    "push_from_python": push_from_python,
    "break_pushes": break_pushes,
    "command": command,
    "train": train,
}


def main() -> None:
    count_connections()
    with open(int(sys.argv[1]), "w") as answers:  # noqa: PTH123
        for line in sys.stdin:
            request = json.loads(line)
            before, start = connections, time.perf_counter()
            try:
                answer = CALLS[request.pop("call")](**request)
            except GlueftError as error:
                answer = {
                    "error": type(error).__name__,
                    "message": error.message,
                    "expected": error.expected,
                    "received": error.received,
                    "fix": error.fix,
                }
            answer |= {"seconds": time.perf_counter() - start, "connections": connections - before}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
