"""A finished run, for Python and notebooks: its numbers as data frames, its model, and what is made of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import DataError
from glueft.recipe.overrides import Overrides, as_texts
from glueft.runs.answers import result_names
from glueft.runs.predictions import Predictions, value_of
from glueft.runs.run import Run
from glueft.suggest import did_you_mean
from glueft.system.console import for_notebook, unbroken
from glueft.system.quiet import captured_stderr, hush_libraries
from glueft.terminal.python_words import for_python
from glueft.text import score_text
from glueft.training.engine_choice import AUTO

if TYPE_CHECKING:
    import keras
    import pandas

    from glueft.inference.explanation import Explainer
    from glueft.inference.predictor import SavedModel
    from glueft.inference.text_columns import TextChoice
    from glueft.inference.texts import Texts
    from glueft.push.push import Pushed
    from glueft.report.write import Written
    from glueft.terminal.notebook import Content, ExplainedRow
    from glueft.training.observers import RunProgress
    from glueft.training.text_model import TextModel


class Result:
    """A finished run: what `glueft.run` and `glueft.load_run` return.

    Its files are read when they are asked for, its model when it is first needed; the model then stays loaded. Each
    method raises a GlueftError where what it needs is missing or broken.
    """

    def __init__(
        self,
        run: Run,
        text_model: TextModel | None = None,
        *,
        plugins: Sequence[str] = (),
        trust: bool = False,
        backend: str = AUTO,
        precision: str | None = None,
    ) -> None:
        self._run = run
        self._plugins: dict[str, Any] = {"plugins": plugins, "trust": trust}
        self._computed: dict[str, Any] = {"backend": backend, "precision": precision}
        self._evaluated: SavedModel | None = None  # the model of the newest evaluation,
        self._program: tuple[Any, Any] | None = None  # and what it has compiled, beside what was asked for
        if text_model is not None:
            self.__dict__["_text_model"] = text_model  # Where `cached_property` keeps it.

    @classmethod
    def open(
        cls, folder: str | Path, *, plugins: Sequence[str] = (), trust: bool = False, **computed: str | None
    ) -> Result:
        """Open the folder of a finished run; `computed` are `backend` and `precision` of `load_saved_model`.

        Raises:
            RunFolderError: this is no run folder, or the run is not done.
        """
        run = Run.open(folder, plugins=plugins, trust=trust)
        return cls(run, plugins=plugins, trust=trust, **computed)  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the folder and not what was read of it: the copy opens it again, and loads a model of its own."""
        return partial(Result.open, self.folder, **self._plugins, **self._computed), ()

    def __repr__(self) -> str:
        record = self._run.record
        scores = [f"{name} {score_text(value)}" for name, value in record.metrics.items()]
        return f"Result({self.folder.name}: {', '.join(scores)})"

    def _repr_html_(self) -> str:
        """In a notebook: the metrics, what the run warned of, and its folder."""
        from glueft.terminal.result_tables import lines_to_copy, result_tables

        record = self._run.record
        *numbers, facts = result_tables(record, 80)
        told = for_notebook(*numbers, *record.remarks, facts, *map(unbroken, lines_to_copy(record, facts)))
        return told["text/html"]

    # What the run has left.

    @property
    def folder(self) -> Path:
        """The run folder, absolute."""
        return self._run.folder

    @property
    def record(self) -> dict[str, Any]:
        """A copy of run.json."""
        return self._run.record.as_dict()

    @property
    def model(self) -> keras.Model:
        """The fine-tuned Keras classifier."""
        return self._text_model.classifier

    @property
    def metrics(self) -> pandas.DataFrame:
        """The metrics, a row for each split and metric: `run.metrics.loc[("validation", "accuracy"), "value"]`.

        The columns are `value`; `low` and `high`, its 95 % interval; and `baseline`, what always the same answer gets
        on the same rows. What the run has not recorded is NaN.
        """
        import pandas

        record = self._run.record
        baselines = record.all_baselines()
        rows = {
            (split, name): (
                value,
                *record.intervals.get(split, {}).get(name, (None, None)),
                baselines.get(split, {}).get(name),
            )
            for split, metrics in record.shown_metrics().items()
            for name, value in metrics.items()
        }
        index = pandas.MultiIndex.from_tuples([*rows], names=["split", "metric"])
        columns = ["value", "low", "high", "baseline"]
        return pandas.DataFrame([*rows.values()], index=index, columns=columns, dtype=float)

    @property
    def per_label(self) -> pandas.DataFrame:
        """How well each label is predicted, a row for each split and label.

        The columns are precision, recall, f1, support, the rows that have it, and predicted, those predicted as it.
        There are no rows in regression, nor of a run that has not recorded them.
        """
        import pandas

        found = self._run.record.label_scores
        rows = {(split, label): dict(scores) for split, labels in found.items() for label, scores in labels.items()}
        index = pandas.MultiIndex.from_tuples([*rows], names=["split", "label"])
        columns = ["precision", "recall", "f1", "support", "predicted"]
        return pandas.DataFrame([*rows.values()], index=index, columns=columns)

    @property
    def history(self) -> pandas.DataFrame:
        """The evaluations while the model trained, a row each.

        The columns are epoch, step, loss, validation_loss, the metrics and seconds. A metric that is called as another
        column has the name `metric_...`.
        """
        import pandas

        lines = [line for line in self._run.history() if line["kind"] in ("epoch", "mid_epoch")]
        first, last = ["epoch", "step", "loss", "validation_loss"], ["seconds"]
        names = {name: _free(name, {*first, *last}, "metric_") for name in (lines[0]["metrics"] if lines else ())}
        rows = [
            {key: line[key] for key in (*first, *last)}
            | {column: line["metrics"][name] for name, column in names.items()}
            for line in sorted(lines, key=lambda line: int(line["step"]))
        ]
        return pandas.DataFrame(rows, columns=[*first, *names.values(), *last])

    @property
    def steps(self) -> pandas.DataFrame:
        """The training, a row for each step that was logged: step, loss, learning_rate."""
        import pandas

        columns = ["step", "loss", "learning_rate"]
        lines = [{key: line[key] for key in columns} for line in self._run.history() if line["kind"] == "step"]
        return pandas.DataFrame(lines, columns=columns)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the run has left predictions of."""
        return self._run.splits()

    @for_python
    def predictions(self, split: str | None = None, *, texts: bool = False) -> pandas.DataFrame:
        """Return the predictions that the run has left of a split, a row each, in the order of its rows.

        The columns are `id`, `label`, the reference, None for an unlabelled row, `prediction`, and
        `probability_<label>` for each label; in regression label and prediction are numbers, and there are no
        probabilities. In a multi-label task label and prediction are lists of labels.

        Args:
            split: its name; the primary split if None.
            texts: put the texts of the rows beside them, in columns of the names of the task's inputs. They are read
                from where the run had them.

        Raises:
            DataError: the run has left no predictions of this split, or the texts cannot be read.
            RunFolderError: the file is missing or broken.
        """
        import pandas

        split, found = self._predicted(split)
        labels, predictions = self._values(found.labels), self._values(found.predictions)
        columns: dict[str, Any] = {"id": [*map(int, found.ids)], "label": labels, "prediction": predictions}
        for place, name in enumerate(self._run.labels):
            columns[f"probability_{name}"] = found.probabilities[:, place]
        if texts:
            columns = self._texts(split, columns) | columns
        frame = pandas.DataFrame(columns)
        return frame[["id", *(name for name in frame if name != "id")]]

    def _predicted(self, split: str | None) -> tuple[str, Predictions]:
        """The name of a split, the primary one if None, and what the run has predicted of it."""
        split = self._run.record.primary_split if split is None else split
        if split not in self.splits:
            near = did_you_mean(str(split), self.splits).strip()
            raise DataError(
                f"{self.folder.name} has left no predictions of {split!r}",
                expected=f"one of its splits: {', '.join(self.splits) or 'it has left none'}",
                received=repr(split),
                fix=near or f"name one of them; rows that the run did not predict: run.evaluate({split!r})",
            )
        return split, self._run.predictions(split)

    def _values(self, cells: list[str]) -> list[Any]:
        """The cells of a predictions file as values."""
        labels, multi_label = self._run.labels, self._run.record.multi_label
        return [value_of(cell, labels, multi_label=multi_label) for cell in cells]

    def _texts(self, split: str, taken: Container[str]) -> dict[str, list[str]]:
        """The texts of a split by the names of their columns."""
        from glueft.page.texts import read_texts

        found = read_texts(self._run, split)
        if found.missing:
            raise DataError(
                f"{self.folder.name}: {found.missing}",
                expected=f"the {split} rows of the run, where it read them",
                received="other rows, or none",
                fix="put the rows back; or leave texts=True out, and give `explain` the text itself",
            )
        return {_free(name, taken, "text_"): column for name, column in zip(found.columns, found.texts, strict=True)}

    # What its model says of other rows.

    @cached_property
    def _text_model(self) -> TextModel:
        return self._load(self._run, **self._computed)

    def _load(self, run: Run, **how: Any) -> SavedModel:
        """Load the run's model as `load_run_model` does, with the weights of one that is loaded already if they fit."""
        hush_libraries()
        from glueft.inference.predictor import SavedModel, load_run_model

        explainer = self.__dict__.get("_explainer")
        kept = (self.__dict__.get("_text_model"), explainer and explainer.saved, self._evaluated)
        return load_run_model(run, **how, loaded=[model for model in kept if isinstance(model, SavedModel)])

    @cached_property
    def _choice(self) -> TextChoice:
        from glueft.inference.text_columns import TextChoice

        task = self._run.task_description
        return TextChoice(task.inputs, task.table_layout, task)

    @for_python
    def predict(
        self, texts: Texts, pairs: str | Iterable[str] | None = None, *, progress: bool | None = None
    ) -> pandas.DataFrame:
        """Predict texts, a row each, as `glueft predict` does. The model stays loaded: the next call is quick.

        Args:
            texts: a list of texts, or one text; where the task has pairs, the first text of each row, or without
                `pairs` both of each row.
            pairs: the second text of each row.
            progress: whether to show how far the rows are; in a notebook by default.

        Returns:
            The texts, `label` and `probability_<label>` for each label, or in regression `score`. In a multi-label
            task `label` is a list. The index is that of `texts`, or of `pairs`, where it is a pandas Series: the
            columns can be put beside it.

        Raises:
            DataError: a text is missing or is none; nothing is predicted.
            TrainingError: a logit is not a finite number.
        """
        import pandas

        from glueft.inference.texts import answer_all, checked, rows_of
        from glueft.terminal.notebook import counted_rows

        rows = rows_of(texts, pairs, self._choice)
        chunks = checked(rows)
        model = self._text_model
        with counted_rows(progress, len(rows.texts)) as model.on_rows:
            try:
                answers = answer_all(model, chunks)
            finally:
                model.on_rows = None
        if answers.truncated:
            warnings.warn(
                f"{answers.truncated:,} of {len(rows.texts):,} texts cut to the first {model.max_length} tokens, "
                "all that this model reads",
                stacklevel=3,  # the caller of what `for_python` returns
            )
        names = result_names(model.labels, rows.columns)
        cells = [answers.labels] * bool(model.labels) + [*answers.probabilities.T]
        read = [[row[place] for row in rows.texts] for place in range(len(rows.columns))]
        index = next((given.index for given in (texts, pairs) if isinstance(given, pandas.Series)), None)
        return pandas.DataFrame(dict(zip([*rows.columns, *names], [*read, *cells], strict=True)), index=index)

    @for_python
    def explain(
        self,
        text: str | Sequence[str] | None = None,
        pair: str | None = None,
        *,
        row: int | None = None,
        split: str | None = None,
        label: str | None = None,
    ) -> ExplainedRow:
        """Tell how much each word adds to the logit of a label, by integrated gradients, as `glueft explain` does.

        The words are compared with blanks: the scores of all words sum up to the difference of the two logits. The
        model computes in float32; one in another precision is loaded beside it.

        Args:
            text: one text; where the task has pairs, the first one, or both.
            pair: the second text.
            row: instead of texts, a row that the run has predicted, by its `id` in `predictions`.
            split: of that row; the primary split if None.
            label: whose logit it is; that of the prediction if None.

        Returns:
            What `glueft explain --json` prints of a row, a dict, with the data frames `words` and `tokens`; a notebook
            shows the words in colour.

        Raises:
            DataError: there is no such row or label, its texts cannot be read, or a text is missing or is none.
        """
        from glueft.inference.explanation import row_heading
        from glueft.inference.printing import answer_lines, answer_object
        from glueft.inference.texts import checked, rows_of
        from glueft.terminal.notebook import ExplainedRow

        if (text is None) == (row is None):
            raise DataError(
                "there is nothing to explain" if text is None else "a text and a row contradict each other",
                expected='one of them: run.explain("A text."), or run.explain(row=0)',
                received="neither" if text is None else "both",
                fix="give one of them",
            )
        told: dict[str, Any] = {}
        if row is not None:
            told, texts = self._row(row, split)
        else:
            both = pair is None and isinstance(text, list | tuple) and len(self._choice.inputs) == 2
            (chunk,) = checked(rows_of([text] if both else text, pair, self._choice))  # type: ignore[arg-type,list-item]
            texts = [column[0] for column in chunk.texts]
            if len(chunk) != 1:
                raise DataError(
                    "these are several rows",
                    expected='the text of one row: run.explain("A text.")',
                    received=f"{len(chunk)} rows",
                    fix="explain them one by one",
                )
        explainer = self._explainer
        model = explainer.saved
        answers, (found,) = explainer.explain([[one] for one in texts], label)
        heading = [*([row_heading(told)] if told else []), *answer_lines(answers, model.labels)]
        told |= answer_object(answers, model.labels, tuple(texts), 0)
        return ExplainedRow(told, found, self._choice.inputs, heading)

    def _row(self, number: int, split: str | None) -> tuple[dict[str, Any], list[str]]:
        """What is known of a predicted row, and its texts."""
        from glueft.inference.explanation import told_of_row

        split, found = self._predicted(split)
        if not 0 <= number < len(found.ids):
            raise DataError(
                f"{split} has no row {number:,}",
                expected=f"a number from 0 to {len(found.ids) - 1:,}",
                received=f"row={number}",
                fix="correct the number",
            )
        texts = [column[number] for column in self._texts(split, ()).values()]
        return told_of_row(self._run, found, split, number), texts

    @cached_property
    def _explainer(self) -> Explainer:
        """Of a model in float32: the one that predicts, where it is. Its compiled programs serve all labels."""
        from glueft.inference.explanation import Explainer
        from glueft.inference.predictor import SavedModel

        loaded = self.__dict__.get("_text_model")  # if it has been needed
        if isinstance(loaded, SavedModel) and loaded.precision == "float32":
            return Explainer(loaded)
        return Explainer(self._load(self._run, backend=self._computed["backend"], precision="float32"))

    @for_python
    def evaluate(
        self,
        splits: str | Iterable[str] = (),
        overrides: Overrides = (),
        *,
        data_dir: str | Path | None = None,
        sample: bool = False,
        progress: RunProgress | bool | None = None,
        verbose: bool = False,
    ) -> Content:
        """Evaluate the model again, as `glueft evaluate` does. Nothing is written.

        It is the saved model, with the backend and precision of `load_run` unless `overrides` name others. It stays
        loaded: the next call is quick.

        Args:
            splits: "validation", "test", "train" or the name of one; those of the run if empty.
            overrides: changes of the run's recipe, as for `glueft.run`: {"task.test": "holdout.csv"}.
            data_dir: read the rows from this folder, in the benchmark's own layout.
            sample: read the rows that ship with the task.
            progress: whether to show the phases; in a notebook by default.
            verbose: show the log lines of libraries.

        Returns:
            What `glueft evaluate --json` prints: `metrics_by_split` and more.

        Raises:
            GlueftError: the rows cannot be read or have no labels.
        """
        from glueft.inference.evaluate import evaluate_run
        from glueft.terminal.evaluation_table import evaluation_tables
        from glueft.terminal.notebook import Content, progress_of

        computed: dict[str, Any] = {
            f"engine.{key}": value for key, value in self._computed.items() if value is not None
        }
        chosen = [splits] if isinstance(splits, str) else [*splits]
        changes = [*as_texts(computed), *as_texts(overrides)]
        rows: dict[str, Any] = {"data_dir": None if data_dir is None else str(data_dir), "sample": sample}
        with self._as_loaded((chosen, changes, rows)) as load:
            found = evaluate_run(
                self._run,
                chosen,
                changes,
                **rows,
                progress=progress_of(progress),
                verbose=verbose,
                load=load,
                **self._plugins,
            )
        scores = ", ".join(f"{name} {score_text(value)}" for name, value in found["metrics"].items())
        return Content(found, f"evaluation of {self.folder.name}, {found['split']}: {scores}", evaluation_tables)

    @contextmanager
    def _as_loaded(self, asked: Any) -> Iterator[Callable[..., SavedModel]]:
        """Yield what loads the model of an evaluation: one that has computed nothing else, to the last digit.

        TensorFlow's program for the first shape of rows differs from that for later ones. So an evaluation has its own,
        which stays for the next one, where that asks for the same.
        """
        borrowed: list[tuple[SavedModel, Any]] = []

        def load(run: Run, **how: Any) -> SavedModel:
            before, self._evaluated = self._evaluated, self._load(run, **how)
            same = before is not None and before.classifier is self._evaluated.classifier
            program = self._program[1] if self._program and self._program[0] == asked and same else None
            borrowed.append((self._evaluated, self._evaluated.classifier.exchange_program(program)))
            return self._evaluated

        try:
            yield load
        finally:
            for model, program in borrowed:
                self._program = asked, model.classifier.exchange_program(program)

    # What is made of it.

    @for_python
    def report(
        self, output: str | Path | None = None, *, force: bool = False, data_dir: str | Path | None = None
    ) -> Written:
        """Write the report, one HTML page, as `glueft report` does.

        Args:
            output: the file; report.html in the run folder if None, which is written anew.
            force: overwrite another file that exists.
            data_dir: where the rows are, if not where the run had them.

        Returns:
            An object with the `path` of the page.

        Raises:
            RunFolderError: the file exists already, or cannot be written.
        """
        from glueft.report.write import write_report

        return write_report(self.folder, output, data_dir=data_dir, force=force or output is None, **self._plugins)

    @for_python
    def export(self, folder: str | Path, format: str = "transformers", *, force: bool = False) -> dict[str, Any]:  # noqa: A002
        """Write the model in the format of another program, as `glueft export` does.

        Args:
            folder: where to; it must not exist yet.
            format: "transformers", "keras", "saved_model" or "onnx".
            force: replace an earlier export.

        Returns:
            What `glueft export --json` prints.

        Raises:
            ExportError: the format cannot be written here, or there is something in the place.
        """
        from glueft.export.formats import find_format
        from glueft.export.place import refuse_taken
        from glueft.files import expanded

        form = find_format(format)
        form.refuse_if_unwritable()
        place = expanded(folder).resolve()
        refuse_taken(place, force=force, source=self.folder)
        hush_libraries()
        from glueft.inference.predictor import load_saved_model

        saved = load_saved_model(self.folder, backend=form.backend, **self._plugins)
        with captured_stderr():
            from glueft.export.exporter import export

            return export(saved, place, form, force=force)

    @for_python
    def push(
        self,
        repository: str,
        *,
        private: bool = False,
        revision: str | None = None,
        force: bool = False,
        license: str | None = None,  # noqa: A002
        language: str | None = None,
    ) -> Pushed:
        """Push the model, its card, the recipe and the numbers to the hub, as `glueft push` does.

        Args:
            repository: USER/NAME; made if it does not exist.
            private: make a new repository private, and refuse one that is public.
            revision: the branch; the main one if None.
            force: replace a model and card that glueft has not pushed.
            license, language: for the card, as the hub names them; those of the recipe's [hub], or else of what is
                known of checkpoint and task, if None.

        Returns:
            An object with `url` and `commit`.

        Raises:
            HubError: the hub cannot be asked, or refuses.
        """
        from glueft.push.push import Target, push_run
        from glueft.push.record import note_push

        target = Target(repository, private=private, revision=revision, force=force, license=license, language=language)
        hush_libraries()
        run = Run.open(self.folder, **self._plugins)  # run.json as it is now: the push is added to it
        pushed = push_run(run, target)
        note_push(run, pushed, lambda line: warnings.warn(line, stacklevel=2))
        self._run = run
        return pushed


def _free(name: str, taken: Container[str], prefix: str) -> str:
    """A name for a column, with a prefix if it is taken."""
    return prefix + name if name in taken else name
