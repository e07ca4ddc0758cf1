"""Every hook is documented, and its example works: all examples are installed as packages, and one real run uses them.

A hook that is added without documentation, without an example, without a test of its own here, or that the run never
calls, fails one of these tests.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from glueft.cli.main import command_line
from glueft.plugin.registry import load_registry
from hook_reference import BEGIN, DOCUMENT, END, HOOKS, arguments, described, parts, reference
from plugin_packages import install

FORECASTS = (("sun all day", "go_out"), ("rain from noon", "stay_in"), ("a mild evening", "go_out"))


# A plugin that prints wherever it is called.
NOISE = """
import os, sys
import glueft

def noise(where):
    print("noise:", where)
    os.write(1, f"noise past Python: {where}\\n".encode())

noise("import")

class Noise(glueft.Callback):
    \"\"\"Prints.\"\"\"
    name = "noise"
    def check(self, task):
        noise("check")
    def build(self, run):
        import keras
        noise("build")
        return keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: noise("epoch"))

@glueft.hookimpl
def glueft_callbacks():
    noise("glueft_callbacks")
    return [Noise]

@glueft.hookimpl
def glueft_commands(app):
    noise("glueft_commands")

@glueft.hookimpl
def glueft_run_finished(run):
    noise("glueft_run_finished")
"""
NOISY = ("import", "check", "build", "epoch", "glueft_callbacks", "glueft_commands", "glueft_run_finished")


@dataclass(frozen=True)
class Outcome:
    """What a run with all the examples installed left behind."""

    folder: Path
    environment: dict[str, str]
    record: dict[str, Any]
    errors: str

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return glueft(self.folder, self.environment, *arguments)

    def calls(self, hook: str) -> list[str]:
        """The lines of the trace that tell how a call of the example's own hook ended."""
        begin = f"trace: {package(hook)}:{package(hook).replace('-', '_')} {hook}("
        return [line for line in self.errors.splitlines() if line.startswith(begin) and " -> " in line]


def package(hook: str) -> str:
    return f"example-{hook.removeprefix('glueft_').replace('_', '-')}"


def glueft(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "glueft.cli.main", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def outcome(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("hooks")
    for hook in HOOKS:
        install(folder / "site", package(hook), parts(hook)["Example"])
    install(folder / "site", "example-noise", NOISE)
    data = folder / "DATA" / "weather"
    data.mkdir(parents=True)
    rows = "forecast\tlabel\n" + "".join(f"{text}\t{int(label == 'go_out')}\n" for text, label in FORECASTS * 4)
    for name in ("train.tsv", "dev.tsv"):
        (data / name).write_text(rows)
    (folder / "weather.toml").write_text(
        f"""
        task = {{ plugin = "weather", metrics = ["accuracy", "specificity"] }}
        model = {{ checkpoint = {json.dumps(str(tiny_bert))} }}
        data = {{ source = "folder", folder = "DATA" }}
        optimizer = {{ plugin = "adamax", beta_1 = 0.8 }}
        schedule = {{ plugin = "halving", initial_learning_rate = 1e-4, parts = 3 }}
        training = {{ epochs = 3, batch_size = 4 }}
        loss = {{ plugin = "brier" }}
        callbacks = [{{ plugin = "target", accuracy = 0.01 }}, {{ plugin = "noise" }}]
        """
    )
    code, out, errors = run_here(folder, "weather.toml", "--json")
    assert code == 0, errors
    environment = os.environ | {"PYTHONPATH": str(folder / "site"), "GLUEFT_TRACE_PLUGINS": "1"}
    return Outcome(folder, environment, json.loads(out), errors)


def run_here(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """`glueft run` in this process, which has imported the backend; what comes to its own descriptors counts, too."""
    before = {*sys.modules}
    held = os.dup(1), os.dup(2)
    with pytest.MonkeyPatch.context() as patched, ExitStack() as files:
        patched.syspath_prepend(str(folder / "site"))
        patched.setenv("GLUEFT_TRACE_PLUGINS", "1")
        patched.chdir(folder)
        for number, name in ((1, "stdout"), (2, "stderr")):
            file = files.enter_context((folder / name).open("w"))
            os.dup2(file.fileno(), number)
            patched.setattr(sys, name, files.enter_context(os.fdopen(number, "w", buffering=1, closefd=False)))
        load_registry.cache_clear()
        try:
            code = command_line(["run", *arguments])
        finally:
            load_registry.cache_clear()
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in zip((1, 2), held, strict=True):
                os.dup2(descriptor, number)
                os.close(descriptor)
            for module in {*sys.modules} - before:
                if module.startswith("example_"):
                    del sys.modules[module]
    return code, (folder / "stdout").read_text(), (folder / "stderr").read_text()


def test_glueft_tasks(outcome: Outcome) -> None:
    assert outcome.record["task"] == "weather"
    predictions = (Path(outcome.record["run_dir"]) / "predictions" / "validation.tsv").read_text()
    assert predictions.startswith("id\tlabel\tprediction\tprobability_stay_in\tprobability_go_out\n")


def test_glueft_optimizers(outcome: Outcome) -> None:
    assert outcome.record["plugins"]["optimizer"] == "adamax"
    assert "beta_1 = 0.8" in (Path(outcome.record["run_dir"]) / "recipe.toml").read_text()


def test_glueft_schedules(outcome: Outcome) -> None:
    history = (Path(outcome.record["run_dir"]) / "history.jsonl").read_text().splitlines()
    rates = [line["learning_rate"] for line in map(json.loads, history) if line["kind"] == "step"]
    assert rates == pytest.approx([1e-4] * 3)  # the first of three parts: the callback ends the training


def test_glueft_losses(outcome: Outcome) -> None:
    """The validation loss is that of the plugin: here of the probabilities that the run has written."""
    assert outcome.record["plugins"]["loss"] == "brier"
    rows = (Path(outcome.record["run_dir"]) / "predictions" / "validation.tsv").read_text().splitlines()[1:]
    wrong = [float(row.split("\t")[3 + (row.split("\t")[1] == "stay_in")]) for row in rows]
    brier = sum(2 * probability**2 for probability in wrong) / len(wrong)
    assert outcome.record["epochs"][0]["validation_loss"] == pytest.approx(brier, abs=1e-5)


def test_glueft_callbacks(outcome: Outcome) -> None:
    assert outcome.record["plugins"]["callbacks"] == ["target", "noise"]
    assert [epoch["epoch"] for epoch in outcome.record["epochs"]] == [1]
    assert "target: reached in epoch 1" in outcome.errors.splitlines()


def test_glueft_metrics(outcome: Outcome) -> None:
    assert [*outcome.record["metrics"]] == ["accuracy", "specificity"]
    assert outcome.record["metric_labels"] == {"specificity": "go_out"}
    done = outcome.command("compare", outcome.record["run_dir"], outcome.record["run_dir"], "--json")
    assert [*json.loads(done.stdout)["comparisons"][0]["metrics"]] == ["accuracy", "specificity"]


def test_glueft_encoders(outcome: Outcome) -> None:
    done = outcome.command("describe", "harbour-bert", "--json")
    assert json.loads(done.stdout)["package"] == package("glueft_encoders")


def test_glueft_executors(outcome: Outcome) -> None:
    done = outcome.command("plugin", "check", "polite", "--json")
    (checked,) = json.loads(done.stdout)["plugins"]
    assert (checked["counts"]["passed"], checked["passed"]) == (9, True)


def test_glueft_run_finished(outcome: Outcome) -> None:
    (line,) = (outcome.folder / "runs" / "all-runs.jsonl").read_text().splitlines()
    run = Path(outcome.record["run_dir"]).name
    assert json.loads(line) == {"run": run, "status": "done"} | outcome.record["metrics"]
    (told,) = outcome.calls("glueft_run_finished")
    assert f"glueft_run_finished(run=Run({run})) -> nothing, " in told


def test_glueft_commands(outcome: Outcome) -> None:
    done = outcome.command("results")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path(outcome.record['run_dir']).name} done {outcome.record['metrics']}\n"
    assert "Show the metrics of every run in a folder." in outcome.command("--help").stdout


def test_what_a_plugin_prints_goes_to_standard_error(outcome: Outcome) -> None:
    """`--json` was read already, when the run was made: there was one object on standard output."""
    lines = outcome.errors.splitlines()
    for where in NOISY:
        assert f"noise: {where}" in lines and f"noise past Python: {where}" in lines


def untested(hooks: Iterable[str], tests: dict[str, Any]) -> list[str]:
    """The hooks that have no test of their own."""
    return [hook for hook in hooks if not isinstance(tests.get(f"test_{hook}"), Callable)]  # type: ignore[arg-type]


def test_every_hook_has_a_test_of_its_own() -> None:
    assert untested(HOOKS, globals()) == []
    assert untested([*HOOKS, "glueft_imagined"], globals()) == ["glueft_imagined"]


def test_the_run_calls_every_hook(outcome: Outcome) -> None:
    assert [hook for hook in HOOKS if not outcome.calls(hook)] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_says_what_it_does_what_it_gets_and_what_it_returns(hook: str) -> None:
    said = parts(hook)
    assert said["text"].splitlines()[0].endswith(".")
    assert "Called " in said["text"]
    assert list(described(said.get("Args", ""))) == arguments(hook)
    assert ("Returns" in said) == (HOOKS[hook].__annotations__["return"] != "None")
    assert re.search(rf"@glueft\.hookimpl\ndef {hook}\({', '.join(arguments(hook))}\):\n", said["Example"])


def test_the_page_has_the_hook_reference() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    written = BEGIN + text.split(BEGIN)[1].split(END)[0] + END
    assert written == reference(), "run: python tests/hook_reference.py"
    headings = dict(re.findall(r"^### `(glueft_\w+)\((.*)\)`$", written, flags=re.MULTILINE))
    assert headings == {hook: ", ".join(arguments(hook)) for hook in HOOKS}


def test_the_trace_names_hook_plugin_arguments_answer_and_seconds(outcome: Outcome) -> None:
    lines = [line for line in outcome.errors.splitlines() if line.startswith("trace: ")]
    for line in lines:
        assert re.fullmatch(r"trace: \S+:\S+ glueft_\w+\(.*\) (\.\.\.|-> .+, \d+\.\d{4} s)", line), line
    assert "trace: example-tasks:example_tasks glueft_tasks() ..." in lines
    (tasks,) = outcome.calls("glueft_tasks")
    assert " -> [Weather], " in tasks
    (commands,) = outcome.calls("glueft_commands")
    assert "glueft_commands(app=<Typer>) -> nothing, " in commands


def test_the_trace_shows_a_hook_that_raises(tmp_path: Path) -> None:
    source = "import glueft\n\n@glueft.hookimpl\ndef glueft_tasks():\n    raise OSError('the tide\\nis out')\n"
    install(tmp_path / "site", "example-bad", source)
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "GLUEFT_TRACE_PLUGINS": "1"}
    done = glueft(tmp_path, environment, "list", "task")
    assert re.search(
        r"^trace: example-bad:example_bad glueft_tasks\(\) -> raised OSError: the tide is out, \d", done.stderr, re.M
    )
    assert done.returncode == 0


@pytest.mark.parametrize(("value", "traced"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_nothing_is_traced_unless_asked_for(
    value: str | None, traced: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from glueft.plugin.registry import load_registry

    monkeypatch.delenv("GLUEFT_TRACE_PLUGINS", raising=False)
    if value is not None:
        monkeypatch.setenv("GLUEFT_TRACE_PLUGINS", value)
    registry = load_registry.__wrapped__()  # not the one that is kept for the process
    assert "mrpc" in registry.names("task")
    assert ("trace: glueft:glueft_tasks glueft_tasks()" in capsys.readouterr().err) == traced
