"""The benchmarks run, and count right. What they time is not tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bench
import numpy as np
import pytest
from flops import forward_flops, training_flops
from generated_rows import question_pairs, sentences
from result import Result
from rounds import in_turn

from glueft.data.encoding import encode
from glueft.encoder.config import read_config

HIDDEN, INTERMEDIATE, ROWS, WIDTH = 4, 6, 3, 5
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "vocab_size": 10,
    "hidden_size": HIDDEN,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": INTERMEDIATE,
}


def product(rows: int, inner: int, columns: int) -> int:
    return 2 * rows * inner * columns


def test_the_floor_of_a_tiny_classifier_is_what_a_count_by_hand_gives() -> None:
    first_layer = [
        *[product(15, 4, 4)] * 4,  # query, key, value, projection of 3 x 5 tokens
        *[product(5, 2, 5), product(5, 5, 2)] * 3 * 2,  # scores and weighted values, a row and head
        product(15, 4, 6),
        product(15, 6, 4),
    ]
    last_layer = [
        *[product(15, 4, 4)] * 2,  # key and value of every token
        *[product(3, 4, 4)] * 2,  # query and projection of the first of each row
        *[product(1, 2, 5), product(1, 5, 2)] * 3 * 2,
        product(3, 4, 6),
        product(3, 6, 4),
    ]
    head = [product(3, 4, 4), product(3, 4, 2)]
    counted = sum(first_layer + last_layer + head)
    assert forward_flops(read_config(CONFIG), ROWS, WIDTH, outputs=2) == counted
    assert training_flops(read_config(CONFIG), ROWS, WIDTH, outputs=2) == 3 * counted


def test_the_floor_counts_a_projection_of_the_embeddings() -> None:
    narrow = read_config(CONFIG | {"model_type": "albert", "embedding_size": 2})
    same = read_config(CONFIG)
    assert forward_flops(narrow, ROWS, WIDTH, 2) - forward_flops(same, ROWS, WIDTH, 2) == product(15, 2, 4)


def test_variants_take_turns_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []
    seconds = in_turn({name: lambda name=name: calls.append(name) or len(calls) for name in "ab"}, 2)
    assert "".join(calls) == "ababab"
    assert seconds["a"].tolist() == [3, 5]
    assert seconds["b"].tolist() == [4, 6]


def test_ratios_are_those_of_each_round() -> None:
    result = Result("", "", "", np.array([2.0, 6.0, 8.0]), np.array([1.0, 2.0, 4.0]), {"count": 7})
    assert result.ratios.tolist() == [2, 3, 2]
    assert result.as_json()["ratio"] == {"median": 2, "min": 2, "max": 3}
    assert result.as_json()["count"] == 7


def test_generated_rows_are_as_long_as_the_benchmarks_say(minilm: str) -> None:
    from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer

    tokenizer = load_tokenizer(find_checkpoint(minilm))
    pairs, singles = question_pairs(tokenizer, 2000), sentences(tokenizer, 2000)
    assert np.mean([len(text.split()) for texts in pairs.texts for text in texts]) == pytest.approx(10.5, abs=1)
    assert encode(pairs, tokenizer, 128).lengths.mean() == pytest.approx(29, abs=2)
    assert encode(singles, tokenizer, 128).lengths.mean() == pytest.approx(25, abs=2)
    assert question_pairs(tokenizer, 2000).sha256 == pairs.sha256
    assert len(set(pairs.texts[0])) > 1900


def test_every_benchmark_runs(tiny_bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(["--tiny", "--rounds", "2", "--json", "--checkpoint", str(tiny_bert)])
    printed = json.loads(capsys.readouterr().out)
    names = [entry["name"] for entry in printed["benchmarks"]]
    assert [name.split()[0] for name in names] == ["encode", "plan", "train", "train", "predict"]
    for entry in printed["benchmarks"]:
        assert 0 < entry["ratio"]["min"] <= entry["ratio"]["median"] <= entry["ratio"]["max"]
        assert entry["seconds"]["median"] > 0
    config = read_config(json.loads((tiny_bert / "config.json").read_text(encoding="utf-8")))
    assert printed["benchmarks"][2]["flops"] == pytest.approx(training_flops(config, 2, 8, 2), rel=1e-3)


def test_the_table_has_a_line_for_each_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    ones = np.ones(2)
    bench.print_table([Result("walk", "3 km/h", "6 km/h, a run", 2 * ones, ones, {})], rounds=2, seconds=9)
    table = capsys.readouterr().out
    assert "medians of 2 rounds" in table
    (line,) = (line for line in table.splitlines() if "walk" in line)
    assert all(cell in line for cell in ("3 km/h", "6 km/h, a run", "2.00", "2.00 to 2.00"))
