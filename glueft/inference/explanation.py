"""Why a model answers as it does: how much each word of a row adds to the logit of a label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from glueft.encoder.labels import listed
from glueft.errors import DataError
from glueft.suggest import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.encoding import Encoded
    from glueft.encoder.integrated_gradients import TokenScores
    from glueft.inference.predictor import SavedModel
    from glueft.runs.answers import Answers


@dataclass(frozen=True)
class Token:
    """What one token adds; `window` counts from 0, and is 0 where texts are not cut into windows."""

    token: str
    score: float
    window: int


@dataclass(frozen=True)
class Word:
    """What one word adds: the sum over its tokens, in all windows.

    Attributes:
        text: as it stands in the row.
        input: the number of the text, 0 or 1.
        start, end: the place in it, in characters; `end` is that after the last one.
    """

    text: str
    input: int
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Explanation:
    """What each word of a row adds to a logit.

    Attributes:
        texts: of the row.
        label: whose logit it is; None in regression, where it is the score.
        logit: of the row.
        baseline: the logit with blanks for all words.
        error: the sum of all scores less the difference of the two.
        points: between the two rows, at which the gradient was taken; of the window that took most.
        tokens: special ones too, whose score is 0.
        words: in the order of the texts; None for a tokenizer that does not tell where its tokens are.
        truncated: whether tokens were cut off the row.
    """

    texts: tuple[str, ...]
    label: str | None
    logit: float
    baseline: float
    error: float
    points: int
    tokens: list[Token]
    words: list[Word] | None
    truncated: bool

    def as_record(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self) | {"texts": list(self.texts)}


def explain(saved: SavedModel, texts: Sequence[str], label: str | None = None) -> tuple[Answers, Explanation]:
    """Return the answer to a row, and what each word adds to a logit, by integrated gradients.

    The baseline is the row with the padding token in place of each token that is not a special one. Of windows the
    scores are pooled as their logits are.

    Args:
        saved: a model in float32.
        texts: one for each of its inputs.
        label: whose logit it is; None for the label of the answer, or the most probable one of several.

    Raises:
        DataError: the model has no such label.
    """
    import numpy as np

    from glueft.data.rows import Rows
    from glueft.encoder.integrated_gradients import integrated_gradients

    if label is not None and label not in saved.labels:
        raise _unknown_label(saved, label)
    answers = saved.answer([[text] for text in texts])
    if label is None and saved.labels:
        label = _label_of(answers, saved.labels)
    output = 0 if label is None else saved.labels.index(label)
    row = Rows("input", tuple([text] for text in texts), np.full(1, -1, np.int32), saved.labels)
    encoded = saved.encode(row)
    places = _places(saved.tokenizer, texts, encoded)
    found = []
    for window, kept in enumerate(_special_tokens(saved.tokenizer, encoded, places)):
        within = _tokens_of(encoded, window)
        ids, types = (array[within].astype(np.int64) for array in (encoded.ids, encoded.token_types))
        found.append(integrated_gradients(saved.classifier, ids, types, output=output, blank=encoded.pad_id, kept=kept))
    shares = _shares(found, encoded)
    tokens = [
        Token(token, float(score) * share, window)
        for window, (scores, share) in enumerate(zip(found, shares, strict=True))
        for token, score in zip(_names(saved.tokenizer, encoded, window), scores.scores, strict=True)
    ]

    def pooled(numbers: Iterator[float]) -> float:
        return sum(share * number for share, number in zip(shares, numbers, strict=True))

    return answers, Explanation(
        texts=tuple(texts),
        label=label,
        logit=pooled(scores.logit for scores in found),
        baseline=pooled(scores.baseline for scores in found),
        error=pooled(scores.error for scores in found),
        points=max(scores.points for scores in found),
        tokens=tokens,
        words=None if places is None else _words(texts, places, [token.score for token in tokens]),
        truncated=bool(encoded.truncated),
    )


def _label_of(answers: Answers, labels: Sequence[str]) -> str:
    """The label of the one row; of several the most probable, and where it has none the most probable of all."""
    own = answers.labels[0]
    if isinstance(own, str):
        return own
    return max(own or labels, key=dict(zip(labels, answers.probabilities[0], strict=True)).__getitem__)


def _unknown_label(saved: SavedModel, label: str) -> DataError:
    return DataError(
        f'the model has no label called "{label}"' if saved.labels else "the model predicts a score, and has no labels",
        expected=f"one of {listed(saved.labels)}" if saved.labels else "no label",
        received=f'"{label}"',
        fix=did_you_mean(label, saved.labels).strip() or "name one of them" if saved.labels else "leave it out",
    )


def _shares(windows: Sequence[TokenScores], encoded: Encoded) -> list[float]:
    """Return how much of each window's logit is in that of the row: see `Windowing.pool`."""
    pool = "first" if encoded.windows is None else encoded.windows.pool
    if pool == "mean":
        return [1 / len(windows)] * len(windows)
    logits = [scores.logit for scores in windows]
    alone = 0 if pool == "first" else logits.index(max(logits))
    return [float(window == alone) for window in range(len(windows))]


def _places(tokenizer: Any, texts: Sequence[str], encoded: Encoded) -> list[Any] | None:
    """Return the tokenizers library's own encoding of each window, with where its tokens are; None if it has none."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    first = backend.encode(*texts)  # `encode` has just set how it truncates.
    windows = [first, *first.overflowing][: len(encoded)]
    same = [number for window in windows for number in window.ids] == encoded.ids.tolist()
    return windows if same and len(windows) == len(encoded) else None


def _special_tokens(tokenizer: Any, encoded: Encoded, places: list[Any] | None) -> Iterator[NDArray[np.bool_]]:
    """Yield for each window which tokens are special ones that the tokenizer adds, (tokens,)."""
    import numpy as np

    if places is not None:
        yield from (np.array(window.special_tokens_mask, bool) for window in places)
        return
    special = [number for number in tokenizer.all_special_ids if number != tokenizer.unk_token_id]
    for window in range(len(encoded)):
        yield np.isin(encoded.ids[_tokens_of(encoded, window)], special)


def _tokens_of(encoded: Encoded, window: int) -> slice:
    """Return where the tokens of a window are."""
    return slice(*encoded.offsets[window : window + 2])


def _names(tokenizer: Any, encoded: Encoded, window: int) -> list[str]:
    names: list[str] = tokenizer.convert_ids_to_tokens(encoded.ids[_tokens_of(encoded, window)].tolist())
    return names


def _words(texts: Sequence[str], places: Sequence[Any], scores: Sequence[float]) -> list[Word]:
    """Sum the scores of the tokens of each word; windows that overlap have some words twice."""
    spans: dict[tuple[int, int], list[float]] = {}  # text and first character -> the character after it, and the score
    token = 0
    for window in places:
        word: tuple[int, int] | None = None
        before: tuple[int | None, int | None] = (None, None)
        for number, (start, end) in enumerate(window.offsets):
            of_text, of_word = window.sequence_ids[number], window.word_ids[number]
            score, token = scores[token], token + 1
            if window.special_tokens_mask[number] or of_text is None:
                before = (None, None)
                continue
            if (of_text, of_word) != before or word is None:
                word = (of_text, start)
            before = (of_text, of_word)
            span = spans.setdefault(word, [end, 0.0])
            span[0], span[1] = max(span[0], end), span[1] + score
    return [
        Word(texts[text][start : int(end)], text, start, int(end), score)
        for (text, start), (end, score) in sorted(spans.items())
    ]
