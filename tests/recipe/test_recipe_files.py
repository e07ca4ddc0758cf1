"""Files that cannot be read as a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from broken_recipes import GOOD
from glueft.recipe import RecipeError, load_recipe
from glueft.recipe.problems import Problem
from glueft.studies.definition.file import load_study

PACKAGED = (
    "Packaged recipes: ax, cola, distil-sst2, imbalanced, mnli, mrpc, mrpc-deberta, mrpc-modernbert, multi-label, "
    "qnli, qqp, rte, sst2, stsb, table, wnli; studies: glue, mrpc-study, small-data"
)


def unreadable(path: str) -> Problem:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    (problem,) = caught.value.problems
    assert problem.path == ""
    return problem


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    problem = unreadable(str(tmp_path / "nothing.toml"))
    assert (problem.message, problem.place) == ("there is no such recipe", "the file")
    assert problem.fix == PACKAGED
    (tmp_path / "my-recipe.toml").write_text(GOOD)
    assert f"did you mean {tmp_path / 'my-recipe.toml'}?" in unreadable(str(tmp_path / "my-recipy.toml")).fix
    (tmp_path / "three.toml").write_text(GOOD)
    assert unreadable(str(tmp_path / "nothere")).fix == PACKAGED  # alike by chance
    assert f"did you mean {tmp_path / 'three.toml'}?" in unreadable(str(tmp_path / "tree.toml")).fix
    with pytest.raises(RecipeError) as caught:
        load_study(tmp_path / "nothing.toml")
    assert caught.value.problems[0].message == "there is no such study"
    assert unreadable(str(tmp_path / "no-folder" / "x.toml")).message == "there is no such recipe"
    assert unreadable(str(tmp_path / "my-recipe.toml" / "x.toml")).message == "there is no such recipe"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("mrcp", "mrpc"), ("sst-2", "sst2"), ("MRPC", "mrpc"), ("mrpc.toml", "the packaged recipe mrpc")],
)
def test_a_packaged_recipe_misspelt(name: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert unreadable(name).fix == f"did you mean {meant}?  {PACKAGED}"


def test_a_folder(tmp_path: Path) -> None:
    problem = unreadable(str(tmp_path))
    assert (problem.message, problem.received) == ("this is a folder", "a folder")
    (tmp_path / "a.toml").write_text(GOOD)
    assert unreadable(str(tmp_path)).fix == f"give one of its files: {tmp_path / 'a.toml'}"


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    # A process may not read its own memory from address 0, even as root.
    if not Path("/proc/self/mem").exists():
        pytest.skip("needs /proc/self/mem, a file that nobody can read from its beginning")
    assert unreadable("/proc/self/mem").message.startswith("it cannot be read: ")


@pytest.mark.parametrize(
    ("content", "line", "fix"),
    [
        (b"\xff\xfe[\0t\0", 1, "the first byte that is not UTF-8 is number 1"),
        (GOOD.encode() + b"# \xe9t\xe9\n", 27, f"is number {len(GOOD) + 3}"),
    ],
)
def test_a_file_that_is_not_utf_8(tmp_path: Path, content: bytes, line: int, fix: str) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes(content)
    problem = unreadable(str(file))
    assert (problem.message, problem.line) == ("this is not UTF-8 text", line)
    assert fix in problem.fix


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n", "\ufeff"])
def test_a_file_with_nothing_in_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "empty.toml"
    file.write_text(content, encoding="utf-8")
    problem = unreadable(str(file))
    assert problem.message == "there is nothing in it"
    assert problem.fix == "begin with a copy: glueft show mrpc > mine.toml"


def test_a_file_too_large_for_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "weights.toml"
    file.write_bytes(b"#" * 100_001)
    assert unreadable(str(file)).message == "it has more than 100,000 bytes, too many for a recipe"


@pytest.mark.parametrize("path", ["", " ", "a\0b"])
def test_what_is_no_file_s_name(path: str) -> None:
    assert unreadable(path).message == "not the name of a file"


def test_a_strange_file_name_keeps_the_message_on_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "a\nb.toml"
    file.write_text("x = 1\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(file))
    assert caught.value.message.startswith('"/') and "\n" not in caught.value.message
