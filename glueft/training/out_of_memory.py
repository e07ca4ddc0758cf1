"""Says which batches fit where memory ran out. Importing this module imports neither Keras nor a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from glueft.errors import GlueftError, TrainingError
from glueft.files import size
from glueft.plugin.attribution import AttributedError
from glueft.runs.how_far import less_memory
from glueft.system.device_memory import device_memory
from glueft.system.interruption import received
from glueft.system.memory_errors import NoMemory, no_memory
from glueft.text import counted
from glueft.training.backend import keras_backend
from glueft.training.step_memory import Fit, StepMemory, fit_of_prediction, fit_of_training

if TYPE_CHECKING:
    from glueft.data.batches import EvaluationBatches
    from glueft.encoder.classifier import Classifier
    from glueft.recipe import Recipe
    from glueft.training.session import Session

ELSEWHERE = "end other programs"
ELSEWHERE_ON_GPU = "end what else holds memory there (nvidia-smi lists it)"
# A GPU may have room enough in all and none in one piece: JAX takes its memory as it needs it.
IN_ONE_PIECE = "set XLA_PYTHON_CLIENT_PREALLOCATE=true, with which JAX takes its memory in one piece"
SMALLER_MODEL = "take shorter rows (data.max_length) or a smaller checkpoint"


def no_memory_in(error: BaseException) -> NoMemory | None:
    """Return what an error says of memory that ran out; if it did in a plugin's code, that one is named."""
    if isinstance(error, AttributedError) and error.__context__ is not None:  # Keras has cut off the `__cause__`
        said = no_memory(error.__context__)
        return None if said is None else replace(said, line=error.message)
    return no_memory(error) if isinstance(error, Exception) and not isinstance(error, GlueftError) else None


def out_of_training(recipe: Recipe, session: Session | None, said: NoMemory, resume: str = "") -> TrainingError:
    """Return the error of a run whose memory ran out.

    Args:
        recipe: of the run.
        session: None if its model was not loaded yet.
        said: by a library.
        resume: how the run goes on; empty where no state of it is saved.
    """
    if session is None:
        return _error(
            said,
            " before the training began",
            "memory for the rows, the model and its optimizer",
            "end other programs, choose a smaller checkpoint, or take fewer rows (data.limit_train)",
        )
    fit = None if said.of_machine else _told(lambda: fit_of_training(session))
    if fit is not None and not fit.is_whole:
        return _error(said, "", _most(fit), _less(session, fit), _needs(fit.whole))
    changes = less_memory(recipe.tables()) + _same_devices(session)
    fix = f"start the run anew in less, and in less again where that does not fit: {changes}"
    if resume:
        fix = f"{_elsewhere(said)}, and {resume}; or {fix}"
    elif fit is not None:
        fix = f"{_elsewhere(said)}; or {fix}"
    if fit is None:
        return _error(said, "", "memory for the model, its optimizer and a batch", fix)
    return _error(said, "", _most(fit), fix, _needs(fit.whole))


def refuse_too_large(session: Session) -> Fit | None:
    """Return XLA's account of a training step; None where there is none. The model of the session is loaded.

    Raises:
        TrainingError: it does not fit.
    """
    fit = _told(lambda: fit_of_training(session))
    if fit is not None and not fit.is_whole:
        raise TrainingError(
            "the batches of the training do not fit into memory",
            expected=_most(fit),
            received=_needs(fit.whole),
            fix=_less(session, fit),
        )
    return fit


@contextmanager
def memory_for_prediction(model: Classifier, batches: EvaluationBatches) -> Iterator[None]:
    """Say in a block that predicts batches how many rows at once fit, where memory runs out.

    Raises:
        TrainingError: it has run out.
    """
    try:
        yield
    except Exception as error:
        said = no_memory_in(error)
        if said is None:
            raise
        raise _out_of_prediction(model, batches, said) from error


def _out_of_prediction(model: Classifier, batches: EvaluationBatches, said: NoMemory) -> TrainingError:
    rows, length = batches.largest().shapes()[0].tolist()
    fit = None if said.of_machine else _told(lambda: fit_of_prediction(model, batches))
    at_once = rows // 2
    if fit is not None and not fit.is_whole:
        at_once = 0 if fit.best is None else fit.best.rows
    # There may be fewer rows than a batch has, and a batch of short ones may have more.
    fewer = min(batches.batch_size, len(batches.encoded)) * at_once // rows
    where, fix = " in a prediction", SMALLER_MODEL
    if fewer:
        fix = (
            f"predict fewer rows at once: --set training.evaluation_batch_size={fewer}, or --batch-size {fewer} in "
            "glueft predict"
        )
    if fit is None:
        return _error(said, where, f"memory for {counted(rows, 'row')} of {length} tokens at once", fix)
    if fit.is_whole:
        fix = f"{_elsewhere(said)}; or {fix}"
    return _error(said, where, _most(fit), fix, _needs(fit.whole))


def _most(fit: Fit) -> str:
    return f"at most {size(fit.limit)} in use at once"


def _needs(step: StepMemory) -> str:
    rows = counted(step.rows, "row")
    return f"{size(step.total_bytes)} for {rows} of {step.length} tokens at once, by the account of XLA's compiler"


def _less(session: Session, fit: Fit) -> str:
    if fit.best is None:
        return f"{SMALLER_MODEL}, or train less of it (model.freeze, model.lora_rank)"
    training, rows = session.recipe.training, fit.best.rows
    steps = training.batch_size * training.gradient_accumulation_steps // rows
    return (
        f"train with the largest batches that fit, {steps} for each update, so that the updates stay the same: "
        f"--set training.batch_size={rows} --set training.gradient_accumulation_steps={steps}{_same_devices(session)} "
        f"({size(fit.best.total_bytes)})"
    )


def _same_devices(session: Session) -> str:
    """The option that keeps the devices, where "auto" would share out smaller batches among fewer of them."""
    devices = session.devices
    if devices is None or devices.of_process == 1 or session.recipe.engine.devices != "auto":
        return ""
    return f" --set engine.devices={devices.count}"


def _elsewhere(said: NoMemory) -> str:
    backend = keras_backend()
    if said.of_machine or device_memory(backend) is None:
        return ELSEWHERE
    return f"{ELSEWHERE_ON_GPU}, or {IN_ONE_PIECE}" if backend == "jax" else ELSEWHERE_ON_GPU


def _told(find: Callable[[], Fit | None]) -> Fit | None:
    """What XLA says; None where it cannot say it, such as where the machine has no memory left to compile."""
    try:
        return None if received() else find()
    except Exception:
        return None


def _error(said: NoMemory, where: str, expected: str, fix: str, needs: str = "") -> TrainingError:
    received = "; ".join(filter(None, [needs, said.line]))
    return TrainingError(f"{said.message}{where}", expected=expected, received=received, fix=said.or_else(fix))
