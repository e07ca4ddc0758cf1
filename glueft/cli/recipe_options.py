"""The arguments of the commands that take a recipe and go through with it: `run` and `plan`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from glueft.recipe import Recipe

RecipeName = Annotated[str, typer.Argument(help="A TOML recipe, or the name of a packaged one (mrpc, sst2).")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the recipe; VALUE is TOML. Repeatable."),
]
Unset = Annotated[
    list[str] | None,
    typer.Option(
        "--unset", metavar="KEY", help="Take one key of the recipe back, before --set; or a whole table. Repeatable."
    ),
]
DataDir = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Read the rows from a folder in GLUE's own TSV layout (DIR/MRPC/train.tsv)."),
]
CheckpointName = Annotated[
    str | None, typer.Option(help="Start from this checkpoint: a hub name, a folder, or package:module/path.")
]
Sample = Annotated[
    bool, typer.Option("--sample", help="Use the small sample that ships with the task; needs no network.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show what TensorFlow and the others log.")]


def begin_of(context: typer.Context) -> float:
    """Return `time.perf_counter()` at the start of the process, where the command line was started as one; else now."""
    return time.perf_counter() if context.obj is None else float(context.obj)


def read_recipe(
    name: str,
    overrides: list[str] | None,
    *,
    data_dir: str | None,
    checkpoint: str | None,
    sample: bool,
    plugins: list[str] | None,
    trust: bool,
    unset: list[str] | None,
) -> Recipe:
    """Read and check the recipe; tell of plugins that cannot be used.

    Raises:
        RecipeError: the recipe cannot be used; it holds every problem.
        PluginError: a file of `--plugin` cannot be used.
    """
    from glueft.cli.plugin_commands import warn_of_failures
    from glueft.recipe import load_recipe

    warn_of_failures()
    options: dict[str, Any] = {"data_dir": data_dir, "checkpoint": checkpoint, "sample": sample, "trust": trust}
    return load_recipe(name, overrides or [], plugins=plugins or [], unset=unset or [], **options)
