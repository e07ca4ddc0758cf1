"""What is said before the training: collected from the task and from glueft's own checks, shown, and kept."""

from __future__ import annotations

import io
from pathlib import Path

from glueft.recipe import load_recipe
from glueft.report.write import write_report
from glueft.terminal.progress import PlainProgress
from glueft.training.plan import plan_recipe
from report_runs import change_record, make_table_run

PLUGIN = '''
"""A task that warns."""

import glueft
from glueft_tasks.mrpc import MRPC


class Warner(MRPC):
    """MRPC with doubts."""

    name = "warner"
    sample = "samples"

    def load(self, source):
        source.warn("row 3 is doubtful")
        source.warn("row 3 is doubtful")
        return super().load(source)
'''


def test_a_task_warns_in_load(tmp_path: Path, tiny_bert: Path) -> None:
    (tmp_path / "warner.py").write_text(PLUGIN)
    samples = Path(__import__("glueft_tasks").__file__ or "").parent / "samples"
    (tmp_path / "samples").symlink_to(samples)
    recipe = load_recipe(
        "mrpc", ["task.plugin=warner"], sample=True, checkpoint=str(tiny_bert), plugins=[str(tmp_path / "warner.py")]
    )
    shown = io.StringIO()
    plan = plan_recipe(recipe, probe=False, progress=PlainProgress(shown))
    assert [text for text in plan["warnings"] if "doubtful" in text] == ["row 3 is doubtful"]
    assert shown.getvalue().count("warning: row 3 is doubtful\n") == 1


def test_the_report_repeats_them(tmp_path: Path) -> None:
    rows = [("good day", "hello", "yes"), ("bad day", "again", "no")]
    run = make_table_run(tmp_path, rows, ("no", "yes"), [1, 0])
    change_record(run, warnings=["row 3 is <doubtful>\x1b[2J"])
    page = write_report(run, tmp_path / "page.html").path.read_text("utf-8")
    assert "Warning: row 3 is &lt;doubtful&gt;␛[2J." in page
    assert page.index("Warning: row 3") < page.index('id="result"')
