"""`glueft plan STUDY`: how many runs and steps, and what they would take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from glueft.cli.main import command_line
from glueft.errors import GlueftError
from glueft.plugin.executor import Job
from glueft.studies import plan as study_plan
from glueft.studies.definition.file import load_study
from glueft.studies.display.plan_table import study_plan_tables
from glueft.studies.execution.planned import Planner
from glueft.studies.execution.search import open_search
from glueft.studies.plan import plan_study
from glueft.studies.result import StudyResult, StudyRun
from glueft.studies.result_file import write_result
from glueft.training.progress import Progress

Captured = pytest.CaptureFixture[str]
TEXT = """[study]
recipes = ["rte", "mnli"]
seeds = 2
final_seeds = 3
[study.grid.rte]
training.epochs = [1, 4]
[study.start_from]
rte = "mnli"
[study.executor]
parallel = 2
"""


class _Ended:
    """A job that has written its plan."""

    id = None

    def __init__(self, job: Job, plan: dict[str, Any]) -> None:
        job.folder.joinpath("log.txt").write_text(f"planning (1.0 s)\n{json.dumps(plan)}\n", encoding="utf-8")

    def state(self) -> str:
        return "ended"

    def exit_code(self) -> int:
        return 0


class Said(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands of the probes, each of which finds 100 rows, 10 s of training and 2 s of validation an epoch."""
    commands: list[tuple[str, ...]] = []

    def planned(job: Job) -> _Ended:
        commands.append(job.command)
        epochs = {"rte": 1, "mnli": 3}[job.name]
        seconds = {"steps": 10.0 * epochs, "validation": 2.0 * epochs, "total": 5.0 + 12.0 * epochs}
        plan: dict[str, Any] = {
            "data": {"splits": {"train": {"rows": 100}}},
            "estimate": {"seconds": seconds, "peak_memory_bytes": 2_000},
            "disk": {"needed_bytes": 1_000, "model_bytes": 900},
        }
        return _Ended(job, plan | ({"estimate": None} if "--no-probe" in job.command else {}))

    # A pool whose jobs are elsewhere: the probes are processes of this machine, which are not begun here.
    monkeypatch.setattr("glueft_executors.local.Local.here", False)
    monkeypatch.setattr(study_plan, "_Child", planned)
    return commands


def test_runs_steps_and_time_of_a_study(tmp_path: Path, probes: list[tuple[str, ...]]) -> None:
    (tmp_path / "study.toml").write_text(TEXT)
    planned = plan_study(load_study(tmp_path / "study.toml"), output_dir=tmp_path / "studies")
    assert [command[3] for command in probes] == ["plan", "plan"]
    rte, mnli = planned["recipes"]
    # 2 settings x 2 seeds choose, 3 fresh seeds are for the table; MNLI has nothing to choose.
    assert (rte["runs"], mnli["runs"]) == ({"search": 4, "final": 3}, {"search": 0, "final": 3})
    # 100 rows in batches of 16 and 32: 7 and 4 steps an epoch; of the chosen setting nothing is known yet.
    assert (rte["steps"], mnli["steps"]) == (7 * (2 * 1 + 2 * 4 + 3 * 1), 4 * 3 * 3)
    assert rte["run_seconds"] == [17.0, 53.0] and mnli["run_seconds"] == [41.0, 41.0]
    assert planned["runs"] == 10 and planned["slots"] == 2
    # Two at once, RTE after MNLI: 41 + 41, then 17, 17, 53, 53, 17, 17, 17 from 41 and 82 on.
    assert planned["seconds"] == {"total": 3 * 41 + 5 * 17 + 2 * 53, "wall": 82 + 17 + 53 + 17 + 17}
    assert planned["peak_memory_bytes"] == 4_000
    # Ten runs, of which the chosen one of each recipe keeps its model.
    assert planned["disk"]["needed_bytes"] == 10 * 100 + 2 * 900 and planned["disk"]["most_bytes"] == 10_000
    assert planned["disk"]["folder"] == str(tmp_path / "studies" / "study") and not (tmp_path / "studies").exists()


def test_held_out_rows_are_not_trained_on_while_a_setting_is_chosen(
    tmp_path: Path, probes: list[tuple[str, ...]]
) -> None:
    text = TEXT.replace("final_seeds = 3", 'choose = "held_out"\nheld_out = 0.4\nkeep_models = "all"')
    (tmp_path / "study.toml").write_text(text)
    planned = plan_study(load_study(tmp_path / "study.toml"), probe=False)
    assert all(command[-1] == "--no-probe" for command in probes)
    (rte, _) = planned["recipes"]
    assert rte["runs"] == {"search": 4, "final": 2}
    assert rte["steps"] == 4 * (2 * 1 + 2 * 4) + 7 * 2 * 1  # 60 rows, then all 100
    assert planned["seconds"] is planned["peak_memory_bytes"] is None
    assert planned["disk"]["needed_bytes"] == planned["disk"]["most_bytes"]


def test_drawn_settings_have_the_middle_of_their_ranges(tmp_path: Path, probes: list[tuple[str, ...]]) -> None:
    text = TEXT.replace(
        "[study.grid.rte]\ntraining.epochs = [1, 4]", "[study.ranges.rte]\ntraining.epochs = {low=1,high=3}"
    )
    (tmp_path / "study.toml").write_text(text.replace("final_seeds = 3", "trials = 2"))
    (rte, _) = plan_study(load_study(tmp_path / "study.toml"))["recipes"]
    assert rte["settings"] == 2 and rte["runs"] == {"search": 4, "final": 0}
    assert rte["steps"] == 4 * 7 * 2


def test_the_table_of_a_plan(tmp_path: Path, probes: list[tuple[str, ...]]) -> None:
    (tmp_path / "study.toml").write_text(TEXT)
    runs, total = study_plan_tables(plan_study(load_study(tmp_path / "study.toml")))
    cells = [[str(cell) for cell in column.cells] for column in runs.columns]
    assert cells[0] == ["rte", "mnli"] and cells[1] == ["mnli", ""]
    assert cells[3] == ["4", ""] and cells[4] == ["3", "3"] and cells[6] == ["0:17 to 0:53", "0:41"]
    values = dict(zip(*(map(str, column.cells) for column in total.columns), strict=True))
    assert values["runs"] == "10 runs, 127 steps"
    assert values["time"] == "about 3:06; 5:14 of all runs together"
    assert values["executor"].startswith("local: 2 runs at once")


def test_runs_that_are_done_are_told_from_those_that_are_left(tmp_path: Path, probes: list[tuple[str, ...]]) -> None:
    (tmp_path / "study.toml").write_text(TEXT)
    study, place = load_study(tmp_path / "study.toml"), tmp_path / "study"
    assert plan_study(study, output_dir=tmp_path)["left"]["runs"] == 10
    planner, known = Planner(study, open_search(study, place)), dict[str, StudyRun]()
    for _ in range(2):  # MNLI's run, the choice of RTE's setting, and then one of its final runs
        recipes = planner.plan(known)
        runs = [run for recipe in recipes for run in recipe.runs if run.stage == "search" or run.seed == 3]
        known |= {run.name: replace(run, state="done", score=0.5) for run in runs}
    place.mkdir()
    write_result(StudyResult(place, "study", "bert", planner.plan(known)))
    plan = plan_study(study, output_dir=tmp_path)
    # Two of MNLI's, at once, and two of RTE's, of which one epoch is 7 steps.
    seconds = {"total": 2 * 41 + 2 * 17, "wall": 41 + 17}
    assert plan["left"] == {"runs": 4, "steps": 2 * 4 * 3 + 2 * 7, "seconds": seconds} and plan["runs"] == 10
    cells = [[str(cell) for cell in column.cells] for column in study_plan_tables(plan)[1].columns]
    assert dict(zip(*cells, strict=True))["left of it"] == "4 runs, 38 steps: about 0:58; 1:56 of all runs together"


def test_a_cluster_that_cannot_be_reached_is_no_reason_not_to_plan(
    tmp_path: Path, probes: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: Any, **options: Any) -> None:
        raise GlueftError("no cluster", fix="start one")

    monkeypatch.setattr("glueft_executors.local.Local.open", unreachable)
    (tmp_path / "study.toml").write_text(TEXT)
    said = Said()
    planned = plan_study(load_study(tmp_path / "study.toml"), progress=said)
    assert said.lines == ["warning: no cluster: start one; how many runs it would have at once is not known"]
    assert planned["slots"] is None and planned["seconds"] == {"total": 314.0, "wall": None}
    (_, total) = study_plan_tables(planned)
    assert [str(cell) for cell in list(total.columns[1].cells)[2:4]] == [
        "5:14 of all runs together", "2 KiB for 1 run at once"
    ]  # fmt: skip
    monkeypatch.setattr("glueft_executors.local.Local.here", True)
    with pytest.raises(GlueftError, match="no cluster"):
        plan_study(load_study(tmp_path / "study.toml"))


@pytest.mark.slow
def test_rows_and_steps_of_a_real_one(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["plan", "mrpc-study", "--sample", "--no-probe", "--set", "study.recipes=['mrpc']", "--json"]
    assert command_line(command) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["runs"] == 6 * 2 + 2 and planned["recipes"][0]["steps"] > 0
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_a_probe_as_the_executor_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planned = plan_study(load_study("mrpc-study", ["training.epochs=1"], sample=True))
    (mrpc,) = planned["recipes"]
    assert 0 < mrpc["run_seconds"][0] <= planned["seconds"]["wall"] <= planned["seconds"]["total"]
    assert planned["peak_memory_bytes"] >= mrpc["peak_memory_bytes"] > 10**8
    assert [*tmp_path.iterdir()] == []


def test_what_stops_the_probes_is_told_once(tmp_path: Path, capsys: Captured) -> None:
    text = '[study]\nrecipes = ["mrpc", "rte"]\n[study.set]\ndata = {source = "folder", folder = "none"}\n'
    (tmp_path / "study.toml").write_text(text + 'model.checkpoint = "./no-model"\n')
    assert command_line(["plan", str(tmp_path / "study.toml"), "--no-probe"]) == 2
    told = capsys.readouterr().err
    assert "2 recipes of 2 cannot be planned: mrpc, rte\n" in told
    assert "received: mrpc, rte: " in told and "Traceback" not in told
