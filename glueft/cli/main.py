"""The command line: the table of commands, and the one place where errors are printed."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from glueft.cli import (
    compare,
    describe,
    env,
    evaluate,
    explain,
    export,
    list_plugins,
    list_runs,
    plan,
    plugin_check,
    plugin_new,
    predict,
    push,
    receipt,
    report,
    reproduce,
    resume,
    run,
    schema,
    serve,
    show,
    submit,
    validate,
)
from glueft.cli.help_page import Command
from glueft.cli.plugin_commands import add_plugin_commands
from glueft.cli.streams import guard_streams, settle_streams
from glueft.cli.study import add_study_commands
from glueft.cli.usage_errors import known_command, suggest_options
from glueft.errors import GlueftError
from glueft.plugin.registry import load_registry
from glueft.system import interruption
from glueft.system.standard_output import give_back, set_aside
from glueft.text import say
from glueft.version import __version__

if TYPE_CHECKING:
    from glueft.system.memory_errors import NoMemory

DONE, BUG, FIXABLE, INTERRUPTED = 0, 1, 2, 130
# What a shell reports of a program whose reader went away (128 + SIGPIPE), as in `glueft schema | head -1`.
READER_GONE = 141
# Errors of a path that the user can fix, caught here for all files.
PATH_FAULTS = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.ENOSPC)

# Name, function, and the text below its help. The modules are cheap to import: the functions import what they need.
COMMANDS: tuple[tuple[str, Callable[..., None], str], ...] = (
    ("run", run.run, run.EPILOG),
    ("resume", resume.resume, resume.EPILOG),
    ("plan", plan.plan, plan.EPILOG),
    ("validate", validate.validate, validate.EPILOG),
    ("show", show.show, show.EPILOG),
    ("list-runs", list_runs.list_runs, list_runs.EPILOG),
    ("evaluate", evaluate.evaluate, evaluate.EPILOG),
    ("predict", predict.predict, predict.EPILOG),
    ("explain", explain.explain, explain.EPILOG),
    ("report", report.report, report.EPILOG),
    ("compare", compare.compare, compare.EPILOG),
    ("reproduce", reproduce.reproduce, reproduce.EPILOG),
    ("receipt", receipt.receipt, receipt.EPILOG),
    ("export", export.export, export.EPILOG),
    ("push", push.push, push.EPILOG),
    ("serve", serve.serve, serve.EPILOG),
    ("submit", submit.submit, submit.EPILOG),
    ("list", list_plugins.list_plugins, list_plugins.EPILOG),
    ("describe", describe.describe, describe.EPILOG),
    ("schema", schema.schema, schema.EPILOG),
    ("env", env.env, env.EPILOG),
)

# Those that end at once; all others, plugins' too, may run for long.
LIGHT = ("validate", "show", "list", "list-runs", "receipt", "describe", "schema", "env")

EPILOG = """\b
Examples:
  glueft run mrpc --sample           the main job, without a network
  glueft run recipes/mrpc.toml --epochs 1
  glueft study glue --sample         GLUE's table: eight tasks, several seeds
  glueft plan recipes/mrpc.toml      what that would take
  glueft predict RUN "A text." "Another text."
  glueft report RUN                  RUN is a run folder, such as runs/mrpc-20261122-154647-e0c87d
  glueft compare RUN RUN
  glueft list task
  glueft describe mrpc
"""


def main(begin: float | None = None) -> None:
    """Run the command line of this process and end it with the exit code; `begin` as in `command_line`."""
    guard_streams()
    # A light command makes little garbage, and a collection takes a tenth of its time.
    gc.disable()
    try:
        interruption.own_process()
        code = command_line(sys.argv[1:], begin=begin)
    except KeyboardInterrupt:  # between the two
        code = _tell_interruption()
    settle_streams()
    set_aside()  # functions of `atexit` may still print
    if interruption.leaves_at_once():
        _leave(code)
    if not gc.isenabled():
        gc.freeze()
    sys.exit(code)


def command_line(arguments: Sequence[str], *, begin: float | None = None) -> int:
    """Run one command.

    Args:
        arguments: those after `glueft`.
        begin: `time.perf_counter()` at which the clock of a run starts; None for when its work begins.

    Returns:
        The exit code: 0 done; 2 an error that the user can fix; 130 interrupted, 143 by SIGTERM or SIGUSR1, 129 by
        SIGHUP; 1 a bug, with its traceback printed.
    """
    with interruption.listening():
        try:
            try:
                code = _command_line(arguments, begin)
                interruption.check()
            finally:
                interruption.take()
        except KeyboardInterrupt:
            code = INTERRUPTED
        finally:
            give_back()
        # Once a signal has come, it decides the exit code, whatever exception a library made of it.
        return code if interruption.exit_code() is None and code != INTERRUPTED else _tell_interruption()


def _command_line(arguments: Sequence[str], begin: float | None) -> int:
    """Run one command and print its error, but not that it was interrupted."""
    try:
        code = make_app()(list(arguments), prog_name="glueft", standalone_mode=False, obj=begin)
        sys.stdout.flush()
    except GlueftError as error:
        return INTERRUPTED if interruption.exit_code() is not None else _tell(str(error), FIXABLE)
    except typer.TyperException as error:
        # Usage errors print themselves, with the command's usage line.
        suggest_options(error, arguments)
        told = io.StringIO()
        error.show(file=told) if hasattr(error, "show") else told.write(str(error))
        say(*told.getvalue().rstrip("\n").split("\n"), stream=sys.stderr)
        return FIXABLE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except SystemExit as leave:
        if isinstance(leave.__context__, BrokenPipeError):
            return _reader_gone()
        return leave.code if isinstance(leave.code, int) else DONE if leave.code is None else BUG
    except Exception as error:
        if interruption.exit_code() is not None:
            return INTERRUPTED
        from glueft.files import cannot_write, disk_fault  # not needed by light commands
        from glueft.system.memory_errors import no_memory

        if isinstance(error, OSError) and error.errno in PATH_FAULTS and error.filename is not None:
            return _tell(str(_path_fault(error)), FIXABLE)
        fault = disk_fault(error)
        if fault is not None:
            return _tell(str(cannot_write("what this command writes", fault)), FIXABLE)
        said = no_memory(error)
        if said is not None:
            return _tell(str(_memory_fault(said)), FIXABLE)
        say(*traceback.format_exc().rstrip("\n").split("\n"), stream=sys.stderr)
        return _tell(
            "this is a bug in glueft or in a plugin; please report it with the lines above and those of `glueft env`",
            BUG,
        )
    return code if isinstance(code, int) else DONE


# The commands in the help, by what they are for; those of plugins come last.
SECTIONS = {
    "Train": ("run", "study", "resume", "plan", "validate", "show", "reproduce"),
    "Inspect": ("list-runs", "evaluate", "predict", "explain", "report", "compare", "receipt"),
    "Ship": ("serve", "export", "push", "submit"),
    "Extend": ("list", "describe", "schema", "env", "plugin"),
}
OF_PLUGINS = "Commands of plugins"


class _Commands(TyperGroup):
    """Shows the commands by what they are for, and the whole first sentence of each."""

    def list_commands(self, ctx: Any) -> list[str]:
        known = [name for names in SECTIONS.values() for name in names if name in self.commands]
        return known + [name for name in super().list_commands(ctx) if name not in known]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and (meant := known_command(args, self.commands)):
            ctx.fail(f"No such command {args[0]!r}. Did you mean: glueft {meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        shown = {name: command for name, command in self.commands.items() if not command.hidden}
        rest = [name for name in self.list_commands(ctx) if not any(name in names for names in SECTIONS.values())]
        widest = max(map(len, shown))
        for title, names in (SECTIONS | {OF_PLUGINS: rest}).items():
            # Names of the same width make columns that are the same in all sections.
            rows = [(f"{name:<{widest}}", shown[name].get_short_help_str(1000)) for name in names if name in shown]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def make_app() -> typer.Typer:
    """The commands of glueft, and those of the installed plugins."""
    # Plain help: importing rich takes longer than all the rest of `--help`.
    app = typer.Typer(
        cls=_Commands,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},  # of all commands
    )
    app.callback(epilog=EPILOG)(_glueft)
    for name, function, epilog in COMMANDS:
        app.command(name, cls=Command, epilog=epilog)(function)
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Begin a plugin of your own, and check it.")
    group.command("new", cls=Command, epilog=plugin_new.EPILOG)(plugin_new.new)
    group.command("check", cls=Command, epilog=plugin_check.EPILOG)(plugin_check.check)
    app.add_typer(group, name="plugin")
    add_study_commands(app)
    for failure in add_plugin_commands(app, load_registry()):
        if "_GLUEFT_COMPLETE" not in os.environ:  # set by the shell while it completes a line
            say(f"warning: {failure}", stream=sys.stderr)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        say(f"glueft {__version__}")
        raise typer.Exit


def _glueft(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Fine-tune pretrained text encoders on GLUE tasks with Keras 3, from one declarative recipe."""
    if context.invoked_subcommand not in LIGHT:
        gc.enable()


def _tell_interruption() -> int:
    ended = interruption.exit_code() or INTERRUPTED
    return _tell("interrupted" if ended == INTERRUPTED else f"interrupted by {interruption.signal_name()}", ended)


def _tell(message: str, code: int) -> int:
    sys.stdout.flush()
    say(*message.split("\n"), stream=sys.stderr)
    return code


def _leave(code: int) -> NoReturn:
    """End the process, as after an interruption, without waiting for threads, such as one that downloads."""
    interruption.say_last()
    atexit._run_exitfuncs()
    settle_streams()
    os._exit(code)


def _path_fault(error: OSError) -> GlueftError:
    path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
    return GlueftError(
        f"{path if len(path) <= 200 else path[:200] + '...'} cannot be used",
        expected="a path that can be read, or written where something is written",
        received=error.strerror or str(error),
        fix="look at the path and its permissions, or name another",
    )


def _memory_fault(said: NoMemory) -> GlueftError:
    return GlueftError(
        said.message,
        expected="memory for the model and the rows",
        received=said.line,
        fix=said.or_else("end other programs, take fewer rows, or use a smaller model or another machine"),
    )


def _reader_gone() -> int:
    # Otherwise Python would report the broken pipe again when it closes standard output.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_GONE


if __name__ == "__main__":
    main()
