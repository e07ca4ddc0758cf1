"""`glueft env`: what there is to compute with, and what is wrong with it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from glueft.cli.options import AsJsonAlone, print_json
from glueft.text import say

EPILOG = """\b
Examples:
  glueft env                        to begin with, and for a bug report
  glueft env --json
  glueft env --backend jax          what a run with --backend jax would compute on
  glueft env --no-probe             without importing the backend, which takes seconds
"""


def env(
    backend: Annotated[
        str, typer.Option(metavar="NAME", help='As of a run: "tensorflow", "jax", "torch", or "auto".')
    ] = "auto",
    probe: Annotated[
        bool,
        typer.Option("--probe/--no-probe", help="Ask the backend for its devices, in a process of its own."),
    ] = True,
    as_json: AsJsonAlone = False,
) -> None:
    """Tell what there is to compute with, what a run would use, and what is wrong.

    It shows the machine, its GPUs, the backend and the precision that "auto" comes to and why, versions, whether the
    hub can be reached, folders, and variables of the environment; no token and no password. What is wrong comes last,
    each with what to do about it. The exit code is 0 also then; with --json, `problems` is empty if all is well.
    """
    from glueft.environment.facts import gather
    from glueft.environment.findings import findings
    from glueft.environment.report import as_json as in_json
    from glueft.environment.report import report_lines

    facts = gather(backend, ask_backend=probe, say=lambda text: say(text, stream=sys.stderr))
    found = findings(facts)
    if as_json:
        print_json(in_json(facts, found))
        return
    say(*report_lines(facts, found))
