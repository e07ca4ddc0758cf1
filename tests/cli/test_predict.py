"""glueft predict, from the command line to the files it leaves."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from glueft.cli.main import command_line
from glueft.runs.run import Run
from plugin_packages import glueft

Captured = pytest.CaptureFixture[str]
SAMPLES = Path(__file__).parents[2] / "plugins" / "glueft_tasks" / "samples"
LABELS = ("not_equivalent", "equivalent")


def predict(capsys: Captured, *arguments: object, code: int = 0) -> tuple[str, str]:
    assert command_line(["predict", *map(str, arguments)]) == code
    told = capsys.readouterr()
    return told.out, told.err


def as_stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_runs_own_predictions(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    output = tmp_path / "out.csv"
    out, err = predict(capsys, finished_run, "--input", SAMPLES / "MRPC" / "dev.tsv", "--output", output)
    own = Run.open(finished_run).predictions("validation")
    rows = table(output)
    assert [row["label"] for row in rows] == own.predictions
    assert [[float(row[f"probability_{label}"]) for label in LABELS] for row in rows] == own.probabilities.tolist()
    assert list(rows[0])[:5] == ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]
    assert out == "" and f"{len(rows)} rows to {output}" in err


def test_fewer_rows_at_once(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    wholes = []
    for rows in ((), ("--batch-size", 1)):
        out, _ = predict(capsys, finished_run, "--input", SAMPLES / "MRPC" / "dev.tsv", *rows)
        table = csv.DictReader(io.StringIO(out), delimiter="\t")
        wholes.append([float(row["probability_equivalent"]) for row in table])
    assert wholes[0] == pytest.approx(wholes[1], abs=1e-5) and len(wholes[0]) > 1
    _, err = predict(capsys, finished_run, "--batch-size", 0, "A text.", "Another.", code=2)
    assert "--batch-size" in err


def test_every_format_says_the_same(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    source = tmp_path / "in.csv"
    source.write_text('label,sentence1,sentence2\n1,"a, b",=1+1\n0,<script>x</script>,d\n')
    names = ["predicted_label", *(f"predicted_probability_{label}" for label in LABELS)]
    predict(capsys, finished_run, "--input", source, "--output", tmp_path / "a.jsonl.gz")
    out, err = predict(capsys, finished_run, "--input", tmp_path / "a.jsonl.gz", "--output", tmp_path / "b.parquet")
    assert "predicted_2_label" in err
    out, err = predict(capsys, finished_run, "--input", source)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["label", "sentence1", "sentence2", *names]
    assert [row["sentence1"] for row in rows] == ["a, b", "<script>x</script>"]
    assert "the input has columns of the same names: the prediction is in predicted_label" in err
    parquet = pyarrow.parquet.read_table(tmp_path / "b.parquet").to_pylist()
    for row, same in zip(rows, parquet, strict=True):
        assert [str(same[name]) for name in names[:1]] == [row[name] for name in names[:1]]
        assert [same[name] for name in names[1:]] == [float(row[name]) for name in names[1:]]
        assert same["predicted_2_label"] == same["predicted_label"]
    out, _ = predict(capsys, finished_run, "--input", tmp_path / "b.parquet")
    assert len(out.splitlines()) == 2 and json.loads(out.splitlines()[0])["sentence1"] == "a, b"


def test_texts(finished_run: Path, capsys: Captured) -> None:
    out, err = predict(capsys, finished_run, "The council met.", "The council did not meet.")
    numbers = {line.split()[0]: float(line.split()[1]) for line in out.splitlines()}
    assert set(numbers) == set(LABELS) and sum(numbers.values()) == pytest.approx(1, abs=2e-4) and err == ""
    out, _ = predict(capsys, finished_run / "model", "The council met.", "The council did not meet.", "--json")
    (answer,) = json.loads(out)["predictions"]
    assert answer["texts"] == ["The council met.", "The council did not meet."]
    assert answer["label"] == max(numbers, key=numbers.__getitem__)
    assert answer["probabilities"] == pytest.approx(numbers, abs=6e-5)  # shown with four digits
    out, _ = predict(capsys, finished_run, "See ftp://me:secret@host.", "b", "--json")
    assert json.loads(out)["predictions"][0]["texts"] == ["See ftp://me:secret@host.", "b"]
    _, err = predict(capsys, finished_run, "word " * 300, "b")
    assert "cut to the first 128 tokens" in err
    _, err = predict(capsys, finished_run, "one", code=2)
    assert "this model reads two texts at once" in err
    _, err = predict(capsys, finished_run, "one", " ", code=2)
    assert err.startswith('the command line, text 1: no text in "sentence2"') and "--skip-bad" not in err


def test_regression(finished_regression_run: Path, tmp_path: Path, capsys: Captured) -> None:
    dev = SAMPLES / "STS-B" / "dev.tsv"
    own = Run.open(finished_regression_run).predictions("validation")
    predict(capsys, finished_regression_run, "--input", dev, "--output", tmp_path / "a.csv")
    assert [row["predicted_score"] for row in table(tmp_path / "a.csv")] == own.predictions
    out, _ = predict(capsys, finished_regression_run, "a", "b")
    assert out.startswith("score ")
    out, _ = predict(capsys, finished_regression_run, "a", "b", "--json")
    assert isinstance(json.loads(out)["predictions"][0]["score"], float)


def test_lines(finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    as_stdin(monkeypatch, b'"a\tb\r\nc\td')
    out, _ = predict(capsys, finished_run, "--input", "-")
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == ["sentence1", "sentence2", "label", *(f"probability_{label}" for label in LABELS)]
    assert [row[:2] for row in rows[1:]] == [['"a', "b"], ["c", "d"]]
    as_stdin(monkeypatch, b"a\tb\n\n")
    out, err = predict(capsys, finished_run, "--input", "-", "--output", tmp_path / "a.csv", code=2)
    assert err.splitlines()[0] == "standard input, line 2: no tab" and not list(tmp_path.iterdir())
    as_stdin(monkeypatch, b"")
    assert "standard input has no rows" in predict(capsys, finished_run, "--input", "-", code=2)[1]


def test_json(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id,sentence1,sentence2\n7,a,b\n8,c,d\n")
    out, _ = predict(capsys, finished_run, "--input", source, "--json")
    record = json.loads(out)
    assert (record["rows"], record["output"], record["skipped_file"]) == (2, None, None)
    assert [row["id"] for row in record["predictions"]] == ["7", "8"] and out.count("\n") == 1
    out, _ = predict(capsys, finished_run, "--input", source, "--output", tmp_path / "o.tsv", "--json")
    record = json.loads(out)
    assert record["output"] == str(tmp_path / "o.tsv") and "predictions" not in record
    assert record["columns"] == ["label", *(f"probability_{label}" for label in LABELS)]
    assert {"input", "skipped", "truncated", "seconds", "rows_per_second"} <= set(record)


def test_another_precision(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    source, folder = tmp_path / "in.csv", shutil.copytree(finished_run / "model", tmp_path / "alone")
    source.write_text("sentence1,sentence2\na,b\n")
    out, _ = predict(capsys, finished_run, "a", "b", "--json", "--precision", "mixed_bfloat16")
    answer = json.loads(out)
    assert answer["precision"] == "mixed_bfloat16"
    out, err = predict(capsys, finished_run, "--input", source, "--json")
    own = json.loads(out)
    assert own["precision"] == "float32" and " rows/s), float32\n" in err
    apart = own["predictions"][0]["probability_equivalent"] - answer["predictions"][0]["probabilities"]["equivalent"]
    assert 0 < abs(apart) < 1e-2
    options = ("--text", "sentence1", "--text-pair", "sentence2", "--precision", "mixed_bfloat16")
    out, err = predict(capsys, folder, "--input", source, "--json", *options)
    assert json.loads(out)["precision"] == "mixed_bfloat16" and " rows/s), mixed_bfloat16\n" in err
    assert json.loads(out)["predictions"][0]["label"] == own["predictions"][0]["label"]
    _, err = predict(capsys, finished_run, "a", "b", "--precision", "float16", code=2)
    assert 'no precision is called "float16"' in err and 'did you mean "mixed_float16"?' in err


def test_bad_rows(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b"sentence1,sentence2\na,b\n ,c\nd\n=1+1,\xff\nlast,one\n")
    _, err = predict(capsys, finished_run, "--input", source, "--output", output, code=2)
    assert "3 rows that cannot be predicted in all" in err
    assert [f"line {number}:" in err for number in (2, 3, 4, 5, 6)] == [False, True, True, True, False]
    assert not output.exists()
    out, err = predict(capsys, finished_run, "--input", source, "--output", output, "--skip-bad", "--json")
    side = tmp_path / "out.csv.skipped.jsonl"
    assert [row["sentence1"] for row in table(output)] == ["a", "last"] and "2 rows to" in err
    assert f"3 rows that cannot be predicted: see {side}" in err
    skipped = [json.loads(line) for line in side.read_text().splitlines()]
    assert [row["line"] for row in skipped] == [3, 4, 5]
    assert skipped[0]["row"] == {"sentence1": " ", "sentence2": "c"} and skipped[1]["row"] == ["d"]
    assert skipped[0]["reason"] == 'no text in "sentence1"' and skipped[2]["reason"] == "not UTF-8 text"
    assert (json.loads(out)["skipped"], json.loads(out)["skipped_file"]) == (3, str(side))
    _, err = predict(capsys, finished_run, "--input", source, "--output", output, "--skip-bad", code=2)
    assert f"{output} exists already" in err
    predict(capsys, finished_run, "--input", source, "--output", output, "--skip-bad", "--force")
    other = tmp_path / "other.jsonl"
    predict(capsys, finished_run, "--input", source, "--output", tmp_path / "o.csv", "--skipped", other)
    assert len(other.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is nothing to predict"),
        (["a", "--input", "x.csv"], "TEXT and --input contradict each other"),
        (["--interactive", "--json"], "--interactive and --json contradict each other"),
        (["--input", "none.csv"], "none.csv cannot be read"),
        (["--input", "x.csv", "--output", "none/a.csv"], "none/a.csv cannot be written: there is no folder none"),
        (["--input", "x.csv", "--output", "."], ". is a folder"),
        (["--input", "x.csv", "--output", "a.xls"], "a.xls: its name does not say how to write it"),
        (["--input", "x.csv", "--output", "x.csv", "--force"], "x.csv is the file that is read"),
        (["--input", "x.csv", "--skipped", "a.csv"], "a.csv cannot take the rows that are left out"),
        (["--input", "x.csv", "--delimiter", ";;"], "--delimiter is not one character"),
        (["--input", "x.csv"], 'x.csv has no column "sentence1" or "#1 String"'),
    ],
)
def test_what_cannot_be_done(
    arguments: list[str],
    message: str,
    finished_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("text\na\n")
    out, err = predict(capsys, finished_run, *arguments, code=2)
    assert err.startswith(message) and out == "" and [path.name for path in tmp_path.iterdir()] == ["x.csv"]
    assert "expected:" in err and "to fix:" in err


def test_what_is_no_run(tmp_path: Path, capsys: Captured) -> None:
    _, err = predict(capsys, tmp_path / "none", "a", code=2)
    assert "this is not a run folder" in err


def test_a_bare_classifier(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    bare = tmp_path / "bare"
    bare.symlink_to(finished_run / "model")
    own, _ = predict(capsys, finished_run, "The council met.", "It did not.", "--json")
    out, _ = predict(capsys, bare, "The council met.", "It did not.", "--json")
    assert json.loads(out) == json.loads(own)
    source = tmp_path / "in.csv"
    source.write_text("text,other\na,b\n")
    out, _ = predict(capsys, bare, "--input", source)
    assert out.startswith("text,other,label")
    one = out.splitlines()[1]
    out, _ = predict(capsys, bare, "--input", source, "--text-pair", "other")
    assert out.splitlines()[1] != one


def test_a_conversation(finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    asked: list[str] = []
    lines = iter(["The council met.", "It did not.", "\ud800", "b", "Last.", ""])

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return next(lines)

    monkeypatch.setattr("builtins.input", ask)
    out, err = predict(capsys, finished_run, "--interactive")
    assert asked == ["sentence1> ", "sentence2> "] * 3
    assert out.count("not_equivalent") == 1 and '"sentence1" holds half a character' in out
    assert "An empty line or Ctrl-D ends." in err

    def gone(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", gone)
    assert predict(capsys, finished_run, "--interactive")[0] == "\n"


def test_a_file_that_changes_meanwhile(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    from glueft.inference import opening

    source = tmp_path / "in.csv"
    source.write_text("sentence1,sentence2\na,b\nc,d\n")
    load = opening.load_run_model

    def slow(run: Run, **options: Any) -> Any:
        source.write_text("sentence1,sentence2\na,b\n")
        return load(run, **options)

    monkeypatch.setattr(opening, "load_run_model", slow)
    _, err = predict(capsys, finished_run, "--input", source, "--output", tmp_path / "out.csv", code=2)
    assert "has changed while it was read" in err and not (tmp_path / "out.csv").exists()


def test_a_full_disk(finished_run: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in.csv"
    source.write_text("sentence1,sentence2\na,b\n")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    _, err = predict(capsys, finished_run, "--input", source, "--output", tmp_path / "out.csv", code=2)
    assert "out.csv cannot be written" in err and "No space left on device" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from glueft.cli.main import command_line;"
        "import glueft.inference.opening, glueft.inference.stream;"
        "command_line(['predict', '--help']);"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'datasets', 'transformers', 'numpy'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--skip-bad" in done.stdout and "Examples:" in done.stdout


@pytest.mark.slow  # three processes that import TensorFlow: 20 to 30 s
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_killed_midway(number: signal.Signals, finished_run: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("sentence1,sentence2\n" + "The council met on Monday.,It did not.\n" * 200_000)
    command = [sys.executable, "-m", "glueft.cli.main", "predict", str(finished_run)]
    process = subprocess.Popen(
        [*command, "--input", str(source), "--output", str(output)],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    begin = time.monotonic()
    # Once its first chunk is written, the unfinished file lies beside its place.
    while not any(path.stat().st_size for path in tmp_path.glob(".out.csv.*")):
        assert process.poll() is None and time.monotonic() - begin < 120
        time.sleep(0.1)
    assert not output.exists()
    process.send_signal(number)
    process.wait(60)
    assert not output.exists()
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
        assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.slow  # a process that imports TensorFlow
def test_a_reader_that_goes_away(finished_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("sentence1,sentence2\n" + "The council met on Monday.,It did not.\n" * 20_000)
    line = f'"{sys.executable}" -m glueft.cli.main predict "{finished_run}" --input "{source}" | head -1'
    done = subprocess.run(["bash", "-c", f"{line}; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "141" and "Traceback" not in done.stderr


@pytest.mark.slow  # a process that imports TensorFlow
def test_as_a_process(finished_run: Path) -> None:
    done = glueft("predict", str(finished_run), "a", "b", "--json")
    assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nul.csv", b"sentence1,sentence2\na,b\0\n", "line 2: a NUL byte"),
        ("mixed.csv", b"sentence1,sentence2\na,\xe9\nb,c\n", "line 2: not UTF-8 text"),
        ("long.csv", b"sentence1,sentence2\na," + b"x" * 10_000_000 + b"\n", 'line 2: "sentence2" is too long'),
        ("broken.parquet", b"PAR1" + bytes(100) + b"PAR1", "cannot be read as Parquet"),
        ("ragged.csv", b"sentence1,sentence2\na\n", "line 2: 1 field instead of 2"),
        ("twice.csv", b"sentence1,sentence2,sentence1\na,b,c\n", 'has 2 columns called "sentence1"'),
    ],
)
def test_hostile_files(
    name: str, content: bytes, message: str, finished_run: Path, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / name).write_bytes(content)
    out, err = predict(capsys, finished_run, "--input", tmp_path / name, "--output", tmp_path / "out.csv", code=2)
    assert message in err.splitlines()[0] and "Traceback" not in err and len(err) < 2000 and out == ""
    assert [path.name for path in tmp_path.iterdir()] == [name]
