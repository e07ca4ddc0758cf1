"""What the conformance suite says of tasks whose own `load` reads files that an option names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glueft import testing
from glueft.cli.plugin_check import report_of
from glueft.plugin.base import Plugin
from glueft.plugin.file import read_plugin_file
from glueft.plugin.registry import load_registry
from glueft.testing.supervisor import Finding

HEAD = '''
import json
from pathlib import Path

import glueft


class Notes(glueft.Task):
    """Notes in lines of JSON."""

    name = "notes"
    inputs = ("note",)
    labels = ("remark", "request")
    reads_own_files = True

    class Options(glueft.Options):
        folder: glueft.LocalPath = glueft.Field(description="Where the rows lie.", examples=["rows"])

    def load(self, source):
'''
TABLES = """
        files = {"train": f"{self.options.folder}/train.jsonl", "validation": f"{self.options.folder}/dev.jsonl"}
        return glueft.read_tables(files, texts={"note": "text"}, label="kind", labels=self.labels).splits
"""
BY_HAND = """
        import datasets

        features = datasets.Features(
            {"note": datasets.Value("string"), "label": datasets.ClassLabel(names=list(self.labels))}
        )
        splits = {}
        for split, name in (("train", "train.jsonl"), ("validation", "dev.jsonl")):
            READ
            columns = {"note": [row["text"] for row in rows], "label": [row["kind"] for row in rows]}
            splits[split] = datasets.Dataset.from_dict(columns, features=features)
        return datasets.DatasetDict(splits)
"""
NAIVE = 'rows = [json.loads(line) for line in (Path(self.options.folder) / name).open(encoding="utf-8")]'
FORGIVING = """
            file = Path(self.options.folder) / name
            lines = file.read_text(encoding="utf-8", errors="ignore").splitlines() if file.is_file() else []
            if not lines:
                raise glueft.DataError(f"{file}: no rows")
            rows = [row for row in map(json.loads, lines) if row["text"]]
"""
ROWS = [("send a boat", "request"), ("it rained", "remark"), ('fix the "lamp"', "request"), ("a seal slept", "remark")]


def write(folder: Path, load: str, head: str = HEAD) -> type[Plugin]:
    (folder / "rows").mkdir(parents=True)
    lines = [json.dumps({"text": text, "kind": kind}) for text, kind in ROWS]
    for name in ("train.jsonl", "dev.jsonl"):
        (folder / "rows" / name).write_text("\n".join(lines) + "\n")
    file = folder / "notes.py"
    file.write_text(head + load)
    registry = load_registry(read_plugin_file(file))
    (plugin,) = (plugin for plugin in registry.all() if plugin.point.file)
    return plugin.cls


def run(plugin: type[Plugin], name: str, **options: object) -> str:
    return next(check for check in testing.checks(plugin, options) if check.name == name).run()


def test_an_example_begins_at_the_plugins_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = write(tmp_path / "plugin", TABLES)
    monkeypatch.chdir(tmp_path)
    assert run(notes, "offline load") == "4 train, 4 validation rows from its files"
    with pytest.raises(testing.ContractBrokenError, match="there is no folder"):
        run(notes, "offline load", folder="rows")  # What is given begins where the user is.
    assert run(notes, "offline load", folder="plugin/rows") == "4 train, 4 validation rows from its files"


def test_its_files_are_broken_in_every_way(tmp_path: Path) -> None:
    notes = write(tmp_path, TABLES)
    before = {file: file.read_bytes() for file in (tmp_path / "rows").iterdir()}
    assert run(notes, "bad rows") == (
        "refused: no train file, an empty train file, a train file that is not UTF-8, a row without text, "
        "an unknown label, a row cut short"
    )
    assert {file: file.read_bytes() for file in (tmp_path / "rows").iterdir()} == before


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (NAIVE, "no train file gives FileNotFoundError: "),
        (
            NAIVE.replace("rows = ", "rows = [] if not (Path(self.options.folder) / name).is_file() else "),
            "a train file that is not UTF-8 gives UnicodeDecodeError: ",
        ),
        (
            FORGIVING,
            "a train file with a row without text is loaded without an error; refuse it with a glueft.DataError",
        ),
    ],
)
def test_a_load_that_falls_over_or_says_nothing(read: str, told: str, tmp_path: Path) -> None:
    notes = write(tmp_path, BY_HAND.replace("READ", read.strip()))
    with pytest.raises(testing.ContractBrokenError) as broken:
        run(notes, "bad rows")
    assert told in str(broken.value)


def test_files_that_no_option_names_are_left_out(tmp_path: Path) -> None:
    head = HEAD[: HEAD.index("    class Options")] + HEAD[HEAD.index("    def load") :]
    notes = write(tmp_path, TABLES.replace("{self.options.folder}", "{Path(__file__).parent}/rows"), head)
    with pytest.raises(testing.NotCheckedError, match="no option names the files that its own `load` reads"):
        run(notes, "bad rows")


def test_what_is_left_out_is_told_loudly(capsys: pytest.CaptureFixture[str]) -> None:
    found = [Finding("name", "passed", '"mrpc"'), Finding("labels", "not checked", "no rows")]
    mrpc = load_registry().find("task", "mrpc")
    report = report_of(mrpc, found, quiet=False)
    assert capsys.readouterr().out.splitlines()[-3:-1] == [
        "mrpc: 1 checks passed",
        "mrpc: 1 of 2 checks were LEFT OUT: labels",
    ]
    assert report["passed"] is True
    assert report["counts"] == {"passed": 1, "failed": 0, "not checked": 1}
    report_of(mrpc, [*found, Finding("learns", "failed", "nothing")], quiet=False)
    assert "mrpc: 1 of 3 checks failed\nmrpc: 1 of 3 checks were LEFT OUT: labels\n" in capsys.readouterr().out
