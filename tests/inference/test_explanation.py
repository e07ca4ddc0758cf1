"""What each word adds to a prediction: the words of the row, in sums that are those of the logits."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from glueft.data.rows import Rows
from glueft.data.windows import Windowing
from glueft.errors import DataError
from glueft.inference.explanation import Explainer, Explanation, _special_tokens, _words, row_heading, told_of_row
from glueft.inference.predictor import SavedModel, load_saved_model
from glueft.inference.progress import PredictionProgress
from glueft.inference.stream import Target, check_rows, predict_rows
from glueft.inference.table_rows import open_table
from glueft.inference.text_columns import TextChoice
from glueft.plugin.task import TableLayout
from glueft.runs.answers import Answers
from glueft.runs.predictions import Predictions

TEXTS = ("The town has unwelcomed birds.", "Birds, the town said, are few.")


@pytest.fixture(scope="module")
def saved(finished_run: Path) -> SavedModel:
    return load_saved_model(finished_run)


def logits_of(saved: SavedModel, texts: tuple[str, ...]) -> np.ndarray:
    rows = Rows("input", tuple([text] for text in texts), np.full(1, -1, np.int32), saved.labels)
    return saved.logits(rows)[0]


def explain(saved: SavedModel, texts: tuple[str, ...], label: str | None = None) -> tuple[Answers, Explanation]:
    answers, found = Explainer(saved).explain([[text] for text in texts], label)
    return answers, next(found)


def sums_up(found: Explanation) -> bool:
    change = found.logit - found.baseline
    words = sum(word.score for word in found.words or [])
    tokens = sum(token.score for token in found.tokens)
    assert words == pytest.approx(tokens, abs=1e-9) and found.error == pytest.approx(tokens - change, abs=1e-9)
    return abs(words - change) <= 0.01 * max(abs(change), 0.01)


def test_the_words_of_a_pair_and_their_scores(saved: SavedModel) -> None:
    answers, found = explain(saved, TEXTS)
    assert found.words is not None
    words = [[word.text for word in found.words if word.input == number] for number in (0, 1)]
    assert words == [
        ["The", "town", "has", "unwelcomed", "birds", "."],
        ["Birds", ",", "the", "town", "said", ",", "are", "few", "."],
    ]
    assert all(TEXTS[word.input][word.start : word.end] == word.text for word in found.words)
    assert sum(token.token.startswith("##") for token in found.tokens) > 0  # of which words were made again
    assert found.label == answers.labels[0] and not found.truncated
    assert found.logit == pytest.approx(logits_of(saved, TEXTS)[saved.labels.index(found.label)], abs=1e-5)
    assert sums_up(found)
    other = next(label for label in saved.labels if label != found.label)
    _, of_other = explain(saved, TEXTS, other)
    assert of_other.label == other and of_other.logit < found.logit


def test_a_label_that_the_model_does_not_have(saved: SavedModel) -> None:
    with pytest.raises(DataError, match='no label called "equivalnt"') as caught:
        explain(saved, TEXTS, "equivalnt")
    assert 'did you mean "equivalent"' in caught.value.fix.lower()
    with pytest.raises(DataError, match="predicts a score, and has no labels"):
        explain(replace(saved, labels=()), TEXTS, "equivalent")


def test_a_score_is_explained(finished_regression_run: Path) -> None:
    saved = load_saved_model(finished_regression_run)
    answers, found = explain(saved, TEXTS)
    assert found.label is None and sums_up(found)
    assert found.logit == pytest.approx(float(answers.probabilities[0, 0]), abs=1e-5)


def test_what_is_cut_off_adds_nothing(saved: SavedModel) -> None:
    first, second = ["the town " * 20, "town"], ["birds", "birds"]
    answers, found = Explainer(replace(saved, max_length=8)).explain([first, second])
    cut, whole = found
    assert cut.truncated and len(cut.tokens) == 8 and sums_up(cut)
    # Each row is told for itself.
    assert answers.truncated == 1 and not whole.truncated and sums_up(whole) and whole.texts == ("town", "birds")
    assert [found.label for found in (cut, whole)] == answers.labels


@pytest.mark.parametrize("pool", ["mean", "max", "first"])
def test_windows_are_pooled_as_their_logits_are(saved: SavedModel, pool: str) -> None:
    windowed = replace(saved, max_length=8, windowing=Windowing(2, pool))  # type: ignore[arg-type]
    text = "the town said birds are few and the town has many birds that year"
    _, found = explain(windowed, (text,))
    assert len({token.window for token in found.tokens}) > 2
    assert found.label is not None and sums_up(found)
    assert found.logit == pytest.approx(logits_of(windowed, (text,))[saved.labels.index(found.label)], abs=1e-5)
    # A word that windows cut is one word still.
    assert [word.text for word in found.words or []] == text.split()
    scored = {token.window for token in found.tokens if token.score}
    assert (len(scored) > 1) == (pool == "mean") and (pool != "first" or scored == {0})


@pytest.mark.parametrize(
    ("labels", "multi_label", "cells", "reference", "prediction", "heading"),
    [
        (("a", "b"), False, ("a", "b"), "a", "b", "row 1 of test, reference a"),
        (("a", "b"), False, ("", "b"), None, "b", "row 1 of test"),
        (("a", "b"), True, ('["a","b"]', "[]"), ["a", "b"], [], "row 1 of test, reference a, b"),
        (("a", "b"), True, ("[]", '["b"]'), [], ["b"], "row 1 of test, reference none"),
        ((), False, ("3.8", "2.25"), 3.8, 2.25, "row 1 of test, reference 3.8"),
    ],
)
def test_a_predicted_row_is_told_alike_everywhere(
    labels: tuple[str, ...],
    multi_label: bool,
    cells: tuple[str, str],
    reference: object,
    prediction: object,
    heading: str,
) -> None:
    run: Any = SimpleNamespace(labels=labels, record=SimpleNamespace(multi_label=multi_label))
    predictions = Predictions(["0", "1"], ["", cells[0]], ["", cells[1]], np.zeros((2, len(labels))))
    told = told_of_row(run, predictions, "test", 1)
    assert told == {"row": 1, "split": "test", "reference": reference, "prediction": prediction}
    assert row_heading(told) == heading


def test_special_tokens_without_an_encoding_of_the_tokenizers_library(saved: SavedModel) -> None:
    rows = Rows("input", tuple([text] for text in TEXTS), np.full(1, -1, np.int32), saved.labels)
    encoded = saved.encode(rows)
    (kept,) = _special_tokens(saved.tokenizer, encoded, range(1), None)
    assert (
        np.flatnonzero(kept).tolist()
        == np.flatnonzero(np.isin(encoded.ids, saved.tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]"]))).tolist()
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("byte level", ["Hello", "world", ",", "caf\u00e9", "\U0001f600\U0001f468\u200d\U0001f469", "\n", "\u0130x"]),
        ("sentence piece", ["Hello", "world,", "caf\u00e9", "\U0001f600\U0001f468\u200d\U0001f469", "\u0130x"]),
        ("no words", ["Hello", "world,", "caf\u00e9", "\U0001f600\U0001f468\u200d\U0001f469", "\u0130x"]),
    ],
)
def test_pieces_of_any_tokenizer_become_the_words_of_the_text(kind: str, words: list[str]) -> None:
    """Of one character a token or less: bytes, pieces with a mark for the space, or a text as one word."""
    text = "Hello world, caf\u00e9 \U0001f600\U0001f468\u200d\U0001f469\n\u0130x"
    if kind == "byte level":
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    else:
        letters = ["?", *sorted({"\u2581", *text} - {" "})]
        tokenizer = Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, [], unk_token="?"))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=kind == "sentence piece")
    encoding = tokenizer.encode(text)
    found = _words([text], [encoding], [1.0] * len(encoding.ids))
    assert [word.text for word in found] == words
    assert all(text[word.start : word.end] == word.text for word in found)
    assert sum(word.score for word in found) == len(encoding.ids)


def test_a_file_of_rows_gets_a_column_of_explanations(
    saved: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glueft.inference.stream.EXPLAINED_AT_ONCE", 2)
    choice = TextChoice(("sentence1", "sentence2"), TableLayout({name: (name,) for name in ("sentence1", "sentence2")}))
    path = tmp_path / "rows.csv"
    path.write_text("id,sentence1,sentence2\n7,town,birds\n8,The birds.,Few birds.\n9,has,said\n")
    written = {}
    for kind in ("jsonl", "csv", "parquet"):
        # What another file is read as is written: of Parquet the rows are a table.
        target = tmp_path / f"out.{kind}"
        source = open_table(path, choice)
        assert check_rows(source, skip_bad=False) == 3
        predict_rows(source, saved, Target(target), PredictionProgress(), rows_in_all=None, explainer=Explainer(saved))
        path = target
        written[kind] = target
    objects = [json.loads(line) for line in written["jsonl"].read_text().splitlines()]
    assert [one["id"] for one in objects] == ["7", "8", "9"]
    for one in objects:
        _, found = explain(saved, (one["sentence1"], one["sentence2"]))
        assert one["label"] == one["explanation"]["label"] == found.label
        assert one["explanation"]["words"] == found.as_record()["words"] and "texts" not in one["explanation"]
    (*_, last) = csv.reader(written["csv"].open())
    assert json.loads(last[-1]) == objects[-1]["explanation"]
    columns = pyarrow.parquet.read_table(written["parquet"]).to_pydict()
    assert [json.loads(cell) for cell in columns["predicted_2_explanation"]] == [one["explanation"] for one in objects]
