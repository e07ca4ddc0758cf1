"""Trains a run again as its recipe says, and compares every stage with what the run has recorded."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import CheckpointError, DataError, OutputError, RunFolderError
from glueft.plugin.attribution import attributed_built
from glueft.plugin.build import build
from glueft.recipe.draft import only_watches
from glueft.recipe.flatten import flatten
from glueft.recipe.sections import RUN
from glueft.reproduce.follower import EnoughError, Follower
from glueft.reproduce.original import Original
from glueft.reproduce.results import compare_results
from glueft.reproduce.stages import STAGES, Comparison, Unequal
from glueft.runs.environment import RECORDED_PACKAGES, describe_host
from glueft.runs.public_record import LEFT_OUT, is_local
from glueft.runs.run import Run
from glueft.system.interruption import at_the_end, forget
from glueft.system.process_identity import process_mark, process_mark_is_alive
from glueft.system.quiet import captured_stderr, hush_libraries
from glueft.training.backend import import_backend, use_backend
from glueft.training.engine_choice import RunEngine
from glueft.training.fingerprints import (
    LOCAL_PATH,
    Difference,
    differing,
    fingerprints,
    recorded_fingerprints,
    settings_in_numbers,
)
from glueft.training.installed_backends import PIP, is_installed
from glueft.training.machine import SWITCHES
from glueft.training.observers import Training
from glueft.training.recorder import Recorder
from glueft.training.session import Session, read_session

if TYPE_CHECKING:
    from glueft.plugin.registry import Registry
    from glueft.recipe import Recipe
    from glueft.runs.record import Record
    from glueft.training.observers import RunProgress

_PREFIX = "glueft-reproduce-"
# Stages of the inputs by the parts of the fingerprints that they compare.
_PARTS = {
    "versions": ("versions", "plugins"),
    "machine": ("engine", "machine"),
    "rows": ("rows",),
    "tokens": ("tokens",),
    "checkpoint": ("checkpoint", "teacher"),
    "batches": ("batches",),
}


def reproduce(
    path: str,
    overrides: Sequence[str] = (),
    *,
    progress: RunProgress,
    data_dir: str | None = None,
    checkpoint: str | None = None,
    plugins: Sequence[str] = (),
    trust: bool = False,
    steps: int | None = None,
    verbose: bool = False,
) -> dict[str, Any]:
    """Train a run again and compare. Other recipe, rows, tokens, checkpoint or batches end it before the training.

    Callbacks take part unless they only watch; what they write goes to a temporary folder.

    Args:
        path: a run folder or a receipt.
        overrides, data_dir, checkpoint, plugins, trust: as in `Original.load_recipe`.
        progress: shows the training, and each stage as it is passed.
        steps: stop after so many optimizer steps; None for the whole run.
        verbose: let the libraries' own log lines through.

    Returns:
        What `glueft reproduce --json` prints: `run`, as it was named; `equal`, whether all that was compared is the
        same to the last bit, other versions and another machine aside; `first_difference`, the first stage that differs
        at all, None if none does; `stages`, see `Stage`; `explanations`, lines; `steps`, the optimizer steps that were
        trained; `num_train_steps`, those of all epochs; the `summary` in a sentence.

    Raises:
        GlueftError: it is no finished run, or its recipe, rows or checkpoint cannot be had here.
        OutputError: there is no room for temporary files.
    """
    if not verbose:
        hush_libraries()
    original = Original.open(path)
    before = recorded_fingerprints(original.record)
    recipe = original.load_recipe(overrides, data_dir=data_dir, checkpoint=checkpoint, plugins=plugins, trust=trust)
    comparison = Comparison(progress.say)
    _compare_recipe(comparison, before["recipe"], original.written_recipe(), recipe, overrides)
    if comparison.first is not None:
        return _result(original, comparison, None)
    _refuse_missing_places(recipe)
    computed = original.record.engine
    engine = RunEngine(computed.backend, computed.precision, computed.widths, computed.training_widths)
    use_backend(recipe.engine.backend, engine)
    with nullcontext() if verbose else captured_stderr():
        import_backend()
    session = read_session(recipe, progress, run=engine)
    for line in session.rows_texts():
        progress.inform(line)
    _compare_inputs(comparison, original.record, before, session)
    if comparison.first is not None:
        return _result(original, comparison, session)
    if steps is not None and steps >= session.batches.num_train_steps:
        steps = None
    predictions = {split: original.predictions(split, session.labels) for split in session.evaluation}
    with _temporary_folder() as folder:
        follower = Follower(original.history, comparison, steps)
        training = _train(session, folder, follower, progress, original.record, quiet=not verbose)
        follower.finish()
        if training is not None:
            compare_results(comparison, original, predictions, training, folder, progress)
    return _result(original, comparison, session, follower.step_now)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Make a folder in the place of a run's own, and remove it at the end; those of processes that were killed too.

    Raises:
        OutputError: a file in it cannot be written.
    """
    for left_over in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        mark = left_over.name.removeprefix(_PREFIX).rpartition(".")[0]
        if process_mark_is_alive(mark) is False:
            shutil.rmtree(left_over, ignore_errors=True)
    temporary = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{process_mark()}.", ignore_cleanup_errors=True)
    at_the_end(temporary.cleanup)
    try:
        with temporary:
            yield Path(temporary.name)
    except RunFolderError as error:
        raise OutputError(
            error.message,
            expected="room for a model and its history among the temporary files",
            received=error.received,
            fix="make room, or have these files in another folder: TMPDIR=DIR glueft reproduce ...",
        ) from None
    finally:
        forget(temporary.cleanup)


def _refuse_missing_places(recipe: Recipe) -> None:
    """Raise if a folder or file that the run has read is gone: the user may know where it is now."""
    folder, checkpoint = recipe.data.folder, recipe.model.checkpoint
    if recipe.data.source == "folder" and folder is not None and not Path(folder).exists():
        raise DataError(
            "the folder of the run's rows is gone",
            expected="the files that the run has read",
            received=f"nothing at {folder}",
            fix="name the folder where they are now: --data-dir DIR",
        )
    for key, value in flatten({"task": recipe.tables()["task"]}).items():
        files = value if isinstance(value, list) else [value]
        gone = [
            file for file in files if isinstance(file, str) and Path(file).is_absolute() and not Path(file).exists()
        ]
        if gone:
            raise DataError(
                "a file of the run's rows is gone",
                expected="the files that the run has read",
                received=f"nothing at {', '.join(gone)}",
                fix=f"name the file where it is now: --set {key}=FILE",
            )
    named = [("checkpoint", "that the run has begun with", checkpoint, "--checkpoint ")]
    if recipe.distill is not None:
        named.append(("teacher", "of the teacher", recipe.distill.teacher, "--set distill.teacher="))
    for what, which, name, option in named:
        place = Path(name.removeprefix(RUN))
        if place.is_absolute() and not place.exists():
            raise CheckpointError(
                f"the {what} of the run is gone",
                expected=f"the folder {which}",
                received=f"nothing at {place}",
                fix=f"name the folder where it is now: {option}{RUN * name.startswith(RUN)}DIR",
            )


def _compare_recipe(
    comparison: Comparison,
    recorded: Mapping[str, Any],
    written: Mapping[str, Any],
    recipe: Recipe,
    overrides: Sequence[str],
) -> None:
    """Compare the settings with those that the run has recorded; earlier runs have only their recipe.toml.

    Args:
        comparison: gets the stage.
        recorded: by the run.
        written: the tables of recipe.toml.
        recipe: the one that is trained now.
        overrides: those of the command line.
    """
    run = _taking_part(recorded or settings_in_numbers(written), recipe.registry)
    given = {*flatten(written)} | _named(overrides)
    found = differing({"recipe": run}, {"recipe": settings_in_numbers(recipe.tables())}, ["recipe"])
    # A later glueft has more settings than the run, with defaults that are what the run did.
    found = [each for each in found if not _is_hidden(each) and (each.before is not None or each.what in given)]
    comparison.add("recipe", [*map(Unequal.of, found)], status=None if recorded or found else "unknown")


def _taking_part(settings: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """The recorded settings without the callbacks that only watch."""
    callbacks = settings.get("callbacks")
    if not isinstance(callbacks, list):
        return dict(settings)
    names = [table.get("plugin") if isinstance(table, dict) else None for table in callbacks]
    kept = [table for name, table in zip(names, callbacks, strict=True) if not only_watches(name, registry)]
    others = {key: value for key, value in settings.items() if key != "callbacks"}
    return others | ({"callbacks": kept} if kept else {})


def _named(overrides: Sequence[str]) -> set[str]:
    return {override.partition("=")[0].strip() for override in overrides}


def _is_hidden(difference: Difference) -> bool:
    """Whether the run's value is one that its record or receipt does not tell."""
    values = difference.before if isinstance(difference.before, list) else [difference.before]
    return any(
        isinstance(value, str) and (LOCAL_PATH in value or LEFT_OUT in value or is_local(value)) for value in values
    )


def _compare_inputs(comparison: Comparison, record: Record, before: Mapping[str, Any], session: Session) -> None:
    system = (record.host.system, describe_host().system)
    now = fingerprints(session)
    backend = now["engine"]["backend"]
    for stage, parts in _PARTS.items():
        found = [Unequal.of(each, _fix(each, backend)) for each in differing(before, now, parts)]
        # Its C library computes exp and log. A resumed run does not look at it: the nodes of a cluster differ in it.
        if stage == "machine" and system[0] not in (None, system[1]):
            found.append(Unequal("system", *system))
        known = any(before[part] for part in parts)
        counts = {name: len(session.rows[name]) for name in session.encoded} if stage == "rows" else {}
        compared = ", ".join(f"{rows:,} {name}" for name, rows in counts.items())
        comparison.add(stage, found, compared=compared, status=None if known else "unknown")


def _compare_devices(comparison: Comparison, record: Record, session: Session) -> None:
    """Tell where another number of devices shares out the batches, or the teacher's logits are others: last digits.

    The session is loaded.
    """
    for difference in differing(recorded_fingerprints(record), fingerprints(session), ["teacher_logits"]):
        comparison.extend("machine", Unequal.of(difference))
    before = None if record.engine.devices is None else record.engine.devices.count
    now = None if session.devices is None else session.devices.count
    if None not in (before, now) and before != now:
        comparison.extend("machine", Unequal("devices", before, now))


def _fix(difference: Difference, backend: str) -> str:
    """How to have what the run had; empty where that is not a matter of a command.

    A record may come from anybody, and this is printed as a command.
    """
    before = difference.before
    if difference.part == "versions" and difference.what in RECORDED_PACKAGES:
        return f"pip install {shlex.quote(f'{difference.what}=={before}')}"
    if difference.part == "engine" and difference.what == "backend" and before in SWITCHES:
        return f"KERAS_BACKEND={before}" if is_installed(before) else PIP[before]
    threads = {"intra_op_threads": "TF_NUM_INTRAOP_THREADS", "inter_op_threads": "TF_NUM_INTEROP_THREADS"}
    if difference.what in threads:
        return f"{'NPROC' if backend == 'jax' else threads[difference.what]}={before}"
    switch = difference.what.removeprefix("switches.")
    if switch in SWITCHES.get(backend, ()):
        return f"unset {switch}" if before is None else f"{switch}={shlex.quote(str(before))}"
    return ""


def _train(
    session: Session, folder: Path, follower: Follower, progress: RunProgress, record: Record, *, quiet: bool
) -> Training | None:
    """Train, with the recipe's callbacks as in a run; return None if it was ended after some steps."""
    # As a run has it, for callbacks; nothing of it is kept.
    run = Run.of(session.recipe, folder, progress.say)
    run.record.update(session.describe_rows())
    with progress.phase("model"), captured_stderr() if quiet else nullcontext():
        from glueft.training import engine
        from glueft.training.teacher_logits import ask_teacher

        ask_teacher(session, None, progress)
        session.load()
        from glueft.training.attributed_callback import AttributedCallback
        from glueft.training.model_in_training import ModelInTraining

        run.attach(ModelInTraining(session))
        run.record.update(session.describe_model())
        callbacks = [
            AttributedCallback(callback, build(callback, run.for_plugins)) for callback in session.recipe.callbacks
        ]
    _compare_devices(follower.comparison, record, session)
    with suppress(EnoughError), attributed_built(*session.plugins_at_work):
        return engine.train(session, [progress, Recorder(run), follower], callbacks)
    return None


def _result(original: Original, comparison: Comparison, session: Session | None, steps: int = 0) -> dict[str, Any]:
    """What `reproduce` returns; `steps` were trained. Without a session the rows were not read."""
    comparison.leave_out(STAGES)
    first = comparison.first
    planned = session.batches.num_train_steps if session is not None else original.record.num_train_steps
    return {
        "run": original.name,
        "equal": first is None,
        "first_difference": next((each.stage for each in comparison.stages if each.status == "different"), None),
        "stages": comparison.as_json(),
        "explanations": [*_explanations(original, comparison, session)],
        "steps": steps,
        "num_train_steps": planned,
        "summary": _summary(comparison, steps, planned),
    }


def _explanations(original: Original, comparison: Comparison, session: Session | None) -> Iterator[str]:
    """What explains the first difference, or what could have made one."""
    first = None if comparison.first is None else comparison.first.stage
    if first == "recipe":
        yield "the recipe was changed after the run, or the command line changes it"
    elif first == "rows" and session is not None:
        yield _places("the rows", _source(original.record.data.as_dict()), _source(session.provenance))
    elif first == "checkpoint" and session is not None:
        then, now = original.record.checkpoint, session.checkpoint
        what, before = "the checkpoint", then.as_dict()
        taught = original.record.distillation
        if then.sha256 == now.fingerprints and taught is not None and session.teacher is not None:
            what, before, now = "the teacher", {**taught.as_dict(), "name": taught.teacher}, session.teacher.checkpoint
        yield _places(what, _source(before), _source({"name": now.name, "revision": now.revision}))
    else:
        known = [] if comparison.first is None else [each.why for each in comparison.first.differences if each.why]
        found = [*known, *comparison.explanations(), *(_changes_midway(original.record) if first is not None else ())]
        yield from found
        if first is not None and not found:
            yield (
                "nothing that the run has recorded explains it; what is not recorded can: a plugin that draws numbers "
                "of its own, another processor of the same name, or weights and files that changed meanwhile"
            )


def _changes_midway(record: Record) -> Iterator[str]:
    """The versions that changed where the run was resumed."""
    for part, later in pairwise(record.parts):
        for name, version in part.versions.items():
            now = later.versions.get(name, "none")
            if version != now:
                yield f"version of {name}: {version} until the run was resumed at step {later.from_step:,}, then {now}"


def _places(what: str, then: str, now: str) -> str:
    if then == now:
        return f"{what} in the same place ({now}) changed after the run"
    return f"{what} came from {now}; in the run from {then}"


def _source(data: Mapping[str, Any]) -> str:
    """Where rows or a checkpoint came from: `hub, nyu-mll/glue, mrpc`, or `folder, glue_data/MRPC`."""
    keys = ("name", "source", "dataset", "config", "revision", "folder", "package", "files")
    known = flatten({key: data[key] for key in keys if data.get(key)})
    return ", ".join(str(value) for key, value in known.items() if not key.endswith("sha256"))


def _summary(comparison: Comparison, steps: int, planned: int | None) -> str:
    first = comparison.first
    unknown = [STAGES[each.stage] for each in comparison.stages if each.status == "unknown"]
    also = f"; not compared, for the run has not recorded it: {', '.join(unknown)}" if unknown else ""
    if first is not None:
        trained = "" if steps else "; nothing was trained"
        return f"different: {first.differences[0]}{trained}{also}"
    beside = [each.what for stage in comparison.stages for each in stage.differences]
    though = f", with another {', '.join(beside)}" if beside else ""
    if any(stage.status == "not reached" for stage in comparison.stages):
        return f"equal to the last bit as far as it goes: {steps:,} of {planned:,} steps{though}{also}"
    return f"equal to the last bit{though}{also}"
