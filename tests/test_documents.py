"""Every command and every block of README and docs/ is run, or checked as far as a machine without the hub allows."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tomlkit

import glueft
import study_worker
from documents import CHECKOUT, DOCUMENTS, PAGES, anchors_in, commands_in, links_in
from glueft.cli import main
from glueft.cli.main import command_line
from glueft.recipe import Recipe, load_recipe
from glueft.recipe.sections import SECTIONS
from glueft.studies.definition.file import load_study
from glueft.studies.definition.options import StudyOptions
from glueft.studies.execution import driver
from glueft.studies.result_file import write_result
from hub_fixtures import push_command
from hub_server import running_hub
from hub_uploads import Account
from study_results import recipe_result, study_result, study_run
from submission_runs import make_run

TEXTS = {page: (CHECKOUT / page).read_text(encoding="utf-8") for page in PAGES}
TEXT = "\n".join(TEXTS.values())
COMMANDS = sorted({command for command in commands_in(TEXT) if command.startswith("glueft ")})
# What each leaves behind, if it does.
AFTER_A_RUN = {
    "predict": ["predictions.csv"],
    "report": ["runs/mrpc-42/report.html"],
    "list-runs": [],
    "resume": [],
    "compare": [],
    "evaluate": [],
    "receipt": ["receipt.json"],
    "reproduce": [],
    "export": ["mrpc-onnx/model.onnx"],
}
LIGHT = [command for command in COMMANDS if command.split()[1] in {*main.LIGHT} - {*AFTER_A_RUN}]
PLANS = [command for command in COMMANDS if command.startswith("glueft plan")]
# The sample stands in the hub's place, so that a command which is there with --sample as well is that one.
RUNS = [
    command
    for command in COMMANDS
    if command.startswith("glueft run") and "--seeds" not in command and f"{command} --sample" not in COMMANDS
]
# Those of the short answers differ from others by their settings: whether these are good is seen without training.
ANSWERS = [command for command in RUNS if command not in commands_in(TEXT.replace(TEXTS["docs/how-do-i.md"], ""))]
TRAINED = [command for command in RUNS if command not in ANSWERS]
FRAGMENTS = [block for block in re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL) if "[study]" not in block]
STUDIES = [command for command in COMMANDS if command.startswith("glueft study recipes") or "--seeds" in command]
AFTER_A_STUDY = [command for command in COMMANDS if command.startswith(("glueft study status", "glueft study compare"))]
# What `make demo` does; the others take two seconds each.
FIRST_RUN = "glueft run recipes/mrpc.toml --sample"
QUICK = ["training.epochs=1", "data.limit_train=16", "data.limit_validation=8"]


def test_there_are_commands_to_test() -> None:
    assert len(COMMANDS) >= 8 and FIRST_RUN in RUNS
    assert {command.split()[1] for command in COMMANDS} == {"study", *(name for name, _, _ in main.COMMANDS)}


def test_the_readme_is_short_and_names_every_page() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 200
    index = {target for target, _ in links_in("docs/README.md")}
    assert index == {f"docs/{page.name}" for page in (CHECKOUT / "docs").glob("*.md") if page.name != "README.md"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading(document: str) -> None:
    for target, anchor in links_in(document):
        assert (CHECKOUT / target).exists(), target
        assert not anchor or anchor in anchors_in(target), f"{target}#{anchor}"


def test_the_index_of_the_short_answers_names_each() -> None:
    page = TEXTS["docs/how-do-i.md"]
    index, answers = page.split("\n## ", 1)
    headings = [line.removeprefix("### ") for line in answers.splitlines() if line.startswith("### ")]
    named = [" ".join(text.split()) for text in re.findall(r"\[([^]]+)\]\(#", index)]
    assert named == [heading[0].lower() + heading[1:] for heading in headings]


def test_the_citation_is_of_this_version_and_this_repository() -> None:
    cited = (CHECKOUT / "CITATION.cff").read_text(encoding="utf-8")
    urls = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert f"\nversion: {glueft.__version__}\n" in cited
    assert f"\nrepository-code: {urls['Source']}\n" in cited


# A plan times steps of the real encoder.
@pytest.mark.parametrize("command", [*LIGHT, *(pytest.param(command, marks=pytest.mark.slow) for command in PLANS)])
def test_a_command_does_what_it_says(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(CHECKOUT)
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # `glueft env` imports it, and TensorFlow takes longer
    assert command_line(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [pytest.param(command, marks=[pytest.mark.slow] * (command != FIRST_RUN)) for command in TRAINED]
)
def test_a_run_command_trains(
    command: str, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With few rows and the tiny checkpoint, and the sample in place of the hub."""
    arguments = shlex.split(command)[1:]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(CHECKOUT / "recipes")
    (tmp_path / "glue_data").symlink_to(CHECKOUT / "plugins" / "glueft_tasks" / "samples")
    (tmp_path / "my-bert").symlink_to(tiny_bert)
    own_files = "recipes/table.toml" in arguments
    if "--data-dir" not in arguments and "--sample" not in arguments and not own_files:
        arguments.append("--sample")
    if "--checkpoint" not in arguments:
        arguments += ["--checkpoint", str(tiny_bert)]
    for change in QUICK if not own_files else QUICK[:1]:
        if change != "training.epochs=1" or "--epochs" not in arguments:
            arguments += ["--set", change]
    assert command_line(arguments) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    assert "accuracy" in shown
    assert str(next((tmp_path / "runs").iterdir())) in shown


@pytest.mark.parametrize("command", ANSWERS)
def test_a_run_command_of_an_answer_is_good(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)
    begun: list[Recipe] = []
    done = SimpleNamespace(folder=Path("runs/sst2-1"), record={"task_description": {"inputs": ["sentence"]}})
    monkeypatch.setattr("glueft.launch.run_recipe", lambda recipe, **_: begun.append(recipe) or done)
    assert command_line(shlex.split(command)[1:]) == 0
    assert len(begun) == 1


@pytest.mark.parametrize("block", FRAGMENTS, ids=lambda block: block.splitlines()[0])
def test_a_part_of_a_recipe_fits_one(block: str, tmp_path: Path) -> None:
    """A table takes the place of that of the recipe where it names a plugin, and else its keys do."""
    for callback in re.findall(r'^plugin = "(mlflow|tensorboard|wandb)"', block, flags=re.MULTILINE):
        pytest.importorskip(callback)
    tables = tomllib.loads((CHECKOUT / "recipes" / "sst2.toml").read_text(encoding="utf-8"))
    for name, part in tomllib.loads(block).items():
        merged = isinstance(part, dict) and "plugin" not in part
        tables[name] = tables.get(name, {}) | part if merged else part
    path = tmp_path / "mine.toml"
    path.write_text(tomlkit.dumps(tables))
    load_recipe(str(path))


@pytest.mark.parametrize("command", STUDIES)
def test_a_study_command_ends_with_its_table(
    command: str, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one task and on few seeds, with runs that leave a folder and train nothing."""
    monkeypatch.setattr(driver, "PROGRAM", (sys.executable, study_worker.__file__))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(CHECKOUT / "recipes")
    (tmp_path / "my-encoder").symlink_to(tiny_bert)
    arguments = shlex.split(command.replace("--seeds 5", "--seeds 2"))[1:]
    if "--seeds" not in arguments:
        arguments += ["--set", 'study.recipes=["sst2"]', "--set", "study.seeds=1"]
    assert command_line([*arguments, *([] if "--sample" in arguments else ["--sample"])]) == 0, capsys.readouterr().err
    (table,) = tmp_path.glob("*/*/table.md")
    assert any(f"| {task} |" in table.read_text() for task in ("MRPC", "SST-2"))
    assert "mean ± sd" in capsys.readouterr().out


@pytest.fixture(scope="module")
def workspace(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the commands name: two runs, a classifier, and GLUE's files, in the sample's place."""
    folder = tmp_path_factory.mktemp("workspace")
    for name in ("mrpc-42", "mrpc-43"):
        shutil.copytree(finished_run, folder / "runs" / name)
    (folder / "my-classifier").symlink_to(finished_run / "model")
    (folder / "glue_data").symlink_to(CHECKOUT / "plugins" / "glueft_tasks" / "samples")
    return folder


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("glueft serve")])
def test_a_serve_command_has_a_model_at_an_address(
    command: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Any] = []
    monkeypatch.chdir(workspace)
    monkeypatch.setattr("glueft.serve.serve.serve", lambda bound, answering, *_, **__: served.append(answering.model))
    assert command_line([*shlex.split(command)[1:], "--port", "0"]) == 0
    assert [model.labels for model in served] == [("not_equivalent", "equivalent")]


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.split()[1] in AFTER_A_RUN])
def test_a_command_after_a_run(
    command: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace)
    monkeypatch.setattr("sys.stdin", io.StringIO("He sat.\nHe was sitting.\n\n"))
    assert command_line(shlex.split(command)[1:]) == 0, capsys.readouterr().err
    assert any(capsys.readouterr())
    for name in AFTER_A_RUN[command.split()[1]]:
        assert (workspace / name).exists() or name not in command


def test_the_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """From a run that has predicted all of MRPC's test rows, which the sample has not, and from a study with it."""
    run = make_run(tmp_path, "mrpc")
    make_study(tmp_path / "studies" / "glue", run)
    monkeypatch.chdir(tmp_path)
    of_run, of_study = (command for command in COMMANDS if command.startswith("glueft submit"))
    for command in (of_run.replace("runs/mrpc-42", "mrpc-run"), of_study):
        arguments = shlex.split(command.replace(" --data-dir glue_data", ""))
        assert command_line(arguments[1:]) == 0, capsys.readouterr().err
        (tmp_path / "submission.zip").unlink()


@pytest.mark.parametrize("command", AFTER_A_STUDY)
def test_a_command_after_a_study(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("glue", "glue-other"):
        make_study(tmp_path / "studies" / name, make_run(tmp_path / name, "mrpc"))
    monkeypatch.chdir(tmp_path)
    assert command_line(shlex.split(command)[1:]) == 0, capsys.readouterr().err
    assert "mrpc" in capsys.readouterr().out.lower()


def make_study(folder: Path, run: Path) -> None:
    """A study that is done, of MRPC on one seed."""
    folder.mkdir(parents=True)
    write_result(study_result(recipe_result("mrpc", [study_run("mrpc", 1, 0.8, 0.9, folder=run)]), folder=folder))


def test_the_push(finished_run: Path, tmp_path: Path) -> None:
    """To a hub on the loopback, by a process of its own, as the hub's client reads its settings once."""
    shutil.copytree(finished_run, tmp_path / "runs" / "mrpc-42")
    (command,) = (command for command in COMMANDS if command.startswith("glueft push"))
    with running_hub() as hub:
        hub.accounts = {"hf_token": Account("alice")}
        done = push_command(hub, tmp_path, *shlex.split(command)[2:], HF_TOKEN="hf_token")
    assert (done.returncode, done.stderr) == (0, "")
    assert "alice/mrpc-minilm (new, public)" in done.stdout


def test_make_commands_are_targets() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = {command.split()[1] for command in commands_in(TEXT) if command.startswith("make ")}
    assert targets == {"demo"}
    for target in targets | set(re.findall(r"`make ([\w-]+)`", TEXT)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    planned = subprocess.run(["make", "-n", "demo"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    assert "glueft run recipes/mrpc.toml --sample" in planned


def test_the_recipe_shown_is_the_packaged_one(tmp_path: Path) -> None:
    (shown,) = re.findall(r"<!-- recipe -->\n```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    path = tmp_path / "mrpc.toml"
    path.write_text(shown)
    assert load_recipe(str(path)).to_toml() == load_recipe("mrpc").to_toml()


def test_the_key_table_names_every_key_with_its_default() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|([^|]*)\|", TEXTS["docs/recipes.md"], flags=re.MULTILINE)
    documented = {key for keys, _ in rows for key in re.findall(r"`([\w.]+)`", keys) if "." in key}
    recipe = load_recipe("mrpc")
    keys = {"task.plugin", "task.metrics", "optimizer.plugin", "schedule.plugin", "loss.plugin"}
    for section, options in SECTIONS.items():
        keys |= {f"{section}.{name}" for name in options.model_fields}
    assert documented == keys
    defaults = {key: default.strip("` ") for cells, default in rows for key in re.findall(r"`([\w.]+)`", cells)}
    assert defaults["training.evaluation_batch_size"] == str(recipe.training.evaluation_batch_size)
    assert defaults["data.max_length"] == str(recipe.data.max_length)


def test_the_python_block_runs(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXTS["README.md"], flags=re.DOTALL)
    changes = ["data.source=sample", f'model.checkpoint="{tiny_bert}"', *QUICK]
    assert '{"training.epochs": 1}' in block
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(block.replace('{"training.epochs": 1}', repr(changes)), names)
    assert type(names["run"].model).__module__.startswith("glueft.encoder")


def test_the_python_block_about_a_run_runs(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undrawn: None
) -> None:
    """With a run that is there already."""
    (block,) = re.findall(r"```python\n(.*?)```", TEXTS["docs/python.md"], flags=re.DOTALL)
    call = 'glueft.run("mrpc", {"training.epochs": 1})'
    assert call in block
    shutil.copytree(finished_run, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(block.replace(call, 'glueft.load_run("run")'), names)
    assert (tmp_path / "mrpc-model" / "config.json").is_file()


def test_the_python_block_about_studies_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With runs that leave a folder and train nothing."""
    (block,) = re.findall(r"```python\n(.*?)```", TEXTS["docs/studies.md"], flags=re.DOTALL)
    grid = {"training.epochs": [1, 2]}
    changes = {"study": {"seeds": 1, "final_seeds": 1, "grid": grid}, "data.source": "sample"}
    assert '{"study.seeds": 2}' in block
    monkeypatch.setattr(driver, "PROGRAM", (sys.executable, study_worker.__file__))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(block.replace('{"study.seeds": 2}', repr(changes)), names)
    assert len(names["found"].runs()) == 3
    assert names["found"].folder == tmp_path / "studies" / "mrpc-study"


def test_the_studies_shown_are_good(tmp_path: Path) -> None:
    shown = [block for block in re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL) if "[study]" in block]
    assert len(shown) == 5
    for block in shown:
        (tmp_path / "mine.toml").write_text(block)
        load_study(tmp_path / "mine.toml")


def test_the_table_of_study_keys_names_every_key_with_its_default() -> None:
    table = TEXTS["docs/studies.md"].partition("| key of `[study]` |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|([^|]*)\|", table, flags=re.MULTILINE)
    keys = [(name, cell) for names, cell in rows for name in re.findall(r"`(\w+)`", names)]
    assert sorted(name for name, _ in keys) == sorted(StudyOptions.model_fields)
    for name, cell in keys:
        default = StudyOptions.model_fields[name].default
        if isinstance(default, (str, int, float)):
            assert str(default).lower() in cell, name


def test_the_broken_recipe_gives_the_message_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = re.findall(r"<!-- broken -->\n```text\n(.*?)```", TEXT, flags=re.DOTALL)
    command, message = shown.split("\n", 1)
    assert command.startswith("$ glueft ")
    assert command_line(shlex.split(command)[2:]) == 2
    assert capsys.readouterr().err.strip() == message.strip()
