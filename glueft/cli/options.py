"""The options that several commands share, and the code behind them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from glueft.cli.installed import warn_of_failures
from glueft.cli.streams import refuse_lost_output
from glueft.errors import GlueftError
from glueft.system.standard_output import for_the_result, set_aside
from glueft.text import json_text, say

if TYPE_CHECKING:
    from glueft.processes.place import Place
    from glueft.processes.team import Team
    from glueft.recipe import Recipe
    from glueft.studies.definition.study import Study

_Read = TypeVar("_Read")


def _keep_standard_output(context: typer.Context, wanted: bool) -> bool:
    """Set standard output aside as soon as the option is read: from then on `sys.stdout` is standard error."""
    if wanted and not context.resilient_parsing:
        set_aside()  # `command_line` gives it back
    return wanted


def json_option(text: str) -> Any:
    """`--json`: one JSON object on standard output, and nothing else, whatever plugins and libraries print."""
    return typer.Option("--json", help=text, callback=_keep_standard_output)


AsJson = Annotated[bool, json_option("Print the result as one JSON object; progress goes to standard error.")]
# For a command that shows no progress.
AsJsonAlone = Annotated[bool, json_option("Print one JSON object.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Show all timings, and what TensorFlow and other libraries log.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show warnings and the result alone.")]

PluginFiles = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="FILE.py", help="Run this Python file and use its plugins. Repeatable."),
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run the plugin files that a run folder names, even if no run of yours here has."),
]

# A process that cannot take part waits so long for those that it tells.
_TELL_SECONDS = 10.0

Coordinator = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="A run in several processes: where process 0 listens. SLURM tells it."),
]
Processes = Annotated[
    int | None, typer.Option(metavar="N", help="How many processes run it; 1 for this one alone, also under srun.")
]
Process = Annotated[int | None, typer.Option(metavar="I", help="The number of this process, from 0 to N - 1.")]
Wait = Annotated[
    float, typer.Option(metavar="SECONDS", min=1.0, help="How long the processes wait for each other at the start.")
]

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A TOML recipe, or the name of a packaged one (mrpc, sst2).")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the recipe; VALUE is TOML. Repeatable."),
]
Unset = Annotated[
    list[str] | None,
    typer.Option("--unset", metavar="KEY", help="Remove a key or a table of the recipe, before --set. Repeatable."),
]
Backend = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="tensorflow, jax, torch or auto; short for --set engine.backend=NAME."),
]


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """A function's parameters, with the annotations that typer reads; those that it does not read are not imported."""
    hints = get_type_hints(function, localns={"Recipe": object, "Study": object}, include_extras=True)
    options = inspect.signature(function).parameters.items()
    # Those that a decorator has added have their types already.
    return [option.replace(annotation=hints.get(name, option.annotation)) for name, option in options]


def _short_for(key: str, metavar: str) -> Any:
    return typer.Option(metavar=metavar, help=f"Short for --set {key}={metavar}.")


def short_forms(
    epochs: Annotated[str | None, _short_for("training.epochs", "N")] = None,
    batch_size: Annotated[str | None, _short_for("training.batch_size", "N")] = None,
    learning_rate: Annotated[str | None, _short_for("schedule.initial_learning_rate", "RATE")] = None,
    seed: Annotated[str | None, _short_for("training.seed", "N")] = None,
    backend: Backend = None,
) -> dict[str, str]:
    """Return what was given of the options that are short for `--set`: by key of the recipe, its value.

    The values are texts: what is wrong with them is told with the recipe's other problems.
    """
    given = {
        "training.epochs": epochs,
        "training.batch_size": batch_size,
        "schedule.initial_learning_rate": learning_rate,
        "training.seed": seed,
        "engine.backend": backend,
    }
    return {key: value for key, value in given.items() if value is not None}


def takes_short_forms(function: Callable[..., Any], *, without: Sequence[str] = ()) -> Callable[..., Any]:
    """Give a function with `overrides`, those of `--set`, the options that are short for some of them."""
    own = _parameters(function)
    short = [option for option in _parameters(short_forms) if option.name not in without]
    after = max(place for place, option in enumerate(own) if option.name in ("overrides", "unset")) + 1

    @functools.wraps(function)
    def with_short_forms(*arguments: Any, **given: Any) -> Any:
        forms = short_forms(**{option.name: given.pop(option.name, None) for option in short})
        call = inspect.signature(function).bind(*arguments, **given)
        call.arguments["overrides"] = with_short(call.arguments.get("overrides"), forms)
        return function(*call.args, **call.kwargs)

    with_short_forms.__signature__ = inspect.Signature([*own[:after], *short, *own[after:]])  # type: ignore[attr-defined]
    return with_short_forms


def with_short(overrides: list[str] | None, forms: dict[str, str]) -> list[str]:
    """Return the arguments of `--set`, with those that options are short for.

    Raises:
        GlueftError: some of them set the same key, or a table with it.
    """
    from glueft.recipe.short_form import SHORT_OPTIONS, ShortForm

    changes, twice = [*(overrides or [])], []
    for key, value in forms.items():
        for change in overrides or ():
            named = change.partition("=")[0].replace(" ", "")
            if key == named or key.startswith(f"{named}."):
                twice.append((SHORT_OPTIONS[key], key, value, change))
        changes.append(ShortForm(key, value))
    if twice:
        short = ", ".join(f"{option} is short for --set {key}={value}" for option, key, value, _ in twice)
        same = "there is a --set of the same key" if len(twice) == 1 else "there are --set of the same keys"
        raise GlueftError(
            f"{short}, and {same}",
            expected="one of the two" if len(twice) == 1 else "one of each two",
            received="; ".join(f"{option} {value} and --set {change}" for option, _, value, change in twice),
            fix="leave one of them out" if len(twice) == 1 else "leave one of each two out",
        )
    return changes


def _known_precision(name: str | None) -> str | None:
    from glueft.training.engine_choice import PRECISIONS, refuse_unknown

    if name is not None:
        refuse_unknown("precision", name, PRECISIONS)
    return name


Precision = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Compute in float32, mixed_bfloat16 or mixed_float16; by default as the run did.",
        callback=_known_precision,
    ),
]
DataDir = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Read the rows from a folder in GLUE's own TSV layout (DIR/MRPC/train.tsv)."),
]
CheckpointName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The checkpoint to start from: a hub name, a folder, package:module/path or run:FOLDER.",
    ),
]
Sample = Annotated[bool, typer.Option("--sample", help="Use the small sample shipped with the task; needs no network.")]


@contextmanager
def in_processes(place: Place | None, *, wait: float, say: Callable[[str], None], verbose: bool) -> Iterator[Team]:
    """Give the processes of a run; `place` is that of this one, None where it is alone.

    Raises:
        ProcessesError: they have not found each other, or one of them is gone.
    """
    from glueft.processes.team import together
    from glueft.system.quiet import show_errors_alone

    if place is not None and place.process and not verbose:
        show_errors_alone()  # process 0 shows the run; and JAX, too, writes what has become of process 0
    with together(place, wait=wait, say=say) as team:
        yield team


@contextmanager
def told_to_others(place: Place | None) -> Iterator[None]:
    """Tell the other processes of a run if this one ends by an error before it has met them: they would wait for it."""
    try:
        yield
    except GlueftError as error:
        if place is not None:
            from glueft.processes.team import together

            with suppress(GlueftError), together(place, wait=_TELL_SECONDS, say=lambda line: None):
                raise error
        raise


def print_json(result: Any) -> None:
    """Print the one object of `--json`.

    Raises:
        OutputError: standard output is full or closed.
    """
    with for_the_result():
        say(json_text(result))
    refuse_lost_output()


@takes_short_forms
def read_recipe(
    recipe: RecipeName,
    overrides: Overrides = None,
    unset: Unset = None,
    data_dir: DataDir = None,
    checkpoint: CheckpointName = None,
    sample: Sample = False,
    plugins: PluginFiles = None,
    trust: Trust = False,
) -> Recipe:
    """Read and check a recipe; warn of plugins that cannot be used.

    Raises:
        RecipeError: the recipe cannot be used; it holds every problem.
    """
    from glueft.recipe import load_recipe

    return _read(load_recipe, recipe, overrides or [], unset, data_dir, checkpoint, sample, plugins, trust)


StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="A TOML study, or the name of a packaged one (glue).")]
EitherName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A TOML recipe or study, or the name of a packaged one (mrpc, glue).")
]


@partial(takes_short_forms, without=("seed",))  # a study has its own
def read_study(
    study: StudyName,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one key of the study (study.seeds=3) or of all its recipes (training.epochs=1); VALUE is "
            "TOML. Repeatable.",
        ),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            "--unset", metavar="KEY", help="Remove a key of the study or of its recipes, before --set. Repeatable."
        ),
    ] = None,
    data_dir: DataDir = None,
    checkpoint: CheckpointName = None,
    sample: Annotated[
        bool,
        typer.Option("--sample", help="A trial without a network: the samples shipped with the tasks, two seeds."),
    ] = False,
    plugins: PluginFiles = None,
    trust: Trust = False,
) -> Study:
    """Read and check a study; warn of plugins that cannot be used.

    Raises:
        RecipeError: the study, or a recipe of it, cannot be used; it holds every problem.
    """
    from glueft.studies.definition.file import load_study

    return _read(load_study, study, overrides or [], unset, data_dir, checkpoint, sample, plugins, trust)


def _read(
    load: Callable[..., _Read],
    name: str,
    overrides: list[str],
    unset: list[str] | None,
    data_dir: str | None,
    checkpoint: str | None,
    sample: bool,
    plugins: list[str] | None,
    trust: bool,
) -> _Read:
    """Have a recipe or a study read with the options that both have."""
    warn_of_failures()
    return load(
        name,
        overrides,
        unset=unset or [],
        data_dir=data_dir,
        checkpoint=checkpoint,
        sample=sample,
        plugins=plugins or [],
        trust=trust,
    )


@takes_short_forms
def read_either(
    recipe: EitherName,
    overrides: Overrides = None,
    unset: Unset = None,
    data_dir: DataDir = None,
    checkpoint: CheckpointName = None,
    sample: Sample = False,
    plugins: PluginFiles = None,
    trust: Trust = False,
) -> Recipe | Study:
    """Read and check a recipe or a study.

    Raises:
        RecipeError: it cannot be used; it holds every problem.
    """
    from glueft.recipe import StudyGivenError

    try:
        read: Recipe = read_recipe(recipe, overrides, unset, data_dir, checkpoint, sample, plugins, trust)
        return read
    except StudyGivenError as given:
        from glueft.studies.definition.file import load_study  # a recipe does not need it

        return load_study(
            recipe,
            overrides or [],
            unset=unset or [],
            data_dir=data_dir,
            checkpoint=checkpoint,
            sample=sample,
            plugins=plugins or [],
            trust=trust,
            text=given.text,
        )


def takes_recipe(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `read_recipe`; its first parameter is a function that reads the recipe."""
    return _takes(read_recipe, command, later=True)


def takes_study(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `read_study`; its first parameter is the study."""
    return _takes(read_study, command)


def takes_either(command: Callable[..., None]) -> Callable[..., None]:
    """The same with `read_either`: the first parameter is the recipe or the study."""
    return _takes(read_either, command)


def _takes(read: Callable[..., Any], command: Callable[..., None], *, later: bool = False) -> Callable[..., None]:
    shared, own = _parameters(read), _parameters(command)[1:]

    def with_read(**given: Any) -> None:
        first = partial(read, **{option.name: given.pop(option.name) for option in shared})
        command(first if later else first(), **given)

    with_read.__doc__ = command.__doc__
    with_read.__signature__ = inspect.Signature([*shared, *own])  # type: ignore[attr-defined]
    return with_read
