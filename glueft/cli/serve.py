"""`glueft serve`: a model behind a small HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glueft.cli.options import PluginFiles, Precision, Trust, Verbose, json_option, print_json

EPILOG = """\b
Examples:
  glueft serve runs/mrpc-20261122-154647-e0c87d
  glueft serve RUN --port 0 --batch-size 32 --max-wait 10
  curl http://127.0.0.1:8000/predict -d '{"text": "A text."}'
  curl http://127.0.0.1:8000/predict -d '{"texts": ["A text.", "Another one."]}'
  curl http://127.0.0.1:8000/predict -d '{"texts": [["A first text.", "Its second text."]]}'
  curl http://127.0.0.1:8000/health
"""


def serve(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, its model/, or a classifier's folder.")],
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; by default nobody but this machine gets through.")
    ] = "127.0.0.1",
    # Named: typer 0.27 takes a metavar that is the name in capitals for the name itself.
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="PORT", help="0 for any that is free.")
    ] = 8000,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, metavar="ROWS", help="Rows at once; by default as in the run's own evaluation, or 64."),
    ] = None,
    max_wait: Annotated[
        float,
        typer.Option(min=0, max=10_000, metavar="MS", help="Milliseconds that a row waits for others of its batch."),
    ] = 5.0,
    max_rows: Annotated[int, typer.Option(min=1, metavar="ROWS", help="The most rows of one request.")] = 1024,
    max_queue: Annotated[
        int, typer.Option(min=1, metavar="ROWS", help="The most rows that wait; more are refused with status 503.")
    ] = 8192,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name that a proxy on this machine passes on as Host; repeatable."),
    ] = None,
    precision: Precision = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: Annotated[bool, json_option("Print one JSON object with the address, once it can be asked.")] = False,
    verbose: Verbose = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show warnings alone, and not the address.")] = False,
) -> None:
    """Answer HTTP requests with the predictions of a run's model, as `glueft predict --json` gives them.

    Requests that come at the same time share batches. Ctrl-C or SIGTERM ends the service: what waits is answered, and
    nothing new is taken. There is no password and no encryption: put a server that has them in front of it where
    others than this machine are to reach it. Needs `pip install 'glueft[serve]'`.
    """
    from glueft.inference.opening import OpenedModel
    from glueft.inference.progress import PredictionProgress
    from glueft.serve.answering import Answering
    from glueft.serve.limits import Limits
    from glueft.serve.serve import address_of, bind, is_loopback, require_packages, serve
    from glueft.system import interruption
    from glueft.system.quiet import hush_libraries
    from glueft.version import __version__

    require_packages()
    if not verbose:
        hush_libraries()
    progress = PredictionProgress(quiet=quiet)
    opened = OpenedModel(run, progress, plugins=plugins or [], trust=trust, batch_size=batch_size, precision=precision)
    choice = opened.any_choice()
    with bind(host, port) as bound:
        model, url = opened.model(), address_of(bound)
        if not is_loopback(bound):
            progress.say(f"warning: whoever reaches {url} can use the model: there is no password and no encryption")
        facts = {
            "model": run.resolve().name,
            "task": None if opened.run is None else opened.run.record.task,
            "labels": list(model.labels),
            "inputs": list(choice.inputs),
            "max_length": model.max_length,
            "precision": model.precision,
            "glueft": __version__,
        }

        def ready() -> None:
            progress.inform(f"{facts['model']} at {url} ({model.precision}); Ctrl-C ends")
            if as_json:
                print_json({"url": url, "limits": {"rows": max_rows, "waiting_rows": max_queue}} | facts)

        answering = Answering(model)
        if answering.compiled:
            progress.inform("programs are compiled for rows of several lengths; on JAX the next start finds them")
        answering.warm_up(2 if model.pair else 1)
        with interruption.deferred():
            serve(
                bound,
                answering,
                choice,
                facts,
                Limits(max_rows, max_queue),
                pairs=model.pair,
                names=allow_host or ([] if is_loopback(bound) else None),
                max_wait=max_wait / 1000,
                ready=ready,
                is_over=lambda: interruption.waiting_number() is not None,
                say=progress.inform,
            )
