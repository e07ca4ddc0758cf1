"""study.json gives back what was written, also after the folder was moved, and says what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from glueft.errors import StudyError
from glueft.studies.result_file import NAME, read_result, write_result
from study_results import recipe_result, study_result, study_run


def test_a_result_is_read_as_it_was_written_from_where_it_lies_now(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    runs = [
        study_run("mrpc", 1, 0.1 + 0.2, 0.9, setting={"optimizer.learning_rate": 2e-5}, folder=first / "runs/a/b"),
        study_run("mrpc", 2, state="failed", error="no room", folder=Path("/elsewhere/run")),
        study_run("mrpc", 3, state="waiting", folder=None),
    ]
    result = study_result(recipe_result("mrpc", runs), folder=first, study={"study": {"seeds": [1, 2, 3]}})
    result = replace(result, left_out=[(str(first / "runs" / "old"), "not asked for")])
    write_result(result)
    moved = first.rename(tmp_path / "moved")
    found = read_result(moved)
    assert found.folder == moved and found.study == result.study
    assert found.left_out == [(str(moved / "runs" / "old"), "not asked for")]
    assert [*found.runs[0].metrics["validation"].values()] == [0.1 + 0.2, 0.9]
    assert found.runs == [replace(runs[0], folder=moved / "runs/a/b"), *runs[1:]]
    assert [*found.recipes[0].published] == [*result.recipes[0].published] != []


def test_a_key_of_a_later_version_is_left_out(tmp_path: Path) -> None:
    write_result(study_result(folder=tmp_path))
    content = json.loads((tmp_path / NAME).read_text())
    (tmp_path / NAME).write_text(json.dumps(content | {"energy": 12}))
    assert read_result(tmp_path).name == "glue"


def test_a_study_of_many_thousands_of_runs_is_read(tmp_path: Path) -> None:
    left_out = [(f"runs/{number}", 900 * "x") for number in range(10_000)]
    write_result(study_result(left_out=left_out, folder=tmp_path))
    assert (tmp_path / NAME).stat().st_size > 8 << 20
    assert len(read_result(tmp_path).left_out) == 10_000


@pytest.mark.parametrize(
    ("content", "received"),
    [("", "an empty file"), ("[1]", "list"), ('{"name": "glue", "recipes": [{"name": 3}]}', "checkpoint: ")],
)
def test_a_broken_one_is_an_error(tmp_path: Path, content: str, received: str) -> None:
    (tmp_path / NAME).write_text(content)
    with pytest.raises(StudyError, match=r"study\.json cannot be read") as caught:
        read_result(tmp_path)
    assert received in caught.value.received and "not repeated" in caught.value.fix


def test_no_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="is not the folder of a study") as caught:
        read_result(tmp_path)
    assert caught.value.received == "a folder without one"
    with pytest.raises(StudyError) as caught:
        read_result(tmp_path / "absent")
    assert caught.value.received == "nothing there"
    (tmp_path / "glue.toml").touch()
    with pytest.raises(StudyError, match="is not the folder of a study") as caught:
        read_result(tmp_path / "glue.toml")
    assert caught.value.received == "a file"
