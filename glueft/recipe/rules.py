"""Checks across tables: values that contradict each other, or the task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glueft.data.held_out import HELD_OUT
from glueft.data.splits import evaluated_splits
from glueft.metrics import known_metrics
from glueft.plugin.loss import Loss
from glueft.plugin.registry import known_classes
from glueft.plugin.suits import KIND_WORDS, Predicts, kinds_of
from glueft.plugin.task import Task
from glueft.recipe.decision_check import misfits
from glueft.recipe.problems import Locations, Problem
from glueft.recipe.sections import RUN, Data, Decision, Distill, Freeze, Hub, Model, Training
from glueft.recipe.values import as_toml, received
from glueft.suggest import did_you_mean, nearest

# What to do about a balanced sampler, where what a task predicts cannot be balanced: `expected` and `fix`.
UNBALANCED: dict[Predicts, tuple[str, str]] = {
    "scores": ('"random" with a regression', "remove sampler"),
    "multi_label": (
        '"random" with a multi-label task',
        'remove sampler; [loss] plugin = "binary_cross_entropy" with positive_weights = "balanced" weighs rare labels',
    ),
}


def contradictions(parts: Mapping[str, Any], locations: Locations) -> list[Problem]:
    """Return the contradictions between the valid parts of a recipe."""
    problems: list[Problem] = []
    data, task, model = parts.get("data"), parts.get("task"), parts.get("model")
    if isinstance(data, Data):
        if isinstance(task, Task):
            problems += _predict(data, task, locations) + _held_out(data, task, locations)
        problems += _fold(data, locations)
        problems += _windows(data, task if isinstance(task, Task) else None, locations)
        problems += _few_shot(data, task if isinstance(task, Task) else None, locations)
        if isinstance(task, Task) and task.reads_own_files:
            problems += _own_files(data, task, locations)
        else:
            problems += _data(data, locations)
            problems += _source(data, task, locations) if isinstance(task, Task) else []
    if isinstance(loss := parts.get("loss"), Loss) and isinstance(task, Task):
        problems += _suited(loss, task, locations)
    if isinstance(training := parts.get("training"), Training) and isinstance(task, Task):
        problems += _balanced(training, task, locations)
    if isinstance(decision := parts.get("decision"), Decision) and isinstance(task, Task):
        problems += _decision(decision, task, locations)
    if isinstance(distill := parts.get("distill"), Distill):
        problems += _distill(distill, task if isinstance(task, Task) else None, locations)
    if isinstance(hub := parts.get("hub"), Hub):
        problems += _push(hub, locations)
    if isinstance(model, Model):
        problems += _revision(("model", model.checkpoint, model.revision), locations)
        problems += _frozen_twice(model, locations) + _new_and_kept(model, locations)
    return problems


def _data(data: Data, locations: Locations) -> list[Problem]:
    problems = []
    if data.source == "folder" and data.folder is None:
        problems.append(
            locations.problem(
                ("data", "folder"),
                'missing; source = "folder" needs it',
                expected="the folder that holds the data",
                received="nothing",
                fix='add folder = "glue_data" to [data], or give --data-dir DIR',
            )
        )
    if data.source != "folder" and data.folder is not None:
        problems.append(
            locations.problem(
                ("data", "folder"),
                f'not read, as source is "{data.source}"',
                expected=f'no folder with source = "{data.source}"',
                received=received(data.folder),
                fix='set source = "folder", or remove folder',
            )
        )
    if data.source != "hub" and data.revision is not None:
        problems.append(
            locations.problem(
                ("data", "revision"),
                f'only the hub has revisions, and source is "{data.source}"',
                expected=f'no revision with source = "{data.source}"',
                received=received(data.revision),
                fix='set source = "hub", or remove revision',
            )
        )
    return problems


def _own_files(data: Data, task: Task, locations: Locations) -> list[Problem]:
    """A task that names its own files takes no source; "hub", the default, is ignored."""
    given = {"source": data.source if data.source != "hub" else None, "folder": data.folder, "revision": data.revision}
    return [
        locations.problem(
            ("data", key),
            f'not read: task "{task.name}" names its own files',
            expected=f"no {key} with this task",
            received=received(value),
            fix=f"remove {locations.argument(('data', key)) or key}; the files stand in [task]",
        )
        for key, value in given.items()
        if value is not None
    ]


def _predict(data: Data, task: Task, locations: Locations) -> list[Problem]:
    """The splits to predict must be the task's, or "validation" or "test" for all of a kind."""
    known = tuple(dict.fromkeys(("validation", "test", *evaluated_splits(task, data), *task.test_splits)))
    if all(split in known for split in data.predict):
        return []  # a study asks for a thousand recipes
    expected = f"one of {', '.join(map(as_toml, known))}"
    return [
        locations.problem(
            ("data", "predict", place),
            f"expected {expected}; received {received(split)}",
            expected=expected,
            received=received(split),
            fix=_why_not_predicted(split, task)
            or did_you_mean(split, known).strip()
            or f'these are the splits of task "{task.name}"',
            suggestion=nearest(split, known),
        )
        for place, split in enumerate(data.predict)
        if split not in known
    ]


def _why_not_predicted(split: str, task: Task) -> str:
    if split == HELD_OUT:
        return "hold training rows out: data.held_out = 0.1"
    if split in task.validation_splits:
        return 'data.held_out leaves the validation rows alone: name "validation" for those held out, or remove it'
    return ""


def _held_out(data: Data, task: Task, locations: Locations) -> list[Problem]:
    if not data.holds_out or HELD_OUT not in (*task.validation_splits, *task.test_splits):
        return []
    key = "held_out" if data.fold is None else "fold"
    return [
        locations.problem(
            ("data", key),
            f'task "{task.name}" has a split of that name: {HELD_OUT}'
            if key == "fold"
            else f'task "{task.name}" has a split of that name',
            expected=f"no {key} with this task",
            received=received(data.held_out if data.fold is None else data.fold.model_dump(exclude_none=True)),
            fix=f"remove {key}, or rename the split in the task's plugin",
        )
    ]


def _suited(loss: Loss, task: Task, locations: Locations) -> list[Problem]:
    """A loss of labels is for a task with labels, and one of scores for a regression."""
    has, suited = predicted_kind(task), kinds_of(loss.suits)
    if has is None or has in suited:
        return []
    known = known_classes("loss")
    suiting = [name for name, other in known.items() if has in kinds_of(other.suits)]
    of_loss = " or ".join(KIND_WORDS[kind] for kind in suited)
    return [
        locations.problem(
            ("loss", "plugin"),
            f'"{loss.name}" is a loss for {of_loss}, and task "{task.name}" has {KIND_WORDS[has]}',
            expected=f"one of {', '.join(map(as_toml, suiting))}",
            received=received(loss.name),
            fix=f"losses for {KIND_WORDS[has]} are {', '.join(suiting)}; without [loss] the task chooses",
        )
    ]


def _balanced(training: Training, task: Task, locations: Locations) -> list[Problem]:
    """Labels can be made equally frequent; scores cannot, nor labels of which a row has any number."""
    kind = predicted_kind(task)
    if training.sampler != "balanced" or kind not in UNBALANCED:
        return []
    expected, fix = UNBALANCED[kind]
    return [
        locations.problem(
            ("training", "sampler"),
            f'"balanced" makes labels equally frequent, and task "{task.name}" has {KIND_WORDS[kind]}',
            expected=expected,
            received=received(training.sampler),
            fix=fix,
        )
    ]


def _decision(decision: Decision, task: Task, locations: Locations) -> list[Problem]:
    """Thresholds are between two labels, and tuned for a metric of labels; scores have neither."""
    return [
        locations.problem(
            ("decision", found.key),
            found.message,
            expected=found.expected,
            received=received(getattr(decision, found.key)),
            fix=found.fix,
        )
        for found in misfits(decision, task, predicted_kind(task))
    ]


def predicted_kind(task: Task) -> Predicts | None:
    """Return what a task predicts, as far as can be told before its rows are read: they may tell its labels."""
    if task.labels or task.multi_label:
        return task.predicts
    known = known_metrics()
    suits = {known[name].suits for name in task.metrics if name in known}
    return "scores" if suits == {"scores"} else "labels" if suits and "scores" not in suits else None


def _fold(data: Data, locations: Locations) -> list[Problem]:
    fold, problems = data.fold, []
    if fold is None:
        return []
    if data.held_out is not None:
        told = {"expected": "one of the two", "received": received(data.held_out), "fix": "remove held_out, or fold"}
        message = "fold says which training rows are held out, and held_out too"
        problems.append(locations.problem(("data", "held_out"), message, **told))
    if fold.number > fold.of:
        told = {"expected": f"1 to {fold.of}", "received": received(fold.number), "fix": "lower number, or raise of"}
        message = f"there is no such fold of {fold.of}"
        problems.append(locations.problem(("data", "fold", "number"), message, **told))
    return problems


def _windows(data: Data, task: Task | None, locations: Locations) -> list[Problem]:
    """Windows are of one text, and hold more tokens than they share."""
    windows, problems = data.windows, []
    if windows is None:
        return []
    if task is not None and len(task.inputs) == 2:
        problems.append(
            locations.problem(
                ("data", "windows"),
                f'task "{task.name}" has pairs of texts, and windows are of one: a window of one text of a pair would '
                "stand beside the whole other one, which may be as long",
                expected="no windows with this task",
                received=received(windows.model_dump()),
                fix=f"remove windows: the longer text of a pair is cut to max_length = {data.max_length}",
            )
        )
    # There are special tokens beside the text; what is exact is the encoder's.
    if windows.stride >= data.max_length - 2:
        problems.append(
            locations.problem(
                ("data", "windows", "stride"),
                f"leaves no new token in a window of max_length = {data.max_length:,} tokens",
                expected=f"less than {data.max_length - 2:,}",
                received=received(windows.stride),
                fix="lower stride, or raise max_length",
            )
        )
    return problems


def _few_shot(data: Data, task: Task | None, locations: Locations) -> list[Problem]:
    """`per_label` says alone which training rows are used, and needs labels."""

    def problem(key: str, message: str, expected: str, fix: str) -> Problem:
        return locations.problem(
            ("data", key), message, expected=expected, received=received(getattr(data, key)), fix=fix
        )

    if data.per_label is None:
        alone = problem("draw", "the number of a draw of per_label, which is not there", "no draw without per_label",
                        "add per_label = 16 to [data], or remove draw")  # fmt: skip
        return [] if data.draw is None else [alone]
    problems = []
    kind = None if task is None else predicted_kind(task)
    if task is not None and kind in ("scores", "multi_label"):
        has = "scores, not labels" if kind == "scores" else KIND_WORDS[kind]
        wanted = "a task with labels" if kind == "scores" else "a task with one label a row"
        fix = 'remove it, and take some of the rows with limit_train and limit_draw = "stratified"'
        problems.append(problem("per_label", f'task "{task.name}" has {has}', wanted, fix))
    if data.limit_train is not None:
        both = "per_label says how many training rows are used, and limit_train too"
        problems.append(problem("limit_train", both, "one of the two", "remove limit_train, or per_label"))
    if data.limit_draw == "stratified" and (data.limit_validation is None or data.holds_out):
        none = "no rows are drawn by it: per_label draws the training rows itself, and no limit is on others"
        problems.append(
            problem("limit_draw", none, "limit_validation beside it, or per_label alone", "remove limit_draw")
        )
    return problems


def _source(data: Data, task: Task, locations: Locations) -> list[Problem]:
    """The task must be able to read the source; one with its own `load` may read any."""
    if type(task).load is not Task.load:
        return []
    known = {"hub": task.hub is not None, "folder": task.tsv is not None, "sample": task.sample is not None}
    if known[data.source]:
        return []
    lacks = {"hub": "is not on the hub", "folder": "has no layout of files", "sample": "ships no sample"}
    others = [f'"{source}"' for source, can in known.items() if can]
    return [
        locations.problem(
            ("data", "source"),
            f'task "{task.name}" {lacks[data.source]}',
            expected=f"one of {', '.join(others)}" if others else "another task",
            received=received(data.source),
            fix=f"its rows can come from {' or '.join(others)}" if others else "choose another task",
        )
    ]


def _revision(asked: tuple[str, str, str | None], locations: Locations) -> list[Problem]:
    """Only the hub has revisions; asked are the table, the checkpoint that it names, and its revision."""
    table, checkpoint, revision = asked
    if revision is None or not is_local(checkpoint):
        return []
    return [
        locations.problem(
            (table, "revision"),
            "only checkpoints on the hub have revisions",
            expected="no revision with a checkpoint from a folder, a package or a run",
            received=received(revision),
            fix="remove revision, or give the checkpoint's name on the hub",
        )
    ]


def _distill(distill: Distill, task: Task | None, locations: Locations) -> list[Problem]:
    """A temperature softens labels, and there are none in a regression."""
    problems = _revision(("distill", distill.teacher, distill.revision), locations)
    if task is not None and distill.temperature is not None and predicted_kind(task) == "scores":
        problems.append(
            locations.problem(
                ("distill", "temperature"),
                f'softens the probabilities of labels, and task "{task.name}" has scores',
                expected="no temperature with a regression",
                received=received(distill.temperature),
                fix="remove temperature: the student trains on the squared error to the teacher's score",
            )
        )
    return problems


def _frozen_twice(model: Model, locations: Locations) -> list[Problem]:
    if model.lora_rank is None or model.freeze == Freeze():
        return []
    return [
        locations.problem(
            ("model", "freeze"),
            "lora_rank already keeps all the encoder's own weights",
            expected="no freeze with lora_rank",
            received=f"lora_rank = {model.lora_rank}, and freeze = {as_toml(model.freeze.model_dump())}",
            fix="remove freeze, or remove lora_rank to train the rest of the encoder's own weights",
        )
    ]


def _new_and_kept(model: Model, locations: Locations) -> list[Problem]:
    if model.lora_rank is None or not model.reinit_layers:
        return []
    return [
        locations.problem(
            ("model", "reinit_layers"),
            "lora_rank keeps all the encoder's own weights, and new layers would stay as they start",
            expected="no reinit_layers with lora_rank",
            received=f"lora_rank = {model.lora_rank}, and reinit_layers = {model.reinit_layers}",
            fix="remove reinit_layers, or remove lora_rank to train the encoder's own weights",
        )
    ]


def _push(hub: Hub, locations: Locations) -> list[Problem]:
    if hub.push is not None or not hub.model_fields_set:
        return []
    given = ", ".join(sorted(hub.model_fields_set))
    return [
        locations.problem(
            ("hub", "push"),
            f"missing; {given} {'has' if len(hub.model_fields_set) == 1 else 'have'} no effect without it",
            expected="the repository to push to, USER/NAME",
            received="nothing",
            fix='add push = "USER/NAME" to [hub], or remove the table',
        )
    ]


def is_local(checkpoint: str) -> bool:
    """Whether a checkpoint is a folder, of a package or of a run by its form, not a name on the hub."""
    return checkpoint.startswith(("package:", RUN, "/", "./", "../", "~"))
