"""The example notebook: it is stored clean, and runs from its first cell to its last with nothing but its results."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from documents import CHECKOUT

NOTEBOOK = CHECKOUT / "recipes" / "notebook.ipynb"


def test_it_is_stored_without_outputs_and_paths() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    for cell in json.loads(text)["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert not re.search(r'["\s](/|[A-Z]:\\)\w', text), "a path of some machine"


@pytest.mark.slow
def test_it_runs_and_shows_its_results_alone(tmp_path: Path, minilm: str) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel: pip install 'glueft[dev]'")
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel: pip install 'glueft[dev]'")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute(cwd=str(tmp_path))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = {cell.source.splitlines()[-1]: cell.outputs for cell in cells}
    # No bar of a library, no log line and no warning: those are streams.
    assert {output.output_type for found in outputs.values() for output in found} == {"display_data", "execute_result"}
    (shown,) = outputs['run = glueft.run("sst2", changes, sample=True)']
    page = shown.data["text/html"]
    for part in ("384 train rows: negative", "best so far", "accuracy", "95 % interval", "runs/sst2-"):
        assert part in page
    assert page.count("<pre") == 1
    assert "0.5000" in outputs["run.metrics"][0].data["text/html"].replace("0.5<", "0.5000<")
    assert "image/png" in outputs[next(line for line in outputs if "plot" in line)][0].data
    predicted = outputs[next(line for line in outputs if "run.predict(" in line)][-1].data["text/plain"]
    assert "positive" in predicted.splitlines()[1]
    explained = outputs[next(line for line in outputs if "run.explain(" in line)][-1].data["text/html"]
    assert '<span style="color' in explained and "funny" in explained
    assert outputs["again.metrics.equals(run.metrics)"][0].data["text/plain"] == "True"
    assert (next((tmp_path / "runs").glob("sst2-*/report.html"))).is_file()
