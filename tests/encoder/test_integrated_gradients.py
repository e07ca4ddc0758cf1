"""Integrated gradients are those of cases worked out by hand, and on encoders they sum up to the logit's change."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glueft.system.interruption import listening
from python_process import run_python

IDS, KEPT = np.array([2, 0, 3, 1]), np.array([True, False, False, False])
BLANK = 4
WORDS = np.random.default_rng(7).normal(size=(5, 3)).astype(np.float32)
WEIGHTS = np.array([0.5, -2.0, 1.0], np.float32)


def model_of(logit: Any) -> Any:
    """A model whose logits (rows, 2) are zeros and what `logit` makes of the word embeddings."""
    from keras import ops

    from glueft.encoder.word_embeddings import WordEmbeddings

    words = WordEmbeddings(*WORDS.shape)
    words.build()
    words.set_weights([WORDS])

    def logits(inputs: Any, training: bool) -> Any:
        found = logit(words(inputs["input_ids"]))
        return ops.stack([ops.zeros_like(found), found], axis=1)

    encoder = SimpleNamespace(embeddings=SimpleNamespace(word_embeddings=words))
    return SimpleNamespace(encoder=encoder, logits=logits, jit_compile=False, variables=words.variables)


def scores_of(logit: Any) -> Any:
    from glueft.encoder.integrated_gradients import IntegratedGradients

    found = IntegratedGradients(model_of(logit), blank=BLANK, longest=8)
    return found.scores(IDS, np.zeros_like(IDS), output=1, kept=KEPT)


def test_of_a_linear_logit_each_token_adds_its_own_product() -> None:
    """The logit is the sum over tokens of w * embedding: a token adds w * (its embedding - that of the blank)."""
    found = scores_of(_weighted)
    right = np.where(KEPT, 0, (WORDS[IDS] - WORDS[BLANK]) @ WEIGHTS)
    np.testing.assert_allclose(found.scores, right, rtol=1e-5, atol=1e-6)
    assert found.logit == pytest.approx(float((WORDS[IDS] @ WEIGHTS).sum()), rel=1e-5)
    assert found.baseline == pytest.approx(float((WORDS[[2, 4, 4, 4]] @ WEIGHTS).sum()), rel=1e-5)
    assert abs(found.error) < 1e-5


def test_of_a_squared_sum_each_token_adds_its_part_of_the_change() -> None:
    """With s the weighted sum, of s * s a token adds (s + s of the baseline) * (the change of s by the token)."""
    from keras import ops

    found = scores_of(lambda words: ops.square(_weighted(words)))
    changes = np.where(KEPT, 0, (WORDS[IDS] - WORDS[BLANK]) @ WEIGHTS)
    end, start = ((WORDS[ids] @ WEIGHTS).sum() for ids in (IDS, [2, 4, 4, 4]))
    np.testing.assert_allclose(found.scores, (end + start) * changes, rtol=1e-4, atol=1e-5)


def test_ctrl_c_waits_for_the_gradient_on_its_way() -> None:
    done: list[bool] = []

    def interrupted(words: Any) -> Any:
        if not done:
            signal.raise_signal(signal.SIGINT)
        done.append(True)
        return _weighted(words)

    with pytest.raises(KeyboardInterrupt), listening():
        scores_of(interrupted)
    assert done == [True]


def _weighted(words: Any) -> Any:
    from keras import ops

    return ops.sum(words * WEIGHTS, axis=(1, 2))


def test_scores_of_an_encoder_sum_up_to_the_change_of_its_logit(tiny_bert: Path) -> None:
    from glueft.encoder.checkpoint import find_checkpoint, load_classifier
    from glueft.encoder.integrated_gradients import ERROR, IntegratedGradients

    model = load_classifier(find_checkpoint(str(tiny_bert)), labels=("no", "yes"), regression=False, seed=0).model
    ids, types = np.array([2, 40, 41, 42, 3, 50, 51, 3]), np.array([0, 0, 0, 0, 0, 1, 1, 1])
    kept = np.isin(ids, (2, 3))
    inputs = {"attention_mask": np.ones((1, 8), int), "token_type_ids": types[None]}
    logits = [
        np.asarray(model.predict_on_batch({"input_ids": row[None]} | inputs))[0]
        for row in (ids, np.where(kept, ids, 0))
    ]
    gradients = IntegratedGradients(model, blank=0, longest=32)
    found = [gradients.scores(ids, types, output=label, kept=kept) for label in (0, 1)]
    for label, scores in enumerate(found):
        assert (scores.logit, scores.baseline) == pytest.approx([row[label] for row in logits], abs=1e-5)
        assert abs(scores.error) <= ERROR * max(abs(scores.logit - scores.baseline), ERROR)
        assert (scores.scores[kept] == 0).all() and (scores.scores[~kept] != 0).all()
    assert not np.allclose(found[0].scores, found[1].scores)
    # A model that was explained looks its words up again.
    again = np.asarray(model.predict_on_batch({"input_ids": ids[None]} | inputs))[0]
    np.testing.assert_array_equal(again, logits[0])


@pytest.mark.slow
def test_scores_are_the_same_on_jax_with_a_program_for_each_length(tiny_bert: Path) -> None:
    code = f"""if True:
        import json, numpy as np
        from glueft.encoder.checkpoint import find_checkpoint, load_classifier
        from glueft.encoder.integrated_gradients import IntegratedGradients
        model = load_classifier(find_checkpoint({str(tiny_bert)!r}), labels=("a", "b"), regression=False, seed=0).model
        gradients = IntegratedGradients(model, blank=0, longest=24)
        found = []
        for words in (3, 5, 18, 22):  # 16, 16 and twice 24 tokens with the padding
            ids = np.array([2, *range(40, 40 + words), 3])
            for output in (0, 1):
                scores = gradients.scores(ids, 0 * ids, output=output, kept=np.isin(ids, (2, 3)))
                found += scores.scores.tolist()
        programs = gradients._compiled and gradients._compiled._cache_size()
        print(json.dumps([programs, found]))"""
    (none, tensorflow), (programs, jax) = (run_python(code, KERAS_BACKEND=backend) for backend in ("tensorflow", "jax"))
    assert (none, programs) == (None, 2)
    assert np.abs(tensorflow).max() > 1e-4
    np.testing.assert_allclose(tensorflow, jax, rtol=1e-3, atol=1e-6)
