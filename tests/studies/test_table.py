"""The files and the terminal table of a study: every number where it belongs, and texts that break nothing."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from glueft.studies.result import StudyResult
from glueft.studies.tables.table import latex, latex_text, markdown, run_csv, table, write_tables
from glueft.system.console import PlainConsole
from study_results import of_scores, recipe_result, study_result, study_run

SETTING = {"schedule.initial_learning_rate": 2e-05}


def cells(text: str, first: str) -> list[str]:
    """The cells of the first Markdown row that begins with a text."""
    row = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def rte() -> StudyResult:
    runs = [
        study_run("rte", 1, 0.6534, setting=SETTING),
        study_run("rte", 2, 1 / 3, setting=SETTING, collapsed=True),
        study_run("rte", 3, 0.6715, setting=SETTING),
        study_run("rte", 4, state="failed", error="line 1\nline 2; \x1b[31mred", setting=SETTING, folder=None),
    ]
    recipe = recipe_result("rte", runs, baseline={"accuracy": 0.5271}, settings=[SETTING], chosen=SETTING)
    return study_result(recipe)


def test_the_markdown_table_has_every_number() -> None:
    found = cells(markdown(rte()), "RTE")
    # mean, sd and t interval of 0.6534, 0.3333 and 0.6715 by hand
    numbers = "0.5527 0.1902 0.0802 to 1.0000 0.6534 0.5527 0.3333 0.6715"
    assert found[:3] == ["RTE", "accuracy", "3 of 4"] and " ".join(found[3:10]) == numbers and found[10] == "1"
    assert found[11:] == ["0.5271", "0.6570", "0.6930", "0.5990"]  # baseline, published
    assert "| RTE | initial\\_learning\\_rate=2e-05 |" in markdown(rte())


def test_the_expected_best_is_in_the_markdown() -> None:
    text = markdown(of_scores({"rte": [(0.6,), (0.7,), (0.65,)]})).partition("## Expected best")[2]
    assert cells(text, "RTE")[1:] == ["accuracy on validation", "3", "1", "0.6500", "0.6833", "0.7000"]


def test_texts_of_users_break_no_markdown() -> None:
    recipe = recipe_result("rte", [study_run("rte", 1, 0.6)], title="a|b <i> `c`")
    text = markdown(study_result(recipe, name="x\n# y", checkpoint="./my_model|1"))
    assert "a\\|b &lt;i&gt; \\`c\\`" in text and "# x \\# y" in text and "./my\\_model\\|1" in text


def test_latex_is_booktabs_and_escaped() -> None:
    recipe = recipe_result(
        "rte", [study_run("rte", 1, 0.6)], title=r"50 % of a_b & $c$ {d} #1 \x ~ ^ <e>", published=()
    )
    text = latex(study_result(recipe, name="a%\nb"))
    assert r"50 \% of a\_b \& \$c\$ \{d\} \#1 \textbackslash{}x \textasciitilde{} \textasciicircum{} " in text
    assert r"\textless{}e\textgreater{} & accuracy & 1 & 0.6000 &" in text
    begin, end = text.index(r"\begin{tabular}{llrrrrrrrrrr}"), text.index(r"\end{tabular}")
    rows = [line for line in text[begin:end].splitlines() if line.endswith(r"\\")]
    assert len(rows) == 2 and {row.replace(r"\&", "").count("&") for row in rows} == {11}
    assert [text[begin:end].count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    # Whatever stands outside of a table is a comment.
    outside = (text[:begin] + text[end:].partition("\n")[2]).splitlines()
    assert all(line.startswith("%") or not line for line in outside)
    assert latex_text("0.1 ± 0.2") == r"0.1 $\pm$ 0.2"


def test_every_latex_table_has_as_many_cells_in_a_row_as_columns_and_no_open_brace() -> None:
    setting = {"task.train": "a_b & c%{", "training.epochs": 3}
    runs = [study_run("rte", seed, 0.6 + seed / 100, setting=setting) for seed in (1, 2, 3)]
    recipe = recipe_result("rte", runs, title="{x} & y", settings=[setting], chosen=setting, reason="50 % & more_")
    text = re.sub(r"(?<!\\)%.*", "", latex(study_result(recipe, *of_scores({"cola": [(0.5,), (0.6,)]}).recipes)))
    tables = re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert len(tables) == 3
    for columns, body in tables:
        rows = [row for row in body.split("\n") if "&" in row]
        assert rows and all(len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1 for row in rows)
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")


def test_the_csv_has_a_row_a_run_and_all_digits() -> None:
    rows = [*csv.DictReader(io.StringIO(run_csv(rte())))]
    assert [row["seed"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["state"] for row in rows] == ["done", "done", "done", "failed"]
    assert float(rows[1]["validation.accuracy"]) == float(rows[1]["score"]) == 1 / 3
    assert rows[3]["validation.accuracy"] == rows[3]["score"] == rows[3]["folder"] == ""
    assert rows[3]["error"] == "line 1\\nline 2; \\x1b[31mred"
    assert [row["collapsed"] for row in rows] == ["false", "true", "false", "false"]
    assert rows[0]["schedule.initial_learning_rate"] == "2e-05"
    assert rows[0]["folder"] == "runs/rte-seed1-0badcafe/run"
    assert {row["in_table"] for row in rows} == {"true"}


def test_the_csv_tells_which_runs_are_in_the_table() -> None:
    settings = [{"training.epochs": 1}, {"training.epochs": 2, "task.fold_labels": True}]
    runs = [study_run("rte", n, 0.6, setting=setting, stage="search") for n, setting in enumerate(settings)]
    rows = [
        *csv.DictReader(
            io.StringIO(run_csv(study_result(recipe_result("rte", runs, settings=settings, chosen=settings[1]))))
        )
    ]
    assert [(row["training.epochs"], row["task.fold_labels"], row["in_table"]) for row in rows] == [
        ("1", "", "false"),
        ("2", "true", "true"),
    ]


def test_the_terminal_table_fits_80_columns() -> None:
    result = of_scores({"mrpc": [(0.84, 0.88), (0.86, 0.90), (0.82, 0.89)], "rte": [(0.65,), (0.66,), (0.67,)]})
    stream = io.StringIO()
    PlainConsole(stream, width=80).print(table(result))
    shown = stream.getvalue().splitlines()
    assert shown[0].split() == ["glue:", "org/my-encoder", "(published:", "bert-base-cased)"]
    assert shown[2].split() == ["MRPC", "3", "0.8650", "±", "0.0132", "0.8321", "to", "0.8979", "0.8646"]
    assert shown[4].split() == ["f1", "3", "0.8900", "±", "0.0100", "0.8652", "to", "0.9148", "0.8885"]
    assert " ".join(shown[-2].split()) == "average of these 2 0.7625 0.7488 to 0.7762"


def test_the_files_are_written_into_the_folder_of_the_study(tmp_path: Path) -> None:
    paths = write_tables(study_result(*rte().recipes, folder=tmp_path))
    assert [path.name for path in paths] == ["table.md", "table.tex", "table.csv"]
    assert all(path.parent == tmp_path and path.stat().st_size > 100 for path in paths)


def test_a_study_that_has_found_nothing_yet_has_tables_too(tmp_path: Path) -> None:
    waiting = recipe_result("rte", [study_run("rte", 1, state="waiting", folder=None)], chosen=None)
    write_tables(study_result(waiting, folder=tmp_path))
    assert "not finished: 1 of 1 run" in (tmp_path / "table.md").read_text()
    assert table(study_result(waiting)).row_count == 0
