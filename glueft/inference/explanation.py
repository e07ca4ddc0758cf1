"""Why a model answers as it does: how much each word of a row adds to the logit of a label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from glueft.encoder.labels import listed
from glueft.errors import DataError
from glueft.runs.predictions import Predictions, value_of
from glueft.suggest import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.encoding import Encoded
    from glueft.encoder.integrated_gradients import TokenScores
    from glueft.inference.predictor import SavedModel
    from glueft.runs.answers import Answers
    from glueft.runs.run import Run


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


class Explainer:
    """Says what each word adds to a logit, row after row, by integrated gradients.

    The baseline is the row with the padding token in place of each token that is not a special one. Of windows the
    scores are pooled as their logits are.

    Args:
        saved: a model in float32.
    """

    def __init__(self, saved: SavedModel) -> None:
        from glueft.encoder.integrated_gradients import IntegratedGradients

        self.saved = saved
        self._gradients = IntegratedGradients(
            saved.classifier, blank=saved.tokenizer.pad_token_id, longest=saved.max_length
        )

    def explain(
        self, texts: Sequence[list[str]], label: str | None = None, *, rows_in_all: int | None = None
    ) -> tuple[Answers, Iterator[Explanation]]:
        """Return the answers to rows, and what each word adds, a row at a time as it is asked for.

        Args:
            texts, rows_in_all: as for `TextModel.answer`.
            label: whose logit is explained; None for the label of each answer, or the most probable one of several.

        Raises:
            DataError: the model has no such label.
        """
        if label is not None and label not in self.saved.labels:
            raise _unknown_label(self.saved, label)
        encoded = self.saved.encode_texts(texts)
        answers = self.saved.answer_encoded(encoded, rows_in_all=rows_in_all)
        return answers, (
            self._explanation(row, encoded, number, label or _label_of(answers, self.saved.labels, number))
            for number, row in enumerate(zip(*texts, strict=True))
        )

    def _explanation(self, texts: Sequence[str], encoded: Encoded, row: int, label: str | None) -> Explanation:
        import numpy as np

        saved = self.saved
        output = 0 if label is None else saved.labels.index(label)
        windows = _windows_of(encoded, row)
        places = _places(saved.tokenizer, texts, encoded, windows)
        found = []
        for window, kept in zip(windows, _special_tokens(saved.tokenizer, encoded, windows, places), strict=True):
            within = _tokens_of(encoded, window)
            ids, types = (array[within].astype(np.int64) for array in (encoded.ids, encoded.token_types))
            found.append(self._gradients.scores(ids, types, output=output, kept=kept))
        shares = _shares(found, encoded)
        tokens = [
            Token(token, float(score) * share, number)
            for number, (window, scores, share) in enumerate(zip(windows, found, shares, strict=True))
            for token, score in zip(_names(saved.tokenizer, encoded, window), scores.scores, strict=True)
        ]

        def pooled(numbers: Iterator[float]) -> float:
            return sum(share * number for share, number in zip(shares, numbers, strict=True))

        return Explanation(
            texts=tuple(texts),
            label=label,
            logit=pooled(scores.logit for scores in found),
            baseline=pooled(scores.baseline for scores in found),
            error=pooled(scores.error for scores in found),
            points=max(scores.points for scores in found),
            tokens=tokens,
            words=None if places is None else _words(texts, places, [token.score for token in tokens]),
            # The count is of all rows: where one was cut, this one alone is counted again.
            truncated=bool(encoded.truncated) and bool(saved.encode_texts([[text] for text in texts]).truncated),
        )


def told_of_row(run: Run, predictions: Predictions, split: str, row: int) -> dict[str, Any]:
    """Return what a run's predictions of a split say of a row, as JSON has it beside the explanation."""
    reference, prediction = (
        value_of(cells[row], run.labels, multi_label=run.record.multi_label)
        for cells in (predictions.labels, predictions.predictions)
    )
    return {"row": row, "split": split, "reference": reference, "prediction": prediction}


def row_heading(told: Mapping[str, Any]) -> str:
    """Return a line that names a row of `told_of_row`, with its reference if it has one."""
    reference = told["reference"]
    if isinstance(reference, list):
        reference = ", ".join(reference) or "none"
    return f"row {told['row']} of {told['split']}" + ("" if reference is None else f", reference {reference}")


def _label_of(answers: Answers, labels: Sequence[str], row: int) -> str | None:
    """The label of a row; of several the most probable, and where it has none the most probable of all."""
    if not labels:
        return None
    own = answers.labels[row]
    if isinstance(own, str):
        return own
    return max(own or labels, key=dict(zip(labels, answers.probabilities[row], strict=True)).__getitem__)


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


def _windows_of(encoded: Encoded, row: int) -> range:
    """Return the numbers of the windows of a row; without windows that of the row."""
    if encoded.windows is None:
        return range(row, row + 1)
    first = int(encoded.windows.first[row])
    return range(first, first + int(encoded.windows.counts[row]))


def _places(tokenizer: Any, texts: Sequence[str], encoded: Encoded, windows: range) -> list[Any] | None:
    """Return the tokenizers library's own encoding of each window, with where its tokens are; None if it has none."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    first = backend.encode(*texts)  # `encode` has set how it truncates; where tokens are it did not ask.
    found = [first, *first.overflowing][: len(windows)]
    ids = encoded.ids[encoded.offsets[windows.start] : encoded.offsets[windows.stop]].tolist()
    same = [number for window in found for number in window.ids] == ids
    return found if same and len(found) == len(windows) else None


def _special_tokens(
    tokenizer: Any, encoded: Encoded, windows: range, places: list[Any] | None
) -> Iterator[NDArray[np.bool_]]:
    """Yield for each window which tokens are special ones that the tokenizer adds, (tokens,)."""
    import numpy as np

    if places is not None:
        yield from (np.array(window.special_tokens_mask, bool) for window in places)
        return
    special = [number for number in tokenizer.all_special_ids if number != tokenizer.unk_token_id]
    for window in windows:
        yield np.isin(encoded.ids[_tokens_of(encoded, window)], special)


def _tokens_of(encoded: Encoded, window: int) -> slice:
    """Return where the tokens of a window are."""
    return slice(*encoded.offsets[window : window + 2])


def _names(tokenizer: Any, encoded: Encoded, window: int) -> list[str]:
    names: list[str] = tokenizer.convert_ids_to_tokens(encoded.ids[_tokens_of(encoded, window)].tolist())
    return names


def _words(texts: Sequence[str], places: Sequence[Any], scores: Sequence[float]) -> list[Word]:
    """Sum the scores of the tokens of each word; windows that overlap have some tokens twice.

    A word is what the tokenizer takes for one, and never goes on after a space: some take a whole text for a word.
    """
    spans: dict[tuple[int, int, int, int], float] = {}  # text, first character, the one after the last, word -> score
    token = 0
    for window in places:
        for number, (start, end) in enumerate(window.offsets):
            of_text, of_word = window.sequence_ids[number], window.word_ids[number]
            score, token = scores[token], token + 1
            if not window.special_tokens_mask[number] and of_text is not None:
                span = of_text, start, end, -1 if of_word is None else of_word
                spans[span] = spans.get(span, 0.0) + score
    words: list[Word] = []
    before = None
    for (text, start, end, of_word), score in sorted(spans.items()):
        if before == (text, of_word) and not any(map(str.isspace, texts[text][words[-1].end : start + 1])):
            last = words.pop()
            start, end, score = last.start, max(end, last.end), last.score + score
        words.append(Word("", text, start, end, score))
        before = text, of_word
    return [_bare(texts[word.input], word) for word in words]


def _bare(text: str, word: Word) -> Word:
    """Return a word of a text with its characters, without the spaces around it, which some tokens have."""
    own = text[word.start : word.end]
    if own.strip():
        start = word.start + len(own) - len(own.lstrip())
        end = start + len(own.strip())
    else:
        start, end = word.start, word.end
    return Word(text[start:end], word.input, start, end, word.score)
