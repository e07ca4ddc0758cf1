"""Names, paths and values that look like markup or control reach no terminal as such, whichever command shows them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from report_runs import make_table_run
from run_folders import change_record, make_run

# A closing tag of rich, which raised; a style, which was eaten; colour, a link (OSC 8), BEL, C1's CSI; an override of
# direction, a zero-width space, a line separator.
MARKUP = "[/] [bold]b[/bold] [v2]"
CONTROL = "\x1b[31m\x1b]8;;mailto:x\x1b\\l\x07\x9b2J\u202e\u200b\u2028"
NAME = MARKUP.replace("/", "") + CONTROL
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff]")
MIXED = MARKUP + CONTROL

Captured = pytest.CaptureFixture[str]


def told(capsys: Captured, *arguments: str, code: int | None = None) -> str:
    """What a command prints on both streams: nothing in it is obeyed by a terminal, and it ends in no traceback."""
    ended = command_line(arguments)
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert not OBEYED.search(text), repr(text)
    assert "Traceback" not in text and "MarkupError" not in text, text
    assert ended == code if code is not None else ended in (0, 2), text
    if "--json" in arguments and ended == 0:
        json.loads(printed.out)
    return text


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a hostile name with two finished runs, whose checkpoint, versions and metrics have such names too."""
    folder = tmp_path_factory.mktemp("runs") / NAME
    for name, seed in (("one" + NAME, 1), ("two", 2)):
        run = make_run(folder / name, [0, 1, 1], [0, 1, seed % 2], seed=seed)
        change_record(
            run, checkpoint={"name": MIXED}, versions={MIXED: MIXED}, metrics={MIXED: 0.5}, host={"name": MIXED}
        )
    failed = make_run(folder / "failed", [0, 1], [0, 1])
    change_record(failed, status="failed", error=MIXED)
    (folder / "broken").mkdir()
    (folder / "broken" / "run.json").write_text(json.dumps({"status": MIXED}))
    return folder


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_lists_and_comparisons(runs: Path, capsys: Captured, json_too: tuple[str, ...]) -> None:
    text = told(capsys, "list-runs", str(runs), *json_too, code=0)
    assert (MARKUP in text and ("\\\\x1b" if json_too else r"\x1b[31m") in text) or "\\u001b" in text
    one, two = sorted(map(str, runs.glob("[ot][nw][eo]*")))
    text = told(capsys, "compare", one, two, *json_too, code=0)
    assert MARKUP in text
    told(capsys, "list-runs", str(runs), "--sort", MIXED, "--task", MIXED, *json_too, code=0)
    for arguments in (["--sort", MIXED + "x"], ["--status", MIXED]):
        assert MARKUP in told(capsys, "list-runs", str(runs), *arguments, *json_too, code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate", MIXED],
        ["validate", "mrpc", "--set", f"{MIXED}=1"],
        ["validate", "mrpc", "--set", f"task.plugin={MIXED}"],
        ["validate", "mrpc", "--plugin", MIXED],
        ["show", "mrpc", "--set", f"model.checkpoint={MIXED}"],
        ["run", MIXED],
        ["run", "mrpc", "--checkpoint", MIXED, "--data-dir", MIXED],
        ["plan", "mrpc", "--sample", "--no-probe", "--checkpoint", f"./{NAME}"],
        ["plan", "mrpc", "--data-dir", MIXED, "--no-probe"],
        ["list", MIXED],
        ["list", "--plugin", MIXED],
        ["describe", NAME],
        ["describe", f"task/{NAME}"],
        ["schema", "--plugin", MIXED],
        ["list-runs", MIXED],
        ["evaluate", MIXED],
        ["evaluate", "--task", MIXED, "--checkpoint", MIXED],
        ["predict", MIXED, "text"],
        ["predict", "runs", "--input", MIXED, "--output", f"{NAME}.csv"],
        ["report", MIXED],
        ["compare", MIXED, MIXED],
        ["export", MIXED, NAME],
        ["export", "runs", "out", "--format", MIXED],
        ["push", MIXED, "alice/x"],
        ["push", "runs", MIXED],
        ["submit", MIXED],
        ["env", "--backend", MIXED],
        ["plugin", "new", MIXED],
        ["plugin", "check", NAME],
        ["plugin", "check", "mrpc", "--set", f"{MIXED}=1"],
        # What the parser of the command line itself says.
        [MIXED],
        ["run", "mrpc", f"--{MIXED}"],
        ["run", "mrpc", MIXED, MIXED],
        ["plugin", MIXED],
    ],
    ids=lambda arguments: " ".join(arguments)[:24].encode("ascii", "replace").decode().replace("\x1b", "?"),
)
def test_arguments(arguments: list[str], capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    text = told(capsys, *arguments)
    assert "[bold]b[" in text or arguments[0] in ("run", "plan", "predict", "export", "push"), text


def test_a_recipe_with_names_of_that_kind(tmp_path: Path, capsys: Captured) -> None:
    quoted = json.dumps(MIXED)
    for content in (
        f"[{quoted}]\na = 1\n",
        f"[task]\nplugin = {quoted}\n",
        f"[training]\n{quoted} = {quoted}\nepochs = {quoted}\n",
        f"a = {MIXED}\n",
        f'[[callbacks]]\nplugin = "csv"\nfile = {quoted}\n',
    ):
        file = tmp_path / f"{NAME}.toml"
        file.write_text(content)
        assert "[bold]b[" in told(capsys, "validate", str(file), code=2)


def test_a_plugin_file_of_that_kind(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / f"{NAME}.py"
    file.write_text(f"raise RuntimeError({MIXED!r})\n")
    assert MARKUP in told(capsys, "list", "--plugin", str(file))
    file.write_text(
        f"import glueft\n\nclass Mood(glueft.Task):\n    {MIXED!r}\n    name = 'mood'\n    inputs = ({MIXED!r},)\n"
        f"    labels = ({MIXED!r}, 'b')\n    metrics = ('accuracy',)\n    tsv = glueft.TSVLayout(folder={MIXED!r}, "
        f"columns={{{MIXED!r}: {MIXED!r}, 'label': 'b'}})\n\n@glueft.hookimpl\ndef glueft_tasks():\n    return [Mood]\n"
    )
    for arguments in (["list"], ["describe", "mood"], ["list", "--json"], ["describe", "mood", "--json"]):
        assert "[bold]b[" in told(capsys, *arguments, "--plugin", str(file))


def test_a_report_holds_the_texts_and_no_markup_of_them(tmp_path: Path, capsys: Captured) -> None:
    script = "<script>alert(1)</script>" + MIXED
    rows = [(script, script, "a"), ("one", "two", "b")]
    run = make_table_run(tmp_path, rows, ["a", "b"], [1, 0])
    change_record(run, checkpoint={"name": script}, versions={script: script}, error=script, warnings=[script])
    named = shutil.move(run, tmp_path / NAME)
    assert MARKUP.replace("/", "") in told(capsys, "report", str(named), code=0)
    page = (Path(named) / "report.html").read_text("utf-8")
    assert (
        "<script>alert" not in page and "&lt;script&gt;alert(1)" in page and "\x1b" not in page and "\x9b" not in page
    )
    assert MARKUP.replace("/", "") in told(capsys, "report", str(named), "--force", "--json", code=0)
