"""Studies on the samples, made without a file."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

import study_worker
from glueft.plugin.executor import Executor, Job, JobState
from glueft.plugin.registry import known_classes
from glueft.recipe import Recipe, load_recipe
from glueft.studies.definition.study import Study, StudyRecipe

RATE = "schedule.initial_learning_rate"

# The plugins are loaded once, and not by each fork.
load_recipe("mrpc", sample=True)


def study_recipe(name: str = "mrpc", *overrides: str, **changes: Any) -> StudyRecipe:
    """A packaged recipe in a study."""

    def check(setting: Mapping[str, Any]) -> Recipe:
        return load_recipe(name, [*overrides, *(f"{key}={value}" for key, value in setting.items())], sample=True)

    return StudyRecipe(name, load_recipe(name, overrides, sample=True), check=check, **changes)


def small_study(*recipes: StudyRecipe, executor: Executor | None = None, **changes: Any) -> Study:
    """A study of these recipes on two seeds, whose runs are those of `study_worker`."""
    usual = {"path": "glue.toml", "name": "glue", "seeds": (1, 2), "executor": executor or Forks()}
    return Study(recipes=recipes, **(usual | changes))


def local_executor(parallel: int = 2) -> Executor:
    local = known_classes("executor")["local"]
    made: Executor = local(local.Options(parallel=parallel))
    return made


_environment = threading.Lock()


class Forks(Executor):
    """Forks of a process that has imported all that `study_worker` needs: they begin in no time."""

    name = "forks"

    def __init__(self, slots: int = 2) -> None:
        self.slots = slots

    def open(self, folder: Path, say: Callable[[str], None], *, jobs: int | None = None) -> Forks:
        return self

    def describe(self) -> str:
        return f"{self.slots} forks at once"

    def start(self, job: Job) -> Fork:
        return Fork(job)

    def find(self, job: Job, id: str) -> None:  # noqa: A002
        return None

    def close(self) -> None:
        pass


class Fork:
    id = None

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["__main__", "small_studies"])
        # The server that forks looks for modules there alone. Drivers in two threads start it once.
        with _environment, pytest.MonkeyPatch.context() as environment:
            environment.setenv("PYTHONPATH", str(Path(__file__).parent))
            forkserver.ensure_running()
        self.process: BaseProcess = context.Process(target=_work, args=(job.command[1:], str(job.folder / "log.txt")))
        self.process.start()

    def state(self) -> JobState:
        return "running" if self.process.is_alive() else "ended"

    def exit_code(self) -> int | None:
        return self.process.exitcode

    def stop(self) -> None:
        if self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()


def _work(arguments: list[str], log: str) -> None:
    """Run `study_worker` in a process of its own as if with these arguments."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = [*arguments]
    os._exit(study_worker.run())
