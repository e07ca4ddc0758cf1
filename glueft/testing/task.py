"""The checks of a task: its rows load, the same each time, with labels and texts in their places."""

from __future__ import annotations

import re
from collections.abc import Mapping

from glueft.data.rows import Rows, label_counts, load_rows
from glueft.plugin.task import Task
from glueft.testing.check import Check, ContractBrokenError, NotCheckedError, Subject
from glueft.testing.process import ask_worker, request_of


def checks(subject: Subject) -> list[Check]:
    from glueft.testing.bad_rows import bad_rows
    from glueft.testing.learning import learns

    data, all_of_keras = ("datasets",), ("datasets", "keras", "transformers")
    return [
        Check("offline load", subject, offline_load, data),
        Check("labels", subject, labels, data, needs_rows=True),
        Check("pair order", subject, pair_order, data, needs_rows=True),
        Check("metrics", subject, metrics, ("evaluate", "sklearn"), needs_rows=True),
        Check("same rows", subject, same_rows, data, needs_rows=True),
        Check("bad rows", subject, bad_rows, data, needs_rows=True),
        Check("learns", subject, learns, all_of_keras, needs_rows=True),
    ]


def offline_load(subject: Subject) -> str:
    """The rows load without a network, and are what the class says of them."""
    rows = subject.load()
    subject.__dict__["rows"] = rows  # Loaded once for all checks that look at them.
    source = "its sample" if subject.task.sample and not subject.data_dir else "its files"
    return ", ".join(f"{len(split):,} {name}" for name, split in rows.items()) + f" rows from {source}"


def labels(subject: Subject) -> str:
    """Each label occurs, and each row has the label that the file gives it."""
    task, train = subject.task, subject.rows["train"]
    for split, rows in subject.rows.items():
        _compare_labels(split, rows, _by_layout(subject).get(split))
    if not task.labels:
        return f"scores from {train.labels.min():g} to {train.labels.max():g}"
    counts = dict(zip(task.labels, label_counts(train.labels, len(task.labels)), strict=True))
    absent = [name for name, count in counts.items() if not count]
    if absent:
        raise ContractBrokenError(
            f"no row of the train split has the label {' or '.join(map(repr, absent))}; there are "
            f"{', '.join(f'{count} {name}' for name, count in counts.items() if count)}: `labels` has a name too many, "
            "or the files write it in another way than `label_text` says"
        )
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def pair_order(subject: Subject) -> str:
    """The first text of a pair is the first, all the way from the file."""
    task = subject.task
    if len(task.inputs) == 1:
        return "one text a row"
    _check_numbers(task)
    for split, rows in subject.rows.items():
        first, second = rows.texts
        if first == second:
            raise ContractBrokenError(
                f"in the {split} split {task.inputs[0]} and {task.inputs[1]} hold the same texts; read each from a "
                "column of its own"
            )
        by_layout = _by_layout(subject).get(split)
        if by_layout and (first, second) == (by_layout.texts[1], by_layout.texts[0]):
            raise ContractBrokenError(
                f"its `load` has the texts of {task.inputs[1]} in the column {task.inputs[0]}, and the other way "
                "round; the `tsv` layout says which is which"
            )
    texts = [
        f"{column} {_short(column_texts[0])}" for column, column_texts in zip(task.inputs, rows.texts, strict=True)
    ]
    return f"the encoder reads {texts[0]}, then {texts[1]}"


def metrics(subject: Subject) -> str:
    """Each metric has its best value where every prediction is right."""
    from glueft.metrics import check_metrics, compute_metrics, known_metrics

    task = subject.task
    check_metrics(task.name, task.metrics, labels=len(task.labels), multi_label=task.multi_label)
    told: dict[str, float] = {}
    for split in task.validation_splits:
        rows = subject.rows[split]
        best_values = compute_metrics(
            task.metrics, rows.labels, rows.labels, labels=task.labels, positive_label=task.positive_index
        )
        told |= best_values
        for metric, best in best_values.items():
            wanted = known_metrics()[metric].best()
            if wanted is not None and abs(best - wanted) > 1e-6:
                raise ContractBrokenError(
                    f"{metric} of the {split} split is {best:g} even where every prediction is right: "
                    + _why_not_one(metric, task, rows)
                )
    return f"{', '.join(f'{metric} {best:g}' for metric, best in told.items())} where every prediction is right"


def same_rows(subject: Subject) -> str:
    """Loading again gives the same rows in the same order, also in another process with another hash seed."""
    first = {split: rows.sha256 for split, rows in subject.rows.items()}
    again = {split: rows.sha256 for split, rows in subject.load().items()}
    if again != first:
        raise ContractBrokenError(
            f"a second load gives other {_differing(first, again)} rows than the first, or another order of them; "
            "use random.Random(0) where chance is needed"
        )
    try:
        request = request_of(subject, "rows")
    except NotCheckedError:
        return "twice the same rows in the same order"
    other = ask_worker(request, "load the rows", PYTHONHASHSEED="20000601")
    if other != first:
        raise ContractBrokenError(
            f"another process loads other {_differing(first, other)} rows, or another order of them: `load` may "
            "iterate over a set, or over a folder's files unsorted"
        )
    return f"the same rows in the same order each time; SHA-256 of train {first['train'][:12]}"


def _by_layout(subject: Subject) -> dict[str, Rows]:
    """The rows as the `tsv` layout alone reads them; empty if that is how the task reads them anyway."""
    task = subject.task
    if type(task).load is Task.load or task.tsv is None or task.reads_own_files:
        return {}
    plain = type("Plain", (type(task),), {"load": Task.load, "__module__": type(task).__module__})
    try:
        return load_rows(plain(task.options), subject.source())
    except Exception:
        return {}  # The layout alone does not serve, which is why it has its own `load`.


def _compare_labels(split: str, rows: Rows, by_layout: Rows | None) -> None:
    if by_layout is None or rows.texts != by_layout.texts or not rows.label_names:
        return
    differing = [row for row in range(len(rows)) if rows.labels[row] != by_layout.labels[row]]
    if 2 * len(differing) > len(rows):
        row = differing[0]
        names = [rows.label_names[int(labels[row])] for labels in (rows.labels, by_layout.labels)]
        raise ContractBrokenError(
            f'its `load` calls row {row} of the {split} split "{names[0]}", which the `tsv` layout calls "{names[1]}": '
            "the labels are in another order than `labels`; give each row its label by name"
        )


def _check_numbers(task: Task) -> None:
    """`sentence1` comes before `sentence2`, here and in the names of the file's columns."""
    first, second = task.inputs
    if _number(first) > _number(second) > 0:
        raise ContractBrokenError(
            f'`inputs` are ("{first}", "{second}"), and the encoder would read {first} first; if that is meant, '
            "rename the columns"
        )
    mappings: list[tuple[str, Mapping[str, str | int]]] = []
    if task.tsv:
        for split in task.tsv.files:
            mappings += [(file.name, file.columns or {}) for file in task.tsv.candidates(split)]
    if task.hub:
        mappings.append((task.hub.path, task.hub.columns))
    for where, columns in mappings:
        theirs = [columns.get(first, first), columns.get(second, second)]
        if theirs[0] == theirs[1]:
            raise ContractBrokenError(f"{first} and {second} are both read from the column {theirs[0]!r} of {where}")
        numbers = [_number(column) if isinstance(column, str) else 0 for column in theirs]
        if 0 < _number(first) < _number(second) and numbers[0] > numbers[1] > 0:
            raise ContractBrokenError(
                f"{first} is read from the column {theirs[0]!r} of {where} and {second} from {theirs[1]!r}: they are "
                "crossed"
            )


def _number(name: str) -> int:
    """The number at either end of a name, as in `sentence2` and `#2 String`; 0 if it has none."""
    found = re.search(r"^\W*(\d+)|(\d+)\W*$", name)
    return int(found[1] or found[2]) if found else 0


def _why_not_one(metric: str, task: Task, rows: Rows) -> str:
    if not task.labels:
        return "all its scores are the same"
    there = [
        name for name, count in zip(task.labels, label_counts(rows.labels, len(task.labels)), strict=True) if count
    ]
    if task.multi_label:
        return f"no row has the label {' or '.join(repr(name) for name in task.labels if name not in there)}"
    positive = task.labels[task.positive_index]
    if metric == "f1" and positive not in there:
        return f'no row has the label "{positive}", which F1 is of'
    return f"its rows have {'the label' if len(there) == 1 else 'the labels'} {', '.join(there)} alone"


def _differing(first: Mapping[str, str], second: Mapping[str, str]) -> str:
    return " and ".join(sorted(split for split in {*first, *second} if first.get(split) != second.get(split)))


def _short(text: str, longest: int = 40) -> str:
    return f'"{text}"' if len(text) <= longest else f'"{text[: longest - 3]}..."'
