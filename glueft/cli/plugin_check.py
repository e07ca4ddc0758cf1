"""`glueft plugin check`: the conformance suite, from the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glueft.cli.installed import find_plugin, plugin_names, source_of
from glueft.cli.options import AsJsonAlone, PluginFiles, print_json
from glueft.plugin.file import read_plugin_file
from glueft.plugin.registry import Registered, Registry, use_registry
from glueft.text import say

if TYPE_CHECKING:
    from glueft.plugin.origin import Failure
    from glueft.testing.supervisor import Finding

EPILOG = """\b
Examples:
  glueft plugin check demo
  glueft plugin check                     every installed plugin that is not glueft's own
  glueft plugin check --plugin my_task.py --data-dir DATA
  glueft plugin check schedule/triangle --set peak=1e-3 --json
"""

MARKS = {"passed": "✓", "failed": "✗", "not checked": "-"}
PLAIN_MARKS = {"passed": "ok", "failed": "FAILED", "not checked": "-"}


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Plugins, by NAME or KIND/NAME; else all others'.", autocompletion=plugin_names
        ),
    ] = None,
    files: PluginFiles = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set an option of the plugin. Repeatable."),
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(metavar="DIR", help="Read a task's rows from this folder, not from its sample.")
    ] = None,
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Stop a check that takes longer than this.")
    ] = 120.0,
    as_json: AsJsonAlone = False,
) -> None:
    """Check plugins against the contract.

    It checks name, docstring, options, and that the import is light. For a task: the sample loads without a network,
    labels and pairs are in order, metrics exist, rows are the same each time, bad rows are refused, and a tiny encoder
    overfits 16 rows. The others must build and work, and go on in a run that is resumed. The exit code is 2 if a check
    fails.
    """
    from glueft.testing.supervisor import findings

    given = option_values(overrides or [])
    registry = use_registry(*dict.fromkeys(map(read_plugin_file, files or ())))
    plugins, failures = chosen(registry, names or [], by_file=bool(files))
    reports = [_failure_report(failure, quiet=as_json) for failure in failures]
    for plugin in plugins:
        found = findings(plugin.cls, given, data_dir, time_limit)
        reports.append(report_of(plugin, found, quiet=as_json))
    passed = all(report["passed"] for report in reports)
    if as_json:
        left_out = sum(report["counts"]["not checked"] for report in reports)
        print_json({"passed": passed, "left_out": left_out, "plugins": reports})
    elif not reports:
        say("no plugin but glueft's own is installed; name one to check it: glueft plugin check mrpc")
    if not passed:
        raise typer.Exit(2)


def chosen(registry: Registry, names: Sequence[str], *, by_file: bool) -> tuple[list[Registered], list[Failure]]:
    """Return the plugins to check, and the failures to report.

    Raises:
        GlueftError: nothing has such a name, neither a plugin nor a failure.
    """
    if not names:
        plugins = [plugin for plugin in registry.all() if plugin.point.file or not by_file]
        failures = [failure for failure in registry.failures if failure.file or not by_file]
        return (
            [plugin for plugin in plugins if plugin.package != "glueft"],
            [failure for failure in failures if failure.package != "glueft"],
        )
    plugins, failures = [], []
    for name in names:
        lost = [failure for failure in registry.failures if name in _known_as(failure)]
        failures += [failure for failure in lost if failure not in failures]
        if not lost:
            plugins.append(find_plugin(name, registry, "plugin check"))
    return plugins, failures


def _known_as(failure: Failure) -> set[str | None]:
    """The names by which a user may call something that cannot be used."""
    if failure.name is not None:
        return {failure.name, f"{failure.kind}/{failure.name}"}
    package = failure.package or ""
    return {package, package.removeprefix("glueft-"), failure.entry_point, failure.file} - {None, ""}


def option_values(overrides: Sequence[str]) -> dict[str, Any]:
    """The values that `--set` gives to options.

    Raises:
        GlueftError: an argument is malformed.
    """
    from glueft.errors import GlueftError
    from glueft.recipe.overrides import parse

    values, problems = parse(overrides)
    for problem in problems:
        raise GlueftError(
            f"{problem.where}: {problem.message}",
            expected=problem.expected,
            received=problem.received,
            fix=problem.fix,
        )
    for value in values:
        if len(value.path) > 1:
            raise GlueftError(
                f"{value.where}: an option is named here without its table",
                expected="KEY=VALUE with the name of an option",
                received=".".join(map(str, value.path)),
                fix=f"write --set {value.path[-1]}=...",
            )
    return {str(value.path[0]): value.value for value in values}


def report_of(plugin: Registered, found: Iterable[Finding], *, quiet: bool) -> dict[str, Any]:
    """Print each finding at once; return all of them as `--json` prints them."""
    marks = _marks()
    if not quiet:
        say(f"{plugin.name}, a plugin of kind {plugin.kind} from {plugin.origin}")
    kept = []
    for finding in found:
        kept.append(finding)
        if not quiet:
            say(f"  {marks[finding.state]} {finding.check:<13} {finding.said}")
    failed = sum(finding.state == "failed" for finding in kept)
    left_out = [finding.check for finding in kept if finding.state == "not checked"]
    passed = len(kept) - failed - len(left_out)
    if not quiet:
        done = f"{failed} of {len(kept)} checks failed" if failed else f"{passed} checks passed"
        say(f"{plugin.name}: {done}")
        if left_out:
            say(f"{plugin.name}: {len(left_out)} of {len(kept)} checks were LEFT OUT: {', '.join(left_out)}")
        say("")
    return {
        "kind": plugin.kind,
        "name": plugin.name,
        **source_of(plugin),
        "passed": not failed,
        "counts": {"passed": passed, "failed": failed, "not checked": len(left_out)},
        "checks": [{"check": finding.check, "state": finding.state, "said": finding.said} for finding in kept],
    }


def _failure_report(failure: Failure, *, quiet: bool) -> dict[str, Any]:
    if not quiet:
        called = f"{failure.name}, a plugin of kind {failure.kind} from {failure.origin}"
        say(called if failure.name else failure.origin)
        say(f"  {_marks()['failed']} {'found':<13} {failure.reason}", "")
    return {
        "kind": failure.kind,
        "name": failure.name,
        "package": failure.package,
        "version": failure.version,
        "file": failure.file,
        "passed": False,
        "counts": {"passed": 0, "failed": 1, "not checked": 0},
        "checks": [{"check": "found", "state": "failed", "said": failure.reason}],
    }


def _marks() -> dict[str, str]:
    try:
        "".join(MARKS.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return PLAIN_MARKS
    return MARKS
