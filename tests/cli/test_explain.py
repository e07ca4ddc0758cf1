"""`glueft explain`, and `glueft predict --explain`, as a user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from glueft.cli.main import command_line

Captured = pytest.CaptureFixture[str]
TEXTS = ["The town said so.", "The town has said it."]


def test_a_row_of_the_run(finished_run: Path, capsys: Captured) -> None:
    assert command_line(["explain", str(finished_run), "--row", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (found,) = told["explanations"]
    line = (finished_run / "predictions" / "validation.tsv").read_text().splitlines()[4].split("\t")
    assert (found["row"], found["split"], found["reference"], found["prediction"]) == (3, "validation", *line[1:3])
    assert found["label"] == found["explanation"]["label"] == line[2] and told["precision"] == "float32"
    assert found["texts"][0].startswith("Nine of the ten")
    assert {*found["explanation"]["words"][0]} == {"text", "input", "start", "end", "score"}
    assert command_line(["explain", str(finished_run), "--row", "3"]) == 0
    text = capsys.readouterr().out
    assert "row 3 of validation, reference " + line[1] in text
    assert "sentence1: Nine of the ten" in text and f"logit of {line[2]}: " in text and "other words" in text


def test_texts_with_predict_and_with_explain(finished_run: Path, capsys: Captured) -> None:
    assert command_line(["predict", str(finished_run), *TEXTS, "--explain", "--json"]) == 0
    (predicted,) = json.loads(capsys.readouterr().out)["predictions"]
    assert command_line(["explain", str(finished_run), *TEXTS, "--json"]) == 0
    (explained,) = json.loads(capsys.readouterr().out)["explanations"]
    assert predicted == explained and predicted["texts"] == TEXTS


def test_nothing_in_a_text_is_obeyed(finished_run: Path, capsys: Captured) -> None:
    assert command_line(["explain", str(finished_run), "[red]The\x1b[31m town[/]", "[link=x]so[/link]"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and "[red]The" in text and "[link=x]so[/link]" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "there is nothing to explain"),
        (["A text.", "--row", "1"], "texts and --row contradict each other"),
        (["A", "B", "--split", "validation"], "--split says where the rows of a run are"),
        (["A", "B", "--data-dir", "x"], "--data-dir says where the rows of a run are"),
        (["--row", "153", "--row", "0", "--row", "999"], "validation has no row 153 and no row 999"),
        (["", "A text."], "no text"),
        (["--row", "0", "--split", "validatoin"], 'has no predictions of the split "validatoin"'),
        (["A", "B", "--label", "same"], 'the model has no label called "same"'),
        (["A"], "this model reads two texts at once"),
        (["--row", "0", "--data-dir", "nowhere"], "the texts of validation are not to be had"),
    ],
)
def test_what_cannot_be_explained(
    arguments: list[str],
    says: str,
    finished_run: Path,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line(["explain", str(finished_run), *arguments]) == 2
    told = capsys.readouterr()
    assert says in told.err and "expected: " in told.err and "fix: " in told.err and told.out == ""


def test_rows_of_what_is_no_run(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    alone = shutil.copytree(finished_run / "model", tmp_path / "alone")
    assert command_line(["explain", str(alone), "--row", "0"]) == 2
    assert "is no run, and has no rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "received"),
    [
        (["A", "B", "--precision", "mixed_bfloat16"], "--explain with --precision"),
        (["--interactive"], "--explain with --interactive"),
    ],
)
def test_what_predict_explains(options: list[str], received: str, finished_run: Path, capsys: Captured) -> None:
    assert command_line(["predict", str(finished_run), "--explain", *options]) == 2
    assert received in capsys.readouterr().err
