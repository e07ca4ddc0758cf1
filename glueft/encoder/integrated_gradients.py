"""How much each token adds to a logit: integrated gradients.

Sundararajan, Taly and Yan, 2017, "Axiomatic Attribution for Deep Networks". From a baseline, the same row with blanks
for its words, the embeddings go in a straight line to those of the row. The gradient of the logit along the line, times
the step, sums up to how much the logit changes; each token has the part that its own embedding brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from glueft.encoder.fused_ops import tracing
from glueft.encoder.word_embeddings import embedded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier

# Points on the line: twice as many each time, until the sum is the logit's change but for ERROR of it.
FIRST_POINTS, MOST_POINTS = 32, 512
ERROR = 0.005
# Tokens that go through the model at once: about 1 GiB for the activations of a base model.
TOKENS_AT_ONCE = 2048


@dataclass(frozen=True)
class TokenScores:
    """What each token adds to a logit.

    Attributes:
        scores: (tokens,); 0 for a token that is the same in the baseline.
        logit: of the row.
        baseline: the logit of the baseline.
        points: at which the gradient was taken.
    """

    scores: NDArray[np.float64]
    logit: float
    baseline: float
    points: int

    @property
    def error(self) -> float:
        """The sum of the scores less what it should be by the theorem of completeness, the change of the logit."""
        return float(self.scores.sum()) - (self.logit - self.baseline)


def integrated_gradients(
    model: Classifier,
    ids: NDArray[np.int64],
    token_types: NDArray[np.int64],
    *,
    output: int,
    blank: int,
    kept: NDArray[np.bool_],
) -> TokenScores:
    """Return how much each token of a row adds to a logit, by Gauss-Legendre quadrature.

    Args:
        model: in float32.
        ids: of the row's tokens, (tokens,), without padding.
        token_types: their segments, (tokens,).
        output: the number of the logit.
        blank: the id that stands for the words in the baseline.
        kept: the tokens that the baseline has too, such as the special ones, (tokens,).
    """
    words = model.encoder.embeddings.word_embeddings
    baseline_ids = np.where(kept, ids, blank)
    end, start = (np.asarray(ops.convert_to_numpy(words(tokens[None])))[0] for tokens in (ids, baseline_ids))
    row = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": token_types}
    points = FIRST_POINTS
    while True:
        nodes, weights = np.polynomial.legendre.leggauss(points)
        places, weights = np.array([0, 1, *(nodes + 1) / 2]), np.array([0, 0, *weights / 2])
        logits, gradient = _along(model, row, start, end, places, weights, output)
        baseline, logit = logits[:2]
        scores = (gradient * (end.astype(np.float64) - start)).sum(axis=1)
        found = TokenScores(scores, float(logit), float(baseline), points)
        if abs(found.error) <= ERROR * max(abs(logit - baseline), ERROR) or points == MOST_POINTS:
            return found
        points *= 2


def _along(
    model: Classifier,
    row: Mapping[str, NDArray[np.int64]],
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    places: NDArray[np.float64],
    weights: NDArray[np.float64],
    output: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the logit at places of the line from 0 to 1, (places,), and the weighted sum of its gradients there."""
    rows = max(1, TOKENS_AT_ONCE // len(start))
    logits, total = [], np.zeros(start.shape)
    for first in range(0, len(places), rows):
        chosen = places[first : first + rows]
        words = (start + chosen[:, None, None] * (end - start)).astype(np.float32)
        inputs = {name: np.repeat(values[None], len(chosen), axis=0) for name, values in row.items()}
        found, gradients = _gradients(model, inputs, words, output)
        logits.append(found.astype(np.float64))
        total += np.einsum("p,pts->ts", weights[first : first + rows], gradients.astype(np.float64))
    return np.concatenate(logits), total


def _gradients(
    model: Classifier, inputs: Mapping[str, NDArray[np.int64]], words: NDArray[np.float32], output: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a logit of each row, (rows,), and its gradient by the row's word embeddings, (rows, tokens, size)."""
    tensors = {name: ops.convert_to_tensor(values, "int32") for name, values in inputs.items()}

    def logits_of(embeddings: Any) -> Any:
        # Traced as for training: only then all operations have gradients.
        with embedded(model, embeddings), tracing(compiled=bool(model.jit_compile), training=True):
            return model.logits(tensors, training=False)[:, output]

    found: Any
    gradients: Any
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        given = tf.convert_to_tensor(words)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(given)
            found = logits_of(given)
        gradients = tape.gradient(found, given)
    elif backend == "jax":
        import jax

        def with_gradients(variables: Any, embeddings: Any) -> tuple[Any, Any]:
            with keras.StatelessScope(state_mapping=list(zip(model.variables, variables, strict=True))):
                found, back = jax.vjp(logits_of, embeddings)
                return found, back(jax.numpy.ones_like(found))[0]

        # Operation by operation it takes ten times as long.
        variables = [variable.value for variable in model.variables]
        found, gradients = jax.jit(with_gradients)(variables, jax.numpy.asarray(words))
    else:
        import torch

        given = ops.convert_to_tensor(words).requires_grad_()
        found = logits_of(given)
        (gradients,) = torch.autograd.grad(found.sum(), given)
    return ops.convert_to_numpy(found), ops.convert_to_numpy(gradients)
