"""`glueft push`: push a finished run to the hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glueft.cli.options import AsJson, PluginFiles, Trust, print_json
from glueft.cli.streams import go_on_without_output

if TYPE_CHECKING:
    from glueft.push.push import Pushed
    from glueft.system.console import Table

EPILOG = """\b
Examples:
  glueft push runs/mrpc-20261122-154647-e0c87d alice/mrpc-minilm
  glueft push RUN alice/mrpc-minilm --private
  glueft push RUN alice/mrpc-minilm --revision trial-2 --json
  glueft push RUN alice/mrpc-minilm --license apache-2.0

\b
The token is that of `hf auth login` or HF_TOKEN. With [hub] push = "alice/mrpc-minilm" in its recipe a run pushes
itself; if that failed, use this command.
"""


def push(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder, or its model/.")],
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="The repository; made if it does not exist.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private, and refuse one that is public.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Push to this branch; made if it does not exist.")
    ] = None,
    license_name: Annotated[
        str | None,
        typer.Option("--license", metavar="NAME", help="The licence for the card, as the hub names it (apache-2.0)."),
    ] = None,
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="The language of the texts for the card; by default the task's.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a model and card that glueft has not pushed.")
    ] = False,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Push a finished run to the hub.

    Pushed are the model, its card, the recipe and the numbers. The repository then loads in glueft by its name, and in
    transformers if that has the encoder's family. The card names task, data, metrics, recipe, versions and limits;
    recipe.toml and run.json are pushed without host names and paths. All of it is one commit: a failure leaves nothing
    half pushed.
    """
    from glueft.push.push import Target, push_run
    from glueft.push.record import note_push
    from glueft.runs.run import Run
    from glueft.system.quiet import hush_libraries
    from glueft.terminal.progress import make_progress

    target = Target(
        repository, private=private, revision=revision, force=force, license=license_name, language=language
    )
    hush_libraries()
    saved = Run.open(run, plugins=plugins or [], trust=trust)
    go_on_without_output()
    progress = make_progress(sys.stdout)
    with progress.phase(f"push to {repository}"):
        pushed = push_run(saved, target)
    note_push(saved, pushed, progress.say)
    if as_json:
        print_json(pushed.as_record())
    else:
        progress.tables(_table(pushed))


def _table(pushed: Pushed) -> Table:
    from glueft.files import size
    from glueft.system.console import Table

    table = Table(title=pushed.target.repository, title_justify="left", show_header=False)
    table.add_column("name")
    table.add_column("value", overflow="fold")
    state = f"{'new' if pushed.created else 'updated'}, {'private' if pushed.private else 'public'}"
    table.add_row("repository", f"{pushed.url} ({state})")
    table.add_row("commit", f"{pushed.commit} on {pushed.target.branch}")
    table.add_row("files", f"{', '.join(pushed.files)} ({size(sum(pushed.files.values()))})")
    if pushed.removed:
        table.add_row("removed", f"{', '.join(pushed.removed)} (of another checkpoint)")
    branch = "" if pushed.target.revision is None else f" --set 'model.revision=\"{pushed.target.revision}\"'"
    table.add_row("load it", f"glueft run RECIPE --checkpoint {pushed.target.repository}{branch}")
    return table
