"""Plugins that are wrong, each in one way, and the words by which glueft tells of it."""

from __future__ import annotations

from dataclasses import dataclass

TASK = '''
import glueft

class Mood(glueft.Task):
    """Glad or sad: short sentences."""
    name = "{name}"
    inputs = ("sentence",)
    labels = ("sad", "glad")

    def load(self, source):
        import datasets
        def rows(names=("sad", "glad"), label=(0, 1, 0, 1), column="sentence"):
            features = {{column: datasets.Value("string"), "label": datasets.ClassLabel(names=list(names))}}
            texts = ["it rains", "the sun shines", "the milk is sour", "a friend came"]
            values = {{column: texts, "label": list(label)}}
            return datasets.Dataset.from_dict(values, features=datasets.Features(features))
        {load}

@glueft.hookimpl
def glueft_tasks():
    return [Mood]
'''


def task(name: str, load: str = "return datasets.DatasetDict(train=rows(), validation=rows())") -> str:
    """The source of a module with a task whose `load` ends in these statements."""
    return TASK.format(name=name, load=load)


def labels_out_of_range() -> str:
    """datasets itself refuses a ClassLabel of 2 among two; an integer column that is cast in the file does not."""
    return (
        "good = rows()\n"
        "        table = good.data.table.set_column(1, 'label', [[0, 1, 2, 1]])\n"
        "        bad = datasets.Dataset(datasets.table.InMemoryTable(table), info=good.info)\n"
        "        return datasets.DatasetDict(train=bad, validation=good)"
    )


@dataclass(frozen=True)
class Wrong:
    """A wrong plugin.

    Attributes:
        source: of its module.
        told: words of the sentence that tells of it.
        plugin: the name of its task, where that much is known.
        when_loaded: whether it shows only when the rows are loaded.
    """

    source: str
    told: str
    plugin: str | None = None
    when_loaded: bool = False


WRONG = {
    "raises-on-import": Wrong(
        "raise RuntimeError('no weights here')", "cannot be imported: RuntimeError: no weights here"
    ),
    "wrong-hook": Wrong(
        task("wrong-hook").replace("glueft_tasks", "glueft_tsaks"),
        'there is no hook "glueft_tsaks"; did you mean "glueft_tasks"?',
    ),
    "duplicate-name": Wrong(
        task("sst2"), 'glueft-duplicate-name and glueft each bring a task called "sst2"; uninstall one of them', "sst2"
    ),
    "no-docstring": Wrong(
        task("no-docstring").replace('"""Glad or sad: short sentences."""', ""),
        "class Mood needs a docstring: its first line is the description that users see",
        "no-docstring",
    ),
    "changeable-default": Wrong(
        task("changeable-default").replace(
            "    def load",
            "    class Options(glueft.Options):\n"
            "        words: list[str] = glueft.Field([], description='Words to keep.')\n\n    def load",
        ),
        "an option's default must be immutable; in class Mood, `words` has []: give a tuple",
        "changeable-default",
    ),
    "label-order": Wrong(
        task("label-order", "return datasets.DatasetDict(train=rows(('glad', 'sad')), validation=rows())"),
        'the labels of the train split of the task "label-order" (glueft-label-order 1.0) are in another order than',
        "label-order",
        when_loaded=True,
    ),
    "generator": Wrong(
        task("generator", "yield from rows()"),
        'the task "generator" (glueft-generator 1.0) did not load a DatasetDict of Datasets',
        "generator",
        when_loaded=True,
    ),
    "label-range": Wrong(
        task("label-range", labels_out_of_range()),
        'labels of the train split of the task "label-range" (glueft-label-range 1.0) are out of range',
        "label-range",
        when_loaded=True,
    ),
    "missing-column": Wrong(
        task("missing-column", "return datasets.DatasetDict(train=rows(column='text'), validation=rows())"),
        'the train split of the task "missing-column" (glueft-missing-column 1.0) has no column "sentence"',
        "missing-column",
        when_loaded=True,
    ),
    "hangs": Wrong("import time\ntime.sleep(3600)", "its import did not finish within 2 s"),
}
