"""`glueft study`: the runs of several recipes, settings and seeds from one file, and their table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from glueft.cli import study_compare, study_status
from glueft.cli.help_page import Command
from glueft.cli.options import AsJson, Quiet, Verbose, print_json, takes_study
from glueft.cli.streams import go_on_without_output
from glueft.suggest import nearest
from glueft.text import say

if TYPE_CHECKING:
    from glueft.studies.definition.study import Study

HELP = """Run a study, several recipes, settings and seeds from one file, and make its table: glueft study FILE.

FILE is a TOML study, or the name of a packaged one (glue). `glueft study FILE` is short for `glueft study run FILE`.
"""
EPILOG = """\b
Examples:
  glueft study recipes/glue.toml --set model.checkpoint=./my-encoder
  glueft study glue --sample                   no network: shipped rows, packaged encoder
  glueft study mrpc-study --data-dir glue_data --set study.seeds=3
  glueft study status studies/glue             from another shell
  glueft study compare studies/glue studies/glue-other
"""


class StudyGroup(TyperGroup):
    """Takes `glueft study FILE ...` as `glueft study run FILE ...`, and shows the options of that in its help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            if len(args) > 1 and not any(arg.startswith("-") for arg in args[:2]):
                self._refuse(ctx, *args[:2])
            if asked := [arg for arg in args if arg.split("=")[0] in ("--seed", "--seeds")]:
                option = asked[0].split("=")[0]
                ctx.fail(f"The seeds of a study are in its file, {option} is for a recipe; give: --set study.seeds=3")
            args = ["run", *args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def _refuse(self, ctx: Any, command: str, study: str) -> None:
        """Say what takes a study where two words are given: `glueft study show glue`."""
        if command == "resume":
            ctx.fail(f"A study goes on with the same command: glueft study {study}")
        if command in ctx.find_root().command.commands:
            ctx.fail(f"No command {command} of a study; did you mean: glueft {command} {study}")
        if meant := nearest(command, self.commands):
            ctx.fail(f"No command {command} of a study; did you mean: glueft study {meant} {study}")

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["{FILE | COMMAND ...}", "[OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        records = (option.get_help_record(ctx) for option in self.commands["run"].get_params(ctx))
        with formatter.section("Options of `glueft study FILE`"):
            formatter.write_dl([record for record in records if record and record[0].startswith("-")])
        self.format_commands(ctx, formatter)


@takes_study
def run(
    study: Study,
    *,
    output_dir: Annotated[
        str, typer.Option(metavar="DIR", help="Where the folder of the study is made, DIR/NAME; or goes on.")
    ] = "studies",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Begin runs again that failed for good when this was run before.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write the report.html of each run too; the study's is written always.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Run what a study asks for and has not been done yet, and write its tables and its report.

    The same command goes on after whatever ended it; two of them on one folder share the work. The file may be edited
    in between: runs that are asked for still are not repeated.
    """
    run_and_tell(
        study,
        output_dir,
        retry_failed=retry_failed,
        report=report,
        as_json=as_json,
        verbose=verbose,
        quiet=quiet,
    )


def run_and_tell(
    study: Study,
    output_dir: str,
    *,
    retry_failed: bool = False,
    token_cache: Path | None = None,
    report: bool = False,
    as_json: bool = False,
    verbose: bool = False,
    quiet: bool = False,
) -> None:
    """Run a study and print its table; `quiet` shows nothing before that.

    Args:
        token_cache: for the tokens, in place of a folder in that of the study.

    Raises:
        StudyError: a run failed for good; the table is there all the same.
    """
    go_on_without_output()
    from glueft.studies.display.progress import StudyProgress, make_study_progress
    from glueft.studies.result_file import as_json as result_json
    from glueft.studies.run import refuse_failures, run_study
    from glueft.studies.tables.notes import notes
    from glueft.studies.tables.table import table
    from glueft.terminal.progress import make_progress

    progress = StudyProgress() if quiet else make_study_progress(sys.stdout)
    arguments = [*(["--report"] if report else []), *(["--verbose"] if verbose else [])]
    if token_cache is not None:
        arguments += ["--token-cache", str(token_cache.absolute())]
    options: dict[str, Any] = {"progress": progress, "retry_failed": retry_failed, "arguments": arguments}
    try:
        result = run_study(study, output_dir=output_dir, **options)
    except KeyboardInterrupt:
        say("what is done is kept; the same command goes on from here", stream=sys.stderr)
        raise
    if as_json:
        print_json(result_json(result))
    else:
        shown = make_progress(sys.stdout)
        shown.tables(table(result))
        for note in notes(result, short=True):
            shown.say(f"- {note}")
    refuse_failures(result)


def add_study_commands(app: typer.Typer) -> None:
    """Add `glueft study` and its own commands to those of glueft."""
    group = typer.Typer(cls=StudyGroup, no_args_is_help=True, rich_markup_mode=None, help=HELP, epilog=EPILOG)
    group.command("run", cls=Command, short_help="The same as `glueft study FILE`.")(run)
    status_help = "Say how a study stands, from another shell."
    group.command("status", cls=Command, short_help=status_help, epilog=study_status.EPILOG)(study_status.status)
    compare_help = "Compare two studies, such as those of two encoders."
    group.command("compare", cls=Command, short_help=compare_help, epilog=study_compare.EPILOG)(study_compare.compare)
    app.add_typer(group, name="study", short_help="Run several recipes, settings and seeds from one file.")
