"""Labels that an option chooses: set in `__init__`, checked with the options, and read by all that reads labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from glueft import testing
from glueft.recipe import RecipeError, load_recipe
from glueft.recipe.task_parts import load_task_parts

TASK = '''
import glueft

COARSE = ("place", "person")
FINE = ("city", "river", "group", "individual")


class Question(glueft.Task):
    """What a question asks for."""

    name = "question"
    inputs = ("text",)
    labels = COARSE
    metrics = ("accuracy", "f1")
    tsv = glueft.TSVLayout("question", columns={"text": "text", "label": "coarse"}, label_text=COARSE)
    sample = "samples"

    class Options(glueft.Options):
        fine: bool = glueft.Field(False, description="Whether the labels are the fine ones.")
        wrong: bool = glueft.Field(False, description="Whether they do not go with the metrics.")

    def __init__(self, options=None):
        super().__init__(options)
        if self.options.fine:
            self.labels = FINE
            self.metrics = ("accuracy", "f1") if self.options.wrong else ("accuracy",)
            self.tsv = glueft.TSVLayout("question", columns={"text": "text", "label": "fine"}, label_text=FINE)
'''
ROWS = [("which city", "place", "city"), ("which river", "place", "river"), ("who", "person", "individual")]
ROWS += [("which band", "person", "group")]


@pytest.fixture
def question(tmp_path: Path) -> Path:
    folder = tmp_path / "samples" / "question"
    folder.mkdir(parents=True)
    for name in ("train.tsv", "dev.tsv"):
        (folder / name).write_text("\n".join("\t".join(row) for row in [("text", "coarse", "fine"), *ROWS]) + "\n")
    file = tmp_path / "question.py"
    file.write_text(TASK)
    return file


def test_the_recipe_chooses_them(question: Path) -> None:
    coarse = load_recipe("mrpc", ["task.plugin=question"], sample=True, plugins=[question]).task
    fine = load_recipe("mrpc", ["task.plugin=question", "task.fine=true"], sample=True, plugins=[question]).task
    assert (coarse.labels, fine.labels) == (("place", "person"), ("city", "river", "group", "individual"))
    parts = load_task_parts("question", "x", ["task.fine=true"], sample=True, plugins=[str(question)])
    assert parts.task.labels == fine.labels
    assert testing.sample_rows(type(fine), {"fine": True})["train"].labels.tolist() == [0, 1, 3, 2]


def test_the_checks_go_by_the_options(question: Path) -> None:
    cls = type(load_recipe("mrpc", ["task.plugin=question"], sample=True, plugins=[question]).task)

    def check(name: str, **options: bool) -> str:
        return next(check for check in testing.checks(cls, options) if check.name == name).run()

    assert check("labels") == "2 place, 2 person"
    assert check("labels", fine=True) == "1 city, 1 river, 1 group, 1 individual"
    with pytest.raises(testing.ContractBrokenError, match=r"with the options .*the metric .* does not suit"):
        check("declaration", fine=True, wrong=True)


def test_what_does_not_go_together_is_a_problem_of_the_recipe(question: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", ["task.plugin=question", "task.fine=true", "task.wrong=true"], plugins=[question])
    (problem,) = caught.value.problems
    assert problem.path == "task"
    assert problem.message.startswith(
        'task "question" cannot be used with these options: the metric "f1" of task "question" does not suit'
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("self.labels = FINE", "raise KeyError('fine')"), "its `__init__` raised KeyError: 'fine'"),
        (("self.labels = FINE", "self.labels = ['city', 'river']"), "class Question needs `labels`, a tuple of two"),
        (("self.labels = FINE", "self.labels = ('river', 'city', 'group', 'individual')"), "in another order"),
        (("self.labels = FINE", "raise glueft.DataError('no fine ones')"), "no fine ones"),
    ],
)
def test_what_goes_wrong_in_it(question: Path, change: tuple[str, str], told: str) -> None:
    question.write_text(TASK.replace(*change))
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", ["task.plugin=question", "task.fine=true"], plugins=[question])
    (problem,) = caught.value.problems
    assert told in problem.message


def test_a_property_is_refused_with_what_to_do(question: Path) -> None:
    question.write_text(
        TASK.replace("labels = COARSE\n", "@property\n    def labels(self):\n        return COARSE\n", 1)
    )
    with pytest.raises(RecipeError, match=r"has a property `labels`; set what depends on an option on the task itself"):
        load_recipe("mrpc", ["task.plugin=question"], plugins=[question])
