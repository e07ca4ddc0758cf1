"""`glueft export`: a run's model in the format of another program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from glueft.cli.options import PluginFiles, Quiet, Trust, Verbose, json_option, print_json
from glueft.cli.streams import go_on_without_output
from glueft.export.formats import FORMATS, find_format, in_words
from glueft.files import expanded
from glueft.text import say

EPILOG = """\b
Examples:
  glueft export runs/mrpc-20260131-120000-a1b2c3 my-model
  glueft export runs/mrpc-20260131-120000-a1b2c3 my-model --format onnx
  glueft export runs/mrpc-20260131-120000-a1b2c3 my-model --format saved_model --force
  glueft export ./a-classifier my-model --format keras --json
"""


def format_names(incomplete: str) -> list[str]:
    """The formats, for completion in the shell."""
    return [name for name in FORMATS if name.startswith(incomplete)]


def export(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A run folder, its model/, or a classifier's folder in that layout."),
    ],
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Where the export is written.")],
    format_name: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help=f"{in_words()}.", autocompletion=format_names),
    ] = "transformers",
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export in DIR.")] = False,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: Annotated[
        bool, json_option("Print what was written as one JSON object; messages go to standard error.")
    ] = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Write a run's model in the format of another program.

    Beside it come its tokenizer and a README that calls it. The program that reads the format, if it is installed,
    loads what is written and must give the same logits to 1e-4; otherwise nothing is left in DIR.
    """
    from contextlib import nullcontext

    from glueft.export.place import refuse_taken
    from glueft.system.quiet import captured_stderr, hush_libraries
    from glueft.terminal.progress import make_progress

    form = find_format(format_name)
    form.refuse_if_unwritable()
    place = expanded(folder).resolve()
    # Before anything is loaded; `write_export` looks again, for loading takes a while.
    refuse_taken(place, force=force, source=Path(run))
    if not verbose:
        hush_libraries()
    go_on_without_output()
    progress = make_progress(sys.stdout, verbose=verbose, quiet=quiet)
    with progress.phase("load the model"):
        from glueft.inference.predictor import load_saved_model

        saved = load_saved_model(run, plugins=plugins or [], trust=trust, backend=form.backend)
    with progress.phase(f"write and read back ({form.name})"), nullcontext() if verbose else captured_stderr():
        from glueft.export.exporter import export as write_export

        written = write_export(saved, place, form, force=force)
    if as_json:
        print_json(written)
    else:
        _tell(written, folder)


def _tell(written: dict[str, Any], folder: str) -> None:
    check = written["check"]
    say(
        f"{folder}: {written['architecture']} in the format {written['format']}, "
        f"{sum(written['files'].values()) / 1e6:.1f} MB, for rows of up to {written['max_length']} tokens"
    )
    if written["windows"] is not None:
        say("the run reads longer texts in windows (data.windows); what calls the export cuts them off")
    if written["decision"] is not None:
        decision = written["decision"]["text"]
        say(f"how labels are decided: {decision}; what calls the export has to do so, as in its README.md")
    say("labels: " + (", ".join(written["labels"]) or "none (a score)"))
    say(
        f"read back by {check['consumer']} {check['version']}: the same logits on {check['rows']} rows "
        f"(largest difference {check['largest_difference']:.1g})"
    )
    if check["missing"]:
        say(f"{check['missing']} is not installed, so it was not read back by its own consumer")
    say(f"{folder}/README.md says how to call it")
