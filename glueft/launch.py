"""One run, from recipe to run folder: puts together session, observers, engine and run."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.errors import GlueftError, RunFolderError, TrainingError
from glueft.files import disk_fault, sync, to_write_again
from glueft.plugin.attribution import attributed_built
from glueft.plugin.build import build
from glueft.plugin.file import remember_trusted
from glueft.processes.team import ALONE, Team
from glueft.result import Result
from glueft.runs.checkpoints import FOLDER as CHECKPOINTS
from glueft.runs.checkpoints import checkpoint_folder, remove_states, saved_steps
from glueft.runs.clock import Clock
from glueft.runs.folder import writing_in_run
from glueft.runs.history import NAME as HISTORY
from glueft.runs.how_far import HowFar
from glueft.runs.inputs import describe_inputs
from glueft.runs.predictions import write_predictions
from glueft.runs.run import Run
from glueft.system.gc_pause import gc_paused
from glueft.system.interruption import held, listening, meant, take
from glueft.system.quiet import captured_stderr, hush_libraries
from glueft.training.backend import import_backend
from glueft.training.collapse import CollapseWatch, judge_result
from glueft.training.decision_fit import decision_warnings, describe_decision
from glueft.training.disk_space import no_room_for_states, refuse_full_disk
from glueft.training.fingerprints import kept_fingerprints, logits_fingerprint
from glueft.training.observers import RunProgress, Training
from glueft.training.out_of_memory import no_memory_in, out_of_training
from glueft.training.recorder import Recorder
from glueft.training.remarks import remarks
from glueft.training.resumption import Resumption
from glueft.training.scores import by_label, score_intervals
from glueft.training.session import Session, read_session
from glueft.training.teacher import refuse_itself
from glueft.training.warnings import inexact_reasons, resume_notes

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from glueft.push.background import BackgroundPush
    from glueft.recipe import Recipe


# What the other processes of a run that is resumed get of its folder, beside the state.
_REOPENED = ("recipe.toml", "run.json", HISTORY)


def run_recipe(
    recipe: Recipe,
    *,
    output_dir: str | Path = "runs",
    token_cache: str | Path | None = None,
    progress: RunProgress | None = None,
    verbose: bool = False,
    begin: float | None = None,
    team: Team = ALONE,
) -> Result:
    """Train and evaluate as a recipe says, and leave a run folder.

    Args:
        recipe: from `load_recipe`.
        output_dir: where the run folder is made.
        token_cache: a folder where tokens are kept for other runs on the same rows, and read if they are there.
        progress: shows the run; nothing is shown if None.
        verbose: show the log lines of libraries.
        begin: `time.perf_counter()` at which the clock of the run starts; now if None.
        team: the processes that run it together. Those but the first walk the same way and leave nothing.

    Raises:
        GlueftError: the data, the checkpoint or the training cannot go on. An error in the set-up leaves no run
            folder behind; once the training has begun, run.json says what went wrong.
        KeyboardInterrupt: the run was interrupted, by Ctrl-C or in a main thread by SIGTERM, SIGHUP or SIGUSR1
            (a `TerminatedError`; the first two are handed on afterwards); run.json says so.
    """
    progress = RunProgress() if progress is None or not team.leads else progress
    clock = Clock(time.perf_counter() if begin is None else begin)
    output_dir = Path(output_dir) if team.leads else team.folder
    with _listening(verbose=verbose):
        return _run(
            lambda: Run.create(recipe, output_dir, progress.say),
            progress,
            clock,
            team,
            verbose=verbose,
            token_cache=token_cache,
        )


def resume_run(
    path: str | Path,
    *,
    anyway: bool = False,
    plugins: Sequence[str] = (),
    trust: bool = False,
    token_cache: str | Path | None = None,
    progress: RunProgress | None = None,
    verbose: bool = False,
    begin: float | None = None,
    team: Team = ALONE,
) -> Result | None:
    """Go on with a run that was interrupted, has failed or was killed; it ends as if nothing had happened.

    Args:
        path: the run folder.
        anyway: go on with other versions of packages or on another machine, which can change last digits.
        plugins, trust: as for `Run.open`.
        token_cache, progress, verbose, begin, team: as for `run_recipe`. The first process alone needs the folder.

    Returns:
        None if the run is done.

    Raises:
        RunFolderError: this is no run folder, its run is still going on, or recipe, rows, checkpoint, versions or
            machine are not those that it began with. Nothing is changed then.
        GlueftError, KeyboardInterrupt: as for `run_recipe`.
    """
    progress = RunProgress() if progress is None or not team.leads else progress
    clock = Clock(time.perf_counter() if begin is None else begin)
    with _listening(verbose=verbose):
        if not team.leads:
            path = team.get_files()
        run = Run.reopen(path, progress.say, plugins=plugins, trust=trust)
        if team.leads:
            team.give_files(run.folder, [name for name in _REOPENED if (run.folder / name).exists()])
        if run.record.status == "done":
            if team.leads:
                with suppress(GlueftError):
                    _remove_states(run)
            progress.say(f"{run.folder}: the run is done; there is nothing to resume")
            return None
        return _run(lambda: run, progress, clock, team, verbose=verbose, anyway=anyway, token_cache=token_cache)


@contextmanager
def _listening(*, verbose: bool) -> Iterator[None]:
    if not verbose:
        hush_libraries()
    with listening():
        yield


def _run(
    open_run: Callable[[], Run],
    progress: RunProgress,
    clock: Clock,
    team: Team,
    *,
    verbose: bool,
    anyway: bool = False,
    token_cache: str | Path | None = None,
) -> Result:
    """Fill a run folder, new or reopened, and leave it with a record that says how the run ended."""
    run: Run | None = None
    session: Session | None = None
    resumption: Resumption | None = None
    pushes: BackgroundPush | None = None
    stays = done = False  # the folder, whatever happens; the run
    try:
        with held():
            run = open_run()
        if team.together is not None:
            team.on_fault = lambda fault: _close(run, clock, fault, stays=stays)
        recipe = run.recipe
        remember_trusted(recipe.plugin_files)
        with clock.phase("setup", clock.begin), gc_paused():
            if run.is_reopened:
                stays = True
                resumption = _resumption(run, team, anyway=anyway)
                clock.before = dict(resumption.clock)
                run.begin_anew()
            session, callbacks = _set_up(run, resumption, progress, team, token_cache, quiet=not verbose)
        stays = True
        recorder = Recorder(run, 0 if resumption is None else resumption.history_bytes)
        observers = [progress, recorder, CollapseWatch(run)]
        if recipe.hub.push is not None and team.leads:
            from glueft.push.background import BackgroundPush

            pushes = BackgroundPush(run, session.tokenizer)
            observers.append(pushes)
        if recipe.training.checkpoint_minutes and team.leads:
            from glueft.training.state_saver import StateSaver

            observers.append(StateSaver(run, clock))
        with clock.phase("train"), attributed_built(*session.plugins_at_work):
            from glueft.training import engine

            start = None if resumption is None else resumption.start()
            training = engine.train(session, observers, callbacks, start)
        if training.first_step_end:
            clock.first_step(training.first_step_end)
        with clock.phase("evaluate"):
            _conclude(run, training, progress, team)
        clock.seconds["compile"] = training.times.compile_seconds()
        with held():
            run.close(clock.readings())
            done = True
            team.needs_others = False
            _remove_states(run)
        if pushes:
            pushes.finish(progress)
    except BaseException as raised:
        take()
        error = team.cause(meant(raised))
        if run is not None and session is not None and team.together is not None:
            _predict_no_more(run, session)
        if run is not None and done:
            _call_run_finished(run, progress, team)
        elif run is not None:
            error = _failed_write(run, _out_of_memory(run, session, error, progress), stays=stays)
            if run.is_reopened:
                run.leave()
            elif not stays and isinstance(error, GlueftError):
                run.discard()
            else:
                _end_early(run, clock, error, progress, team, pushes)
        if error is raised:
            raise
        raise error from raised
    progress.finished(run.record)
    if team.together is not None:
        _predict_no_more(run, session)
    _call_run_finished(run, progress, team)
    return _result(run, None if team.together is not None else session)


def _result(run: Run, session: Session | None) -> Result:
    """What there is of a run that is done: its folder, and the model of a session, which is let go otherwise."""
    from glueft.training.model_in_training import ModelInTraining

    model = None if session is None else ModelInTraining(session).text_model()
    # Its plugin files have just been run.
    return Result(Run(run.folder.absolute(), run.record, trust=True), model, trust=True)


def _predict_no_more(run: Run, session: Session) -> None:
    """Let plugins that see the end of a run in several processes read its model, which needs all of them to predict."""
    from glueft.training.model_in_training import ModelOfEnded

    run.attach(ModelOfEnded(session))


def _resumption(run: Run, team: Team, *, anyway: bool) -> Resumption:
    """Find the state from which a run goes on, in process 0; the others get that one."""
    if team.leads:
        resumption = Resumption.of(run, anyway=anyway)
        files = () if resumption.content is None else checkpoint_folder(run.folder, resumption.step).iterdir()
        team.give_files(run.folder, [str(path.relative_to(run.folder)) for path in files])
        return resumption
    team.get_files()
    resumption = Resumption.of(run, anyway=anyway)
    remove_states(run.folder)
    if resumption.content is not None:
        states = zip(run.recipe.callbacks, resumption.content["callbacks"], strict=True)
        resumption.content["callbacks"] = [state for callback, state in states if not callback.only_watches]
    return resumption


def _set_up(
    run: Run,
    resumption: Resumption | None,
    progress: RunProgress,
    team: Team,
    token_cache: str | Path | None,
    *,
    quiet: bool,
) -> tuple[Session, list[keras.callbacks.Callback]]:
    """Read the data, load the model and build the callbacks; record all of it."""
    for note in resume_notes(run.recipe):
        progress.say(note)
    begun = None if resumption is None else resumption.engine
    cache = None if token_cache is None else Path(token_cache)
    refuse_itself(run.recipe, run.folder)
    session = read_session(run.recipe, progress, cache, begun)
    reasons = inexact_reasons(run.recipe)
    run.record["resume"] = {"exact": not reasons, "reasons": reasons}
    if team.leads:
        refuse_full_disk(session, run.folder, made=resumption is None)
        without_states = no_room_for_states(session, run.folder)
        if without_states is not None:
            progress.say(f"warning: {without_states}")
    run.record.update(session.describe_rows())
    run.record.inputs = describe_inputs(
        session.data_files, session.checkpoint, None if session.teacher is None else session.teacher.checkpoint
    )
    told = len(session.warnings)
    if team.together is not None:
        from glueft.training import in_processes

        in_processes.refuse_other_backends(session.backend.value, team.together.place)
        in_processes.agree(session, team.together, progress.say)
        run.record.hosts = team.together.hosts
    with progress.phase("model"), captured_stderr() if quiet else nullcontext():
        if team.together is not None:
            in_processes.start_backend(team.together)
        if session.teacher is not None:
            import_backend()
            from glueft.training.teacher_logits import ask_teacher

            ask_teacher(session, cache or run.folder / CHECKPOINTS, progress)
        session.load()  # imports Keras; what its backend prints is suppressed

        from glueft.training.attributed_callback import AttributedCallback
        from glueft.training.model_in_training import ModelInTraining

        run.attach(ModelInTraining(session))
        run.record.update(session.describe_model())
        run.record["fingerprints"] = kept_fingerprints(session)
        if resumption is not None:
            resumption.compare(session)
            resumption.remove_claimed()
        callbacks = [
            AttributedCallback(callback, build(callback, run.for_plugins))
            for callback in run.recipe.callbacks
            if team.leads or not callback.only_watches
        ]
    progress.inform(session.headline(run.folder))
    for line in session.rows_texts():
        progress.inform(line)
    if not quiet:
        progress.inform(session.engine_text())
    progress.warn(*session.warnings[told:])
    if resumption is None:
        run.write_record()
    else:
        resumption.go_on(session)
    return session, callbacks


def _conclude(run: Run, training: Training, progress: RunProgress, team: Team) -> None:
    """Predict, score, and leave predictions and model in the run folder."""
    from glueft.encoder.checkpoint import save_classifier
    from glueft.encoder.checkpoint_finder import fingerprints
    from glueft.encoder.word_embeddings import widen_vocabulary
    from glueft.training.outcome import outcome_of

    session, primary = training.session, training.session.primary_split
    with progress.phase("predictions"):
        outcome = outcome_of(training)
        metrics, others, logits = outcome.metrics, outcome.others, outcome.logits
        run.record.update(metrics=metrics[primary], other_metrics=others[primary])
        if len(metrics) > 1:
            run.record.update(metrics_by_split=metrics, other_metrics_by_split=others)
            run.record.baseline_by_split = {split: session.baseline(split) for split in metrics}
        judge_result(run, training, logits[primary], metrics[primary])
        if (decision := describe_decision(session, logits[primary], outcome.plain)) is not None:
            run.record.decision = decision
            run.record.warnings += decision_warnings(session, logits[primary])
        if team.leads:
            _judge_rows(run, session, logits, progress)
        run.record.fingerprints.logits = {split: logits_fingerprint(values) for split, values in logits.items()}
        for split in session.predicted:
            path = run.folder / "predictions" / f"{split}.tsv"
            write_predictions(path, session.encoded[split].labels, logits[split], session.labels, session.rule)
    if not team.leads:
        return
    with progress.phase("model folder"):
        save_classifier(session.model, run.model_folder, session.tokenizer, session.rule, cut=session.recipe.data.cut)
        if saved_steps(run.folder):  # They are about to go: after a power cut there must be the model, or a state.
            with writing_in_run(run.model_folder):
                sync(run.model_folder)
        run.record["model"] = {"sha256": fingerprints(run.model_folder)}
    widen_vocabulary(session.model)
    session.model.rows_at_once = None  # From now on it has its user's batches.
    session.model.forget_programs()


def _judge_rows(run: Run, session: Session, logits: Mapping[str, NDArray[np.float32]], progress: RunProgress) -> None:
    """Record of each labelled split the intervals of the metrics, and how well each label is predicted; and remarks."""
    intervals, label_scores, confusion = {}, {}, {}
    for split in run.record.all_metrics():
        judged = session.judged(split, logits[split])
        found = score_intervals(session.task, *judged)
        intervals[split] = found.found
        for note in found.notes(split):
            progress.say(note)
        of_labels = by_label(session.task, *judged)
        if of_labels:
            label_scores[split] = of_labels["label_scores"]
        if "confusion" in of_labels:
            confusion[split] = of_labels["confusion"]
    found_of = {"intervals": intervals, "label_scores": label_scores, "confusion": confusion}
    run.record.update({key: by_split for key, by_split in found_of.items() if by_split})
    primary = session.primary_split
    run.record.remarks = [*remarks(run.record, *session.judged(primary, logits[primary]))]


def _remove_states(run: Run) -> None:
    """Remove the saved states of a run that is done, unless its recipe keeps them."""
    if not run.recipe_settings()["training"].get("keep_checkpoints"):
        remove_states(run.folder)


def _out_of_memory(run: Run, session: Session | None, error: BaseException, progress: RunProgress) -> BaseException:
    """Return an error, replaced by a TrainingError if it says that memory ran out."""
    said = no_memory_in(error)
    if said is None:
        return error
    if session is not None and session.backend.value == "jax" and not said.of_machine:
        progress.say(f"{said.message}; looking for what fits")  # It takes some seconds.
    how_far = HowFar.of(run.folder, run.record)
    return out_of_training(run.recipe, session, said, how_far.resume(run.folder) if how_far.saved else "")


def _failed_write(run: Run, error: BaseException, *, stays: bool) -> BaseException:
    """Return an error, replaced by a RunFolderError if a library or plugin could not write to a full disk.

    Where the folder stays, the error says how the run goes on.
    """
    if isinstance(error, Exception) and not isinstance(error, GlueftError):
        fault = disk_fault(error)
        if fault is None:
            return error
        error = run.cannot_write(fault)
    elif isinstance(error, RunFolderError) and isinstance(error.__context__, OSError):
        fault = error.__context__  # Keras has cut off the `__cause__`.
    else:
        return error
    if stays:
        on = HowFar.of(run.folder, run.record).resume(run.folder)
        error.fix = f"{to_write_again(fault)}, and {on}; or start anew in another place with --output-dir"
    return error


def _end_early(
    run: Run,
    clock: Clock,
    error: BaseException,
    progress: RunProgress,
    team: Team,
    pushes: BackgroundPush | None,
) -> None:
    """Record how the run ended, if that can still be written, and tell the user and the plugins."""
    try:
        run.close(clock.readings(), error)
        if pushes:
            pushes.stop()
        told = f"{run.record.status}; what there is lies in {run.record.run_dir}"
        # Where the numbers ended the run, they would end it again.
        if saved_steps(run.folder) and not isinstance(error, TrainingError):
            told += f"; to go on from there: glueft resume {shlex.quote(run.record.run_dir)}"
    except RunFolderError as fault:
        told = f"{run.record.status}, but {fault.message} to say so: {fault.received}"
    progress.say_unbroken(told)
    _call_run_finished(run, progress, team)


def _close(run: Run, clock: Clock, error: BaseException, *, stays: bool) -> None:
    """Record how the run ended where its main thread cannot: it waits for a process that is gone."""
    if run.is_reopened:
        run.leave()
    elif stays:
        run.close(clock.readings(), error)
    else:
        run.discard()


def _call_run_finished(run: Run, progress: RunProgress, team: Team) -> None:
    """Call every `glueft_run_finished` hook; one that fails is reported and stops neither the others nor the run."""
    if not team.leads:
        return
    registry = run.recipe.registry
    for point in registry.implementing("glueft_run_finished"):
        failure = registry.call("glueft_run_finished", point, run=run.for_plugins)
        if failure is not None:
            progress.say(f"warning: {failure}")
