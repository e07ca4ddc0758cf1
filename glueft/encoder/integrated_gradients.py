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
from glueft.system.interruption import held

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier

# Points on the line: about twice as many each time, until the sum is the logit's change but for ERROR of it. With the
# two ends they are powers of two, and so divide into equal chunks.
POINTS = (30, 62, 126, 254, 510)
ERROR = 0.005
# Tokens that go through the model at once: about 1 GiB for the activations of a base model.
TOKENS_AT_ONCE = 2048
# A compiler makes a program for each shape: rows are padded to powers of two from here on, and so many go at once.
SHORTEST, ROWS_AT_ONCE = 16, 32


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


class IntegratedGradients:
    """The integrated gradients of one model, row after row, with as few compiled programs as there are lengths.

    Args:
        model: in float32.
        blank: the id of the padding token, which stands for the words in the baseline.
        longest: the most tokens that the model reads.
    """

    def __init__(self, model: Classifier, *, blank: int, longest: int) -> None:
        self.model, self.blank, self.longest = model, blank, longest
        self._compiled: Any = None

    def scores(
        self, ids: NDArray[np.int64], token_types: NDArray[np.int64], *, output: int, kept: NDArray[np.bool_]
    ) -> TokenScores:
        """Return how much each token of a row adds to a logit, by Gauss-Legendre quadrature.

        Args:
            ids: of the row's tokens, (tokens,), without padding.
            token_types: their segments, (tokens,).
            output: the number of the logit.
            kept: the tokens that the baseline has too, such as the special ones, (tokens,).
        """
        tokens = len(ids)
        padding = self._width(tokens) - tokens
        row = {
            "input_ids": np.pad(ids, (0, padding), constant_values=self.blank),
            "attention_mask": np.pad(np.ones_like(ids), (0, padding)),
            "token_type_ids": np.pad(token_types, (0, padding)),
        }
        words = self.model.encoder.embeddings.word_embeddings
        baseline_ids = np.where(np.pad(kept, (0, padding)), row["input_ids"], self.blank)
        end, start = (
            np.asarray(ops.convert_to_numpy(words(some[None])))[0] for some in (row["input_ids"], baseline_ids)
        )
        for points in POINTS:
            nodes, weights = np.polynomial.legendre.leggauss(points)
            places, weights = np.array([0, 1, *(nodes + 1) / 2]), np.array([0, 0, *weights / 2])
            logits, gradient = self._along(row, start, end, places, weights, output)
            baseline, logit = logits[:2]
            scores = (gradient * (end.astype(np.float64) - start)).sum(axis=1)[:tokens]
            found = TokenScores(scores, float(logit), float(baseline), points)
            if abs(found.error) <= ERROR * max(abs(logit - baseline), ERROR):
                break
        return found

    def _width(self, tokens: int) -> int:
        """Return the length to which a row is padded: its own, but for a compiler."""
        if keras.backend.backend() != "jax":
            return tokens
        return max(tokens, min(self.longest, max(SHORTEST, 1 << (tokens - 1).bit_length())))

    def _along(
        self,
        row: Mapping[str, NDArray[np.int64]],
        start: NDArray[np.float32],
        end: NDArray[np.float32],
        places: NDArray[np.float64],
        weights: NDArray[np.float64],
        output: int,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the logit at places of the line, 0 to 1, (places,), and the weighted sum of its gradients there."""
        rows = ROWS_AT_ONCE
        while rows > 1 and rows * len(start) > TOKENS_AT_ONCE:
            rows //= 2
        logits, total = [], np.zeros(start.shape)
        for first in range(0, len(places), rows):
            chosen = places[first : first + rows]
            words = (start + chosen[:, None, None] * (end - start)).astype(np.float32)
            inputs = {name: np.repeat(values[None], len(chosen), axis=0) for name, values in row.items()}
            # An exception that a signal raises within the gradient's own callbacks has crashed TensorFlow.
            with held():
                found, gradients = self._gradients(inputs, words, output)
            logits.append(found.astype(np.float64))
            total += np.einsum("p,pts->ts", weights[first : first + rows], gradients.astype(np.float64))
        return np.concatenate(logits), total

    def _gradients(
        self, inputs: Mapping[str, NDArray[np.int64]], words: NDArray[np.float32], output: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a logit of each row, (rows,), and its gradient by the row's word embeddings, (rows, tokens, size)."""
        tensors = {name: ops.convert_to_tensor(values, "int32") for name, values in inputs.items()}
        found: Any
        gradients: Any
        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            given = tf.convert_to_tensor(words)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(given)
                found = self._logits(given, tensors, output)
            gradients = tape.gradient(found, given)
        elif backend == "jax":
            # Operation by operation it takes ten times as long.
            if self._compiled is None:
                self._compiled = self._compile()
            variables = [variable.value for variable in self.model.variables]
            found, gradients = self._compiled(variables, words, tensors, output)
        else:
            import torch

            given = ops.convert_to_tensor(words).requires_grad_()
            found = self._logits(given, tensors, output)
            (gradients,) = torch.autograd.grad(found.sum(), given)
        return ops.convert_to_numpy(found), ops.convert_to_numpy(gradients)

    def _logits(self, words: Any, tensors: Mapping[str, Any], output: Any) -> Any:
        """Return a logit of each row, (rows,), of word embeddings (rows, tokens, size)."""
        # Traced as for training: only then all operations have gradients.
        with embedded(self.model, words), tracing(compiled=bool(self.model.jit_compile), training=True):
            return ops.take(self.model.logits(tensors, training=False), output, axis=1)

    def _compile(self) -> Any:
        """Return `_gradients` for JAX, compiled once for each shape: the number of the logit is no constant in it."""
        import jax

        def with_gradients(variables: Any, words: Any, tensors: Any, output: Any) -> tuple[Any, Any]:
            with keras.StatelessScope(state_mapping=list(zip(self.model.variables, variables, strict=True))):
                found, back = jax.vjp(lambda given: self._logits(given, tensors, output), words)
                return found, back(jax.numpy.ones_like(found))[0]

        return jax.jit(with_gradients)
