"""Settings that Optuna draws: by several processes, after a kill, and what it is told."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from search_worker import TRIALS, is_stuck, known, search_in

from glueft.errors import GlueftError, OutputError
from glueft.recipe import load_recipe
from glueft.studies.definition.study import Range, Study, StudyRecipe
from glueft.studies.execution.search import JOURNAL, Drawn, RandomSearch, TPESearch, _add, open_search
from glueft.studies.result import RecipeResult, StudyRun
from glueft.studies.run import run_study
from glueft.testing.process import python_environment
from study_results import recipe_result, study_run

FACTS = recipe_result("mrpc", [])
SPACE = {"x": Range(0.0, 1.0), "n": Range(1, 64, log=True, whole=True)}


def study_of(recipe: StudyRecipe, **changes: Any) -> Study:
    made: dict[str, Any] = {"executor": None, "sampler": "tpe", "trials": 12}
    return Study("s.toml", "s", (recipe,), (1, 2), **(made | changes))


def searched(ranges: dict[str, Range] = SPACE, **grid: tuple[Any, ...]) -> StudyRecipe:
    return StudyRecipe("mrpc", load_recipe("mrpc"), grid, ranges)


def runs_of(drawn: Drawn, scores: Sequence[float | None], **changes: Any) -> list[StudyRun]:
    """Two runs of each setting: done with these scores, or waiting."""
    return [
        replace(
            study_run("mrpc", seed, stage="search", setting=setting, trial=number),
            **({"state": "waiting"} if score is None else {"score": score + 0.1 * seed}) | changes,
        )
        for (number, setting), score in zip(drawn.trials, scores, strict=True)
        for seed in (1, 2)
    ]


def journal(folder: Path, lower_is_better: bool = False) -> Any:
    """What Optuna itself reads from the journal."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    *_, newest = storage.get_all_studies()
    return optuna.load_study(study_name=newest.study_name, storage=storage)


def finish(search: TPESearch, recipe: StudyRecipe, facts: RecipeResult = FACTS) -> Drawn:
    """Draw to the end, one after the other; the best x is 0.3."""
    drawn = search.draw(recipe, [], facts)
    sign = -1 if facts.lower_is_better else 1
    while not drawn.complete:
        scores = [sign * -abs(setting["x"] - 0.3) for _, setting in drawn.trials]
        drawn = search.draw(recipe, runs_of(drawn, scores), facts)
    return drawn


def test_no_more_is_drawn_than_can_begin(tmp_path: Path) -> None:
    recipe = searched()
    search = TPESearch(study_of(recipe), tmp_path)
    first = search.draw(recipe, [], FACTS, free=3)
    assert len(first.trials) == 2  # of two runs each
    assert search.draw(recipe, runs_of(first, [None, None]), FACTS, free=3) == first
    assert search.draw(recipe, runs_of(first, [0.5, 0.5]), FACTS, free=0) == first
    assert len(search.draw(recipe, runs_of(first, [0.5, 0.5]), FACTS).trials) == 3
    assert not first.complete


def test_all_are_drawn_once_and_come_again_after_a_restart(tmp_path: Path) -> None:
    recipe = searched()
    drawn = finish(TPESearch(study_of(recipe), tmp_path), recipe)
    assert [number for number, _ in drawn.trials] == [*range(12)]
    assert len({str(setting) for _, setting in drawn.trials}) == 12
    assert TPESearch(study_of(recipe), tmp_path).draw(recipe, [], FACTS) == drawn
    more = TPESearch(study_of(recipe, trials=14), tmp_path).draw(recipe, [], FACTS, free=9)
    assert more.trials[:12] == drawn.trials
    assert len(more.trials) == 14
    fewer = TPESearch(study_of(recipe, trials=5), tmp_path).draw(recipe, [], FACTS)
    assert fewer == Drawn(drawn.trials[:5], complete=True)


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_it_learns(tmp_path: Path, lower_is_better: bool) -> None:
    """After those drawn at random, settings lie nearer to the best one than random ones would."""
    recipe, facts = searched({"x": Range(0.0, 1.0)}), recipe_result("mrpc", [], lower_is_better=lower_is_better)
    drawn = finish(TPESearch(study_of(recipe, trials=30), tmp_path), recipe, facts)
    at_random = RandomSearch(study_of(recipe, trials=30)).draw(recipe, [], facts)
    assert drawn.trials[:10] == at_random.trials[:10]
    learned, guessed = ([abs(setting["x"] - 0.3) for _, setting in one.trials[10:]] for one in (drawn, at_random))
    assert sum(learned) < 0.6 * sum(guessed)


def test_what_optuna_is_told(tmp_path: Path) -> None:
    recipe = searched()
    search = TPESearch(study_of(recipe), tmp_path)
    drawn = search.draw(recipe, [], FACTS, free=9)
    done, half, pruned, failed, open_ = (runs_of(Drawn([trial], False), [0.5]) for trial in drawn.trials)
    half[1] = replace(half[1], state="failed", score=None)
    pruned[1] = replace(pruned[1], state="pruned", score=None)
    failed = [replace(run, state="failed", score=None) for run in failed]
    open_[1] = replace(open_[1], state="running", score=None)
    for _ in range(2):  # told once
        search.draw(recipe, [*done, *half, *pruned, *failed, *open_], FACTS, free=0)
    told = [(trial.state.name, trial.value and round(trial.value, 6)) for trial in journal(tmp_path).trials]
    assert told == [("COMPLETE", 0.65), ("COMPLETE", 0.6), ("PRUNED", None), ("FAIL", None), ("RUNNING", None)]
    assert journal(tmp_path).direction.name == "MAXIMIZE"


def test_a_space_that_is_smaller_than_the_trials_is_drawn_to_its_end(tmp_path: Path) -> None:
    recipe = searched({"x": Range(0.0, 0.2, step=0.1)}, y=("a", ["b", "c"]))
    drawn = finish(TPESearch(study_of(recipe, trials=50), tmp_path), recipe)
    assert sorted((setting["x"], setting["y"]) for _, setting in drawn.trials if setting["y"] == "a") == [
        (0.0, "a"),
        (0.1, "a"),
        (0.2, "a"),
    ]
    assert len(drawn.trials) == 6


@pytest.mark.parametrize("change", ["range", "recipe", "score"])
def test_scores_of_something_else_are_not_learned_from(tmp_path: Path, change: str) -> None:
    recipe, facts = searched(), FACTS
    finish(TPESearch(study_of(recipe), tmp_path), recipe)
    if change == "range":
        recipe = searched(SPACE | {"x": Range(0.0, 2.0)})
    elif change == "recipe":
        recipe = replace(recipe, base=load_recipe("mrpc", ["training.epochs=7"]))
    else:
        facts = recipe_result("mrpc", [], chooses="f1")
    assert len(TPESearch(study_of(recipe), tmp_path).draw(recipe, [], facts).trials) == 1


def test_another_seed_of_the_recipe_changes_nothing(tmp_path: Path) -> None:
    recipe = searched()
    drawn = finish(TPESearch(study_of(recipe), tmp_path), recipe)
    recipe = replace(recipe, base=load_recipe("mrpc", ["training.seed=7"]))
    assert TPESearch(study_of(recipe), tmp_path).draw(recipe, [], FACTS) == drawn


def test_a_line_that_was_cut_off_for_want_of_room(tmp_path: Path) -> None:
    recipe = searched()
    drawn = TPESearch(study_of(recipe), tmp_path).draw(recipe, [], FACTS, free=4)
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"op_code":4,"worker_id":"' + 5000 * "x")
    again = TPESearch(study_of(recipe), tmp_path).draw(recipe, [], FACTS, free=8)
    assert again.trials[:2] == drawn.trials
    assert len(again.trials) == 4
    assert len(journal(tmp_path).trials) == 4


def test_where_there_are_no_locks_the_later_of_two_equal_settings_is_passed_over(tmp_path: Path) -> None:
    recipe = searched()
    search = TPESearch(study_of(recipe, trials=2), tmp_path)
    (first,) = search.draw(recipe, [], FACTS).trials
    _add(journal(tmp_path), recipe, first[1])
    drawn = TPESearch(study_of(recipe, trials=2), tmp_path).draw(recipe, runs_of(Drawn([first], False), [0.5]), FACTS)
    assert [number for number, _ in drawn.trials] == [0, 2]
    assert drawn.complete
    _add(journal(tmp_path), recipe, {"x": 0.123, "n": 3})
    assert TPESearch(study_of(recipe, trials=2), tmp_path).draw(recipe, [], FACTS) == drawn


@pytest.mark.skipif(os.name == "nt", reason="there are no POSIX locks")
def test_the_lock_of_a_process_that_was_killed_while_it_wrote(tmp_path: Path) -> None:
    """Optuna alone would wait for half a minute."""
    recipe = searched()
    search = TPESearch(study_of(recipe), tmp_path)
    search.draw(recipe, [], FACTS)
    link = tmp_path / f"{JOURNAL}.lock"
    link.symlink_to(tmp_path / JOURNAL)
    os.utime(link, (time.time() - 60, time.time() - 60), follow_symlinks=False)
    begin = time.monotonic()
    assert len(search.draw(recipe, [], FACTS, free=4).trials) == 2
    assert time.monotonic() - begin < 15
    assert not link.is_symlink()


def test_a_journal_that_is_none(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("[notes]\nof mine\n")
    recipe = searched()
    with pytest.raises(GlueftError, match=r"optuna\.journal: the journal of the search cannot be read") as caught:
        TPESearch(study_of(recipe), tmp_path).draw(recipe, [], FACTS)
    assert "move optuna.journal away" in caught.value.fix


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    recipe = searched()
    with pytest.raises(OutputError, match="the search cannot be written down"):
        TPESearch(study_of(recipe), tmp_path / "missing").draw(recipe, [], FACTS)


def test_without_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "optuna" else find(name))
    recipe = searched()
    with pytest.raises(GlueftError, match="needs the package optuna") as caught:
        open_search(study_of(recipe), tmp_path)
    assert "pip install 'glueft[optuna]'" in caught.value.fix
    with pytest.raises(GlueftError, match="needs the package optuna"):
        run_study(study_of(recipe), output_dir=tmp_path)
    drawn = open_search(study_of(recipe, sampler="random"), tmp_path).draw(recipe, [], FACTS)
    assert drawn.complete
    assert len(drawn.trials) == 12
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for runs holds POSIX locks")
def test_twelve_trials_over_two_processes_one_of_which_is_killed(tmp_path: Path) -> None:
    """Each is run once; the one that the killed process was at is taken up by the other."""
    begun = tmp_path / "begun"
    killed, other = (start(tmp_path, name) for name in ("killed", "other"))
    try:
        wait_for(lambda: begun.exists() and is_stuck(tmp_path))
        killed.kill()
        assert other.wait(60) == 0
    finally:
        for process in (killed, other):
            process.kill()
            process.wait()
    (cut,) = [number for number in numbers(begun, "killed") if int(number) >= 3]
    once = [*numbers(begun, "killed"), *numbers(begun, "other")]
    once.remove(cut)
    assert sorted(map(int, once)) == [*range(TRIALS)]
    trials = journal(tmp_path).trials
    assert len({str(trial.params) for trial in trials}) == len(trials) == TRIALS
    search, recipe = search_in(tmp_path)
    settings = dict(search.draw(recipe, [], FACTS).trials)
    search.draw(recipe, known(tmp_path, settings), FACTS)
    assert {trial.state.name for trial in journal(tmp_path).trials} == {"COMPLETE"}


def start(folder: Path, name: str) -> subprocess.Popen[bytes]:
    here = Path(__file__).parent
    environment = python_environment() | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    return subprocess.Popen([sys.executable, str(here / "search_worker.py"), str(folder), name], env=environment)


def numbers(begun: Path, name: str) -> list[str]:
    return [line.split()[1] for line in begun.read_text().splitlines() if line.split()[0] == name]


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
